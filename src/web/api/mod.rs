//! JSON under `/api/v1`: the same services as the pages, described by OpenAPI.
mod account;
pub mod input;
mod job_logs;
mod jobs;
pub mod openapi;
pub mod query;
mod site;

use super::routes::Route;
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    let mut all = site::routes();
    all.extend(account::routes());
    all.extend(jobs::routes());
    all.extend(job_logs::routes());
    all
}

/// A page of a list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct List<T: utoipa::ToSchema> {
    pub items: Vec<T>,
    /// What to send as `after` for the rest; null at the end.
    pub next: Option<String>,
}
