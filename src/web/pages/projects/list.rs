//! Projects: mine first, then those that everybody may look at. A project's own address leads to its jobs.
use crate::{
    domain::{
        access::Action,
        ids::ProjectId,
        project::{Project, Role, Visibility},
    },
    services::projects,
    store::Membership,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Path, Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};
use serde::Deserialize;

const PER_PAGE: u32 = 50;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects", Right::User, list),
        Route::page("/projects/{project}", Right::Project(Action::See), show),
    ]
}

#[derive(Template)]
#[template(path = "projects/list.html")]
struct ListPage {
    view: View,
    mine: Vec<Row>,
    others: Vec<Row>,
    first: String,
    next: String,
}

struct Row {
    project: Project,
    role: Option<Role>,
}

impl Row {
    fn url(&self) -> String {
        format!("/projects/{}", self.project.id)
    }

    fn role(&self) -> &'static str {
        self.role.map_or("", Role::as_str)
    }

    fn is_public(&self) -> bool {
        self.project.visibility == Visibility::Public
    }

    fn is_archived(&self) -> bool {
        self.project.archived_at.is_some()
    }

    /// The description's first line.
    fn about(&self) -> &str {
        self.project.description.lines().next().unwrap_or("")
    }
}

impl From<Membership> for Row {
    fn from(of: Membership) -> Self {
        Self {
            project: of.project,
            role: of.role,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    after: Option<ProjectId>,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let mine = if wanted.after.is_none() {
        projects::list_mine(&app.portal, &actor).await?
    } else {
        Vec::new()
    };
    let mut page = projects::list(&app.portal, &actor, wanted.after, PER_PAGE + 1).await?;
    let more = page.len() > PER_PAGE as usize;
    page.truncate(PER_PAGE as usize);
    let last = page.last().filter(|_| more);
    let next = last.map_or_else(String::new, |m| format!("/projects?after={}", m.project.id));
    let page = ListPage {
        view,
        mine: mine.into_iter().map(Row::from).collect(),
        others: page
            .into_iter()
            .filter(|m| m.role.is_none())
            .map(Row::from)
            .collect(),
        first: wanted
            .after
            .map_or_else(String::new, |_| "/projects".into()),
        next,
    };
    Ok(Html(page.render()?))
}

async fn show(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Redirect> {
    app.portal.open_project(&actor, id, Action::See).await?;
    Ok(Redirect::to(&format!("/projects/{id}/jobs")))
}
