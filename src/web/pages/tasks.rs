//! Tasks: how far each is, how it ended, and a way to stop it.
use crate::{
    domain::{access::Action, ids::TaskId},
    services::{Error, tasks},
    store::{Task, TaskState},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Path, Query, Who},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, Response},
};
use serde::Deserialize;

const PER_PAGE: u32 = 50;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/tasks", Right::User, list),
        Route::page("/tasks/{task}", Right::User, show),
        Route::action("/tasks/{task}/cancel", Right::User, cancel),
    ]
}

#[derive(Template)]
#[template(path = "tasks/list.html")]
struct ListPage {
    view: View,
    rows: Vec<Task>,
    first: String,
    next: String,
}

impl ListPage {
    fn state_of(task: &Task) -> &'static str {
        state(task)
    }
}

#[derive(Template)]
#[template(path = "tasks/show.html")]
struct ShowPage {
    view: View,
    task: Task,
    /// The project's name and address, where it still is and the caller may see it.
    project: Option<(String, String)>,
}

impl ShowPage {
    fn state(&self) -> &'static str {
        state(&self.task)
    }

    fn can_stop(&self) -> bool {
        tasks::can_stop(&self.task)
    }

    fn url(&self) -> String {
        format!("/tasks/{}", self.task.id)
    }

    fn progress(&self) -> String {
        match self.task.total {
            Some(total) => format!("{} of {total}", self.task.done),
            None => format!("{} so far", self.task.done),
        }
    }
}

/// The mark that it is shown with: tasks have no words of their own for what a phase is.
fn state(task: &Task) -> &'static str {
    match task.state {
        TaskState::Waiting => "queued",
        TaskState::Running => "running",
        TaskState::Done => "succeeded",
        TaskState::Failed => "failed",
        TaskState::Cancelled => "cancelled",
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    after: Option<TaskId>,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let mut rows = tasks::list(&app.portal, &actor, wanted.after, PER_PAGE + 1).await?;
    let more = rows.len() > PER_PAGE as usize;
    rows.truncate(PER_PAGE as usize);
    let last = rows.last().filter(|_| more);
    let page = ListPage {
        view,
        first: wanted.after.map_or_else(String::new, |_| "/tasks".into()),
        next: last.map_or_else(String::new, |task| format!("/tasks?after={}", task.id)),
        rows,
    };
    Ok(Html(page.render()?))
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<TaskId>,
) -> Result<Html<String>> {
    let task = tasks::find(&app.portal, &actor, id).await?;
    let project = match task.project {
        None => None,
        Some(project) => match app.portal.open_project(&actor, project, Action::See).await {
            Ok((of, _)) => Some((of.project.name.to_string(), format!("/projects/{project}"))),
            Err(Error::NotFound(_)) => None,
            Err(other) => return Err(other.into()),
        },
    };
    let page = ShowPage {
        view,
        task,
        project,
    };
    Ok(Html(page.render()?))
}

async fn cancel(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<TaskId>,
) -> Result<Response> {
    tasks::cancel(&app.portal, &actor, id).await?;
    Ok(redirect_with_notice(
        &format!("/tasks/{id}"),
        "It stops after the step that it is at.",
    ))
}
