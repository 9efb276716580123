//! The files that a job wrote.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{access::Action, ids::JobId, quantity::human_bytes},
    services::{
        files::{self, Depth},
        jobs,
    },
    storage::{Entry, Kind},
    web::{
        App, Right, Route,
        error::Result,
        escape::escaped,
        extract::{Path, Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{extract::State, response::Html};
use jiff::Timestamp;
use serde::Deserialize;

const PER_PAGE: usize = 100;

pub fn routes() -> Vec<Route> {
    vec![Route::page(
        "/jobs/{job}/outputs",
        Right::Project(Action::See),
        list,
    )]
}

/// Whether it is something that a program wrote: Hadoop's checksum files are not.
pub fn is_file(entry: &Entry) -> bool {
    let name = entry.name.rsplit('/').next().unwrap_or_default();
    entry.kind == Kind::File && !(name.starts_with('.') && name.strip_suffix(".crc").is_some())
}

#[derive(Template)]
#[template(path = "jobs/outputs.html")]
struct OutputsPage {
    view: View,
    frame: JobFrame,
    rows: Vec<Row>,
    folder: String,
    folder_url: String,
    first: String,
    next: String,
}

struct Row {
    /// Below the job's folder; begins with the attempt's number.
    name: String,
    size: String,
    modified: Option<Timestamp>,
    view_url: String,
    content_url: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    attempt: Option<u32>,
    after: Option<String>,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let portal = &app.portal;
    let frame = JobFrame::open(portal, &actor, id, Tab::Outputs, wanted.attempt).await?;
    let folder = jobs::folder(frame.job())?;
    let after = wanted.after.as_deref();
    let page = files::list(
        portal,
        &actor,
        frame.job().project,
        Some(&folder),
        Depth::All,
        after,
        PER_PAGE,
    )
    .await?;
    let rows = page.entries.into_iter().filter(is_file).map(|entry| {
        let path = escaped(&format!("{folder}/{}", entry.name));
        Row {
            size: human_bytes(entry.size),
            modified: entry.modified,
            view_url: frame.project_at(&format!("/files/view/{path}")),
            content_url: frame.project_at(&format!("/files/content/{path}")),
            name: entry.name,
        }
    });
    let page = OutputsPage {
        rows: rows.collect(),
        folder_url: frame.project_at(&format!("/files?folder={}", escaped(folder.as_str()))),
        folder: folder.to_string(),
        first: after.map_or_else(String::new, |_| frame.at("/outputs")),
        next: page.next.map_or_else(String::new, |next| {
            frame.at(&format!("/outputs?after={}", escaped(&next)))
        }),
        view,
        frame,
    };
    Ok(Html(page.render()?))
}
