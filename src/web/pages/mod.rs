//! HTML: the form, the page structs and the handlers of a page are in one file.
mod account;
mod admin;
mod files;
mod home;
mod job_line;
mod jobs;
pub mod project_frame;
mod projects;
mod provider_sign_in;
mod search;
mod sign_in;
#[cfg(debug_assertions)]
mod styleguide;
mod tasks;

use super::routes::Route;

pub fn routes() -> Vec<Route> {
    let mut all = sign_in::routes();
    all.extend(provider_sign_in::routes());
    all.extend(account::routes());
    all.extend(projects::routes());
    all.extend(admin::routes());
    all.extend(files::routes());
    all.extend(jobs::routes());
    all.extend(tasks::routes());
    all.extend(home::routes());
    all.extend(search::routes());
    #[cfg(debug_assertions)]
    all.extend(styleguide::routes());
    all
}
