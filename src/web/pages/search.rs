//! One field that looks everywhere.
use super::job_line::JobLine;
use crate::{
    services::search::{self, Found, FoundFile},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{extract::State, response::Html};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

/// What may not stand as it is in a path of an address.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

pub fn routes() -> Vec<Route> {
    vec![Route::page("/search", Right::User, show)]
}

#[derive(Template)]
#[template(path = "search.html")]
struct ShowPage {
    view: View,
    text: String,
    found: Found,
    jobs: Vec<JobLine>,
}

impl ShowPage {
    /// Too short for jobs and files.
    fn is_short(&self) -> bool {
        self.text.chars().count() < search::LEAST
    }

    fn all_jobs(&self) -> String {
        let text = utf8_percent_encode(&self.text, percent_encoding::NON_ALPHANUMERIC);
        format!("/jobs?q={text}")
    }

    /// The projects that were not looked through to the end, in one sentence.
    fn cut(&self) -> String {
        let names: Vec<&str> = self.found.cut.iter().take(5).map(|t| t.as_str()).collect();
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

/// A file's folder in the pages of files, where it stands among others.
fn folder(file: &FoundFile) -> String {
    let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let parent = utf8_percent_encode(parent, IN_PATH);
    let slash = if file.path.contains('/') { "/" } else { "" };
    format!("/projects/{}/files{slash}{parent}", file.project.id)
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
) -> Result<Html<String>> {
    let text: String = wanted.q.trim().chars().take(200).collect();
    let mut found = search::search(&app.portal, &actor, &text).await?;
    let jobs = std::mem::take(&mut found.jobs);
    let page = ShowPage {
        view,
        text,
        found,
        jobs: jobs.into_iter().map(JobLine::from).collect(),
    };
    Ok(Html(page.render()?))
}
