//! What one sees first, and the example that shows how a job goes.
use super::job_line::JobLine;
use crate::{
    domain::project::Role,
    services::{example, home, idempotency::Key},
    store::Membership,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Who},
        view::{View, opened, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, Response},
};
use serde::Deserialize;

/// Projects shown; the list of projects has the rest.
const PROJECTS: usize = 12;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/", Right::User, show),
        Route::action("/example", Right::User, run_example),
    ]
}

#[derive(Template)]
#[template(path = "home/show.html")]
struct ShowPage {
    view: View,
    is_new: bool,
    /// So that sending the example's form twice is once.
    opened: String,
    live: Vec<JobLine>,
    recent: Vec<JobLine>,
    projects: Vec<Membership>,
    more_projects: usize,
}

impl ShowPage {
    fn has_no_job(&self) -> bool {
        self.live.is_empty() && self.recent.is_empty()
    }
}

fn role(of: &Membership) -> &'static str {
    of.role.map_or("", Role::as_str)
}

async fn show(State(app): State<App>, view: View, Who(actor): Who) -> Result<Html<String>> {
    let mut home = home::look(&app.portal, &actor).await?;
    let is_new = home.is_new();
    let more_projects = home.projects.len().saturating_sub(PROJECTS);
    home.projects.truncate(PROJECTS);
    let page = ShowPage {
        view,
        is_new,
        opened: opened(),
        live: home.live.into_iter().map(JobLine::from).collect(),
        recent: home.recent.into_iter().map(JobLine::from).collect(),
        projects: home.projects,
        more_projects,
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ExampleForm {
    opened: String,
}

async fn run_example(
    State(app): State<App>,
    Who(actor): Who,
    Form(form): Form<ExampleForm>,
) -> Result<Response> {
    let key = match form.opened.as_str() {
        "" => None,
        opened => Some(Key::of_form("POST /example of a page", opened, b"")?),
    };
    let made = example::run(&app.portal, &actor, key.as_ref()).await?;
    let job = made.into_inner();
    Ok(redirect_with_notice(
        &format!("/jobs/{job}"),
        "This is the example, in a project of its own. Watch how it goes; its program and its text are among the project's files.",
    ))
}
