//! HTML: the form, the page structs and the handlers of a page are in one file.
mod sign_in;

use super::routes::Route;

pub fn routes() -> Vec<Route> {
    sign_in::routes()
}
