//! For site administrators: how the portal does, who uses it, what was done. To others these pages do not exist.
mod audit;
mod overview;
mod rules;
mod users;

use crate::web::Route;

pub fn routes() -> Vec<Route> {
    let mut all = overview::routes();
    all.extend(users::routes());
    all.extend(rules::routes());
    all.extend(audit::routes());
    all
}
