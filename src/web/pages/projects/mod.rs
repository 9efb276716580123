//! Projects: the list, a new one, its settings and members, its end. One file per page.
mod delete;
mod list;
mod members;
mod new;
mod settings;

use crate::web::Route;

pub fn routes() -> Vec<Route> {
    let mut all = list::routes();
    all.extend(new::routes());
    all.extend(settings::routes());
    all.extend(members::routes());
    all.extend(delete::routes());
    all
}
