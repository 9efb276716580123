//! One field that looks everywhere.
use super::job_line::JobLine;
use crate::{
    domain::names::Title,
    services::{
        Error,
        search::{self, Found, FoundFile},
    },
    storage::Kind,
    web::{
        App, Right, Route,
        error::Result,
        escape::escaped,
        extract::{Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![Route::page("/search", Right::User, show)]
}

#[derive(Template)]
#[template(path = "search.html")]
struct ShowPage {
    view: View,
    text: String,
    /// Why it was not looked for.
    trouble: String,
    found: Found,
    jobs: Vec<JobLine>,
}

impl ShowPage {
    /// Too short for jobs and files.
    fn is_short(&self) -> bool {
        self.text.chars().count() < search::LEAST
    }

    fn all_jobs(&self) -> String {
        format!("/jobs?q={}", escaped(&self.text))
    }

    /// The projects that were not looked through to the end, in one sentence.
    fn cut(&self) -> String {
        let names: Vec<&str> = self.found.cut.iter().take(5).map(Title::as_str).collect();
        let more = self.found.cut.len().saturating_sub(names.len());
        let and = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!(
            "Not all files of {}{and} were looked at, as there are many. Browse them for the rest.",
            names.join(", ")
        )
    }
}

/// A file's own page, or a folder's.
fn address(file: &FoundFile) -> String {
    let (project, path) = (file.project.id, escaped(&file.path));
    match file.kind {
        Kind::File => format!("/projects/{project}/files/view/{path}"),
        Kind::Folder => format!("/projects/{project}/files?folder={path}"),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    q: String,
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let text: String = wanted.q.trim().chars().take(200).collect();
    app.limits.search(actor.user.id)?;
    let (mut found, trouble) = match search::search(&app.portal, &actor, &text).await {
        Ok(found) => (found, String::new()),
        Err(Error::Invalid(wrong)) => (Found::default(), wrong.on("/q").join(" ")),
        Err(other) => return Err(other.into()),
    };
    let status = if trouble.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let jobs = std::mem::take(&mut found.jobs);
    let page = ShowPage {
        view,
        text,
        trouble,
        found,
        jobs: jobs.into_iter().map(JobLine::from).collect(),
    };
    Ok((status, Html(page.render()?)).into_response())
}
