//! What the start page and the search do: the example, and one text looked for everywhere.
use super::{files, idempotency, jobs::JobView, openapi::doc, projects::Project};
use crate::{
    services::{example, search},
    storage::Kind,
    web::{
        App, Right, Route,
        answer::Answer,
        error::Result,
        extract::{Query, Who},
    },
};
use axum::{extract::State, response::Response};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub fn routes() -> Vec<Route> {
    vec![
        Route::api(
            Method::POST,
            "/api/v1/example",
            Right::User,
            run_example,
            doc("Makes the example's project, unless it is there, and submits its job; honours Idempotency-Key")
                .json::<Started>(201, "The job; Location leads to it")
                .json::<Started>(200, "It was submitted by this Idempotency-Key before"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/search",
            Right::User,
            find,
            doc("Looks for a text in names of projects, jobs and files, as far as a few seconds reach")
                .query(&[("q", "What to find; from three characters on in jobs and files too")])
                .json::<Found>(200, "The first of each"),
        ),
    ]
}

/// The job that was submitted.
#[derive(Serialize, utoipa::ToSchema)]
struct Started {
    job: String,
}

async fn run_example(
    State(app): State<App>,
    Who(actor): Who,
    headers: HeaderMap,
) -> Result<Response> {
    let key = idempotency::key(&headers, "POST /example", &Value::Null)?;
    let made = example::run(&app.portal, &actor, key.as_ref()).await?;
    let job = made.into_inner().to_string();
    let location = format!("/api/v1/jobs/{job}");
    Ok(idempotency::answer(
        &made,
        location,
        Answer(Started { job }),
    ))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    q: String,
}

/// What was found.
#[derive(Serialize, utoipa::ToSchema)]
struct Found {
    projects: Vec<Project>,
    jobs: Vec<JobView>,
    more_jobs: bool,
    files: Vec<FoundFile>,
    more_files: bool,
    /// Names of projects not all of whose files were looked at.
    cut: Vec<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct FoundFile {
    /// The project's id.
    project: String,
    path: String,
    /// `file` or `folder`.
    kind: &'static str,
    url: String,
}

async fn find(
    State(app): State<App>,
    Who(actor): Who,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<Found>> {
    app.limits.search(actor.user.id)?;
    let text: String = wanted.q.chars().take(200).collect();
    let found = search::search(&app.portal, &actor, &text).await?;
    let files = found.files.into_iter().map(|file| FoundFile {
        project: file.project.id.to_string(),
        url: files::address(file.project.id, &file.path),
        path: file.path,
        kind: match file.kind {
            Kind::File => "file",
            Kind::Folder => "folder",
        },
    });
    // They are all in projects of which the caller is a member.
    let jobs = found.jobs.into_iter().map(|place| JobView::of(place, true));
    Ok(Answer(Found {
        projects: found.projects.iter().map(Project::from).collect(),
        jobs: jobs.collect(),
        more_jobs: found.more_jobs,
        files: files.collect(),
        more_files: found.more_files,
        cut: found.cut.iter().map(ToString::to_string).collect(),
    }))
}
