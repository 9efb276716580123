//! Lists of jobs: a project's, and those of all my projects. Rows change by themselves.
use super::row::Row;
use crate::{
    domain::{
        access::Action,
        ids::ProjectId,
        job::{Language, Phase},
        violation::Violations,
    },
    services::{Error, jobs},
    web::{
        App, Kind, Right, Route,
        error::Result,
        escape::escaped,
        extract::{Path, Query, Who},
        job_query::JobQuery,
        pages::project_frame::{ProjectFrame, Tab},
        stream::{self, Listener},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{Method, StatusCode};
use serde::Deserialize;

const PER_PAGE: u32 = 50;
const SEE: Right = Right::Project(Action::See);
/// Members and queues that a filter suggests.
const SUGGESTED: u32 = 100;

pub fn routes() -> Vec<Route> {
    let stream = |path, right| (Method::GET, path, Kind::Stream, right);
    let (method, path, kind, right) = stream("/projects/{project}/jobs/stream", SEE);
    let of_project = Route::new(method, path, kind, right, follow);
    let (method, path, kind, right) = stream("/jobs/stream", Right::User);
    let mine = Route::new(method, path, kind, right, follow_mine);
    vec![
        Route::page("/projects/{project}/jobs", SEE, list),
        Route::page("/jobs", Right::User, list_mine),
        of_project,
        mine,
    ]
}

#[derive(Template)]
#[template(path = "jobs/list.html")]
struct ListPage {
    view: View,
    frame: ProjectFrame,
    list: JobList,
}

#[derive(Template)]
#[template(path = "jobs/list_mine.html")]
struct MinePage {
    view: View,
    list: JobList,
}

/// What both pages show.
struct JobList {
    /// The list's own address.
    base: String,
    query: JobQuery,
    errors: Violations,
    rows: Vec<Row>,
    queues: Vec<String>,
    people: Vec<String>,
    /// Where a new job is made, if the reader may.
    new_url: Option<String>,
    shows_project: bool,
    after: Option<i64>,
    next: Option<i64>,
}

impl JobList {
    fn is_filtered(&self) -> bool {
        !self.query.pairs().is_empty()
    }

    /// Whether one of the folded filters is set.
    fn is_unfolded(&self) -> bool {
        let query = &self.query;
        [
            &query.name,
            &query.language,
            &query.created_after,
            &query.created_before,
        ]
        .iter()
        .any(|value| !value.is_empty())
    }

    fn url(&self, after: Option<i64>) -> String {
        let mut parts: Vec<String> = self
            .query
            .pairs()
            .into_iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        parts.extend(after.map(|after| format!("after={after}")));
        if parts.is_empty() {
            return self.base.clone();
        }
        format!("{}?{}", self.base, parts.join("&"))
    }

    fn here(&self) -> String {
        self.url(self.after)
    }

    fn first_url(&self) -> String {
        self.after.map_or_else(String::new, |_| self.url(None))
    }

    fn next_url(&self) -> String {
        self.next
            .map_or_else(String::new, |next| self.url(Some(next)))
    }

    fn stream_url(&self) -> String {
        format!("{}/stream", self.base)
    }

    /// Value, words and whether it is chosen.
    fn phases(&self) -> Vec<(&'static str, String, bool)> {
        let mut all = vec![
            ("", "any".to_owned()),
            ("queued,starting,running", "not ended".to_owned()),
        ];
        all.extend(Phase::ALL.iter().map(|p| (p.as_str(), p.to_string())));
        chosen(all, &self.query.phase)
    }

    fn types(&self) -> Vec<(&'static str, String, bool)> {
        let mut all = vec![("", "any".to_owned())];
        all.extend(Language::ALL.iter().map(|l| (l.as_str(), l.to_string())));
        chosen(all, &self.query.language)
    }

    fn message(&self) -> Vec<&str> {
        self.errors.iter().map(|v| v.message.as_str()).collect()
    }
}

fn chosen(all: Vec<(&'static str, String)>, now: &str) -> Vec<(&'static str, String, bool)> {
    all.into_iter()
        .map(|(value, words)| (value, words, value == now))
        .collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: Option<i64>,
}

type Found = (Vec<Row>, Option<i64>, Violations);

/// The rows of a page, or what is wrong with the filters.
fn found(page: Result<jobs::Page, Error>, view: &View) -> Result<Found, Error> {
    match page {
        Ok(page) => {
            let row = |place| Row::new(place, view.now());
            let rows = page.jobs.into_iter().map(row).collect();
            Ok((rows, page.next, Violations::default()))
        }
        Err(Error::Invalid(errors)) => Ok((Vec::new(), None, errors)),
        Err(other) => Err(other),
    }
}

fn answer(errors: &Violations, html: String) -> Response {
    let status = if errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    (status, Html(html)).into_response()
}

const NONE: jobs::Page = jobs::Page {
    jobs: Vec::new(),
    next: None,
};

async fn queues(app: &App) -> Result<Vec<String>, Error> {
    let all = app.portal.store.list_queues().await?;
    let names = all.iter().map(|queue| queue.name.to_string());
    Ok(names.take(SUGGESTED as usize).collect())
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(query): Query<JobQuery>,
    Query(After { after }): Query<After>,
) -> Result<Response> {
    let portal = &app.portal;
    let frame = ProjectFrame::open(portal, &actor, id, Tab::Jobs).await?;
    let page = match query.filter(portal, view.time_zone()).await {
        Ok(Some(filter)) => jobs::list(portal, &actor, id, &filter, after, PER_PAGE).await,
        Ok(None) => Ok(NONE),
        Err(error) => Err(error),
    };
    let (rows, next, errors) = found(page, &view)?;
    let members = portal.store.list_members(id, "", SUGGESTED).await?;
    let list = JobList {
        base: frame.at("/jobs"),
        query,
        errors,
        rows,
        queues: queues(&app).await?,
        people: members
            .iter()
            .map(|member| member.name.to_string())
            .collect(),
        new_url: frame.runs_jobs().then(|| frame.at("/jobs/new")),
        shows_project: false,
        after,
        next,
    };
    let page = ListPage { view, frame, list };
    Ok(answer(&page.list.errors, page.render()?))
}

async fn list_mine(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(query): Query<JobQuery>,
    Query(After { after }): Query<After>,
) -> Result<Response> {
    let portal = &app.portal;
    let page = match query.filter(portal, view.time_zone()).await {
        Ok(Some(filter)) => jobs::list_mine(portal, &actor, &filter, after, PER_PAGE).await,
        Ok(None) => Ok(NONE),
        Err(error) => Err(error),
    };
    let (rows, next, errors) = found(page, &view)?;
    let list = JobList {
        base: "/jobs".into(),
        query,
        errors,
        rows,
        queues: queues(&app).await?,
        people: vec![actor.user.name.to_string()],
        new_url: None,
        shows_project: true,
        after,
        next,
    };
    let page = MinePage { view, list };
    Ok(answer(&page.list.errors, page.render()?))
}

async fn follow(
    State(app): State<App>,
    listener: Listener,
    Path(id): Path<ProjectId>,
) -> Result<Response> {
    Ok(stream::jobs(app, listener, Some(id)).await?.into_response())
}

async fn follow_mine(State(app): State<App>, listener: Listener) -> Result<Response> {
    Ok(stream::jobs(app, listener, None).await?.into_response())
}
