//! Jobs: the lists, the form, one job with its log, and what can be done to it.
mod cancel;
mod delete;
mod events;
mod form;
mod frame;
mod list;
mod log_text;
mod logs;
mod manifest;
mod new;
mod outputs;
mod row;
mod show;
mod timeline;

use crate::web::Route;

pub fn routes() -> Vec<Route> {
    let mut all = list::routes();
    all.extend(new::routes());
    all.extend(show::routes());
    all.extend(logs::routes());
    all.extend(outputs::routes());
    all.extend(events::routes());
    all.extend(manifest::routes());
    all.extend(cancel::routes());
    all.extend(delete::routes());
    all
}
