//! One's own account: profile, password, identities, tokens, sessions, and a site administrator's elevation. One file per page.
mod elevation;
mod identities;
mod password;
mod profile;
mod sessions;
mod tokens;

use crate::web::Route;

pub fn routes() -> Vec<Route> {
    let mut all = profile::routes();
    all.extend(password::routes());
    all.extend(identities::routes());
    all.extend(tokens::routes());
    all.extend(sessions::routes());
    all.extend(elevation::routes());
    all
}
