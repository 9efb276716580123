//! Tasks: what goes on by itself.
use super::{
    List,
    input::{PAGING, Paging},
    openapi::doc,
};
use crate::{
    domain::ids::TaskId,
    services::tasks,
    store,
    web::{
        App, Right, Route,
        answer::Answer,
        conditions,
        error::Result,
        extract::{Path, Query, Who},
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;

const ALL: &str = "/api/v1/tasks";

pub fn routes() -> Vec<Route> {
    vec![
        Route::api(
            Method::GET,
            ALL,
            Right::User,
            list,
            doc("My tasks, the newest first")
                .query(PAGING)
                .json::<List<Task>>(200, "A page of tasks"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/tasks/{task}",
            Right::User,
            show,
            doc("A task of mine, or of a project that I may see").json::<Task>(200, "The task"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/tasks/{task}/cancel",
            Right::User,
            cancel,
            doc("Stop a task after the step that it is at; again is no error")
                .json::<Task>(202, "It will stop"),
        ),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct Task {
    id: String,
    /// `delete_files`, `move_files`, `delete_project`.
    kind: String,
    /// What it does, in words.
    title: String,
    project: Option<String>,
    /// `waiting`, `running`, `done`, `failed`, `cancelled`.
    state: String,
    /// Things done so far.
    done: u64,
    /// Things in all; null where that is not known.
    total: Option<u64>,
    /// How it ended, in words.
    outcome: Option<String>,
    cancel_requested: bool,
    created_at: String,
    ended_at: Option<String>,
}

impl From<store::Task> for Task {
    fn from(task: store::Task) -> Self {
        Self {
            id: task.id.to_string(),
            kind: task.kind,
            title: task.title,
            project: task.project.map(|id| id.to_string()),
            state: task.state.to_string(),
            done: task.done,
            total: task.total,
            outcome: task.outcome,
            cancel_requested: task.cancel_requested,
            created_at: task.created_at.to_string(),
            ended_at: task.ended_at.map(|at| at.to_string()),
        }
    }
}

/// The API's address of a task.
pub fn address(id: TaskId) -> String {
    format!("{ALL}/{id}")
}

/// The answer where a task goes on with what was asked.
pub fn goes_on(id: TaskId) -> Response {
    let location = [(header::LOCATION, address(id))];
    (StatusCode::ACCEPTED, location).into_response()
}

async fn list(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Task>>> {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let found = tasks::list(&app.portal, &actor, after, limit + 1).await?;
    let items = found.into_iter().map(Task::from).collect();
    Ok(Answer(List::of_one_more(items, limit, |task| {
        task.id.clone()
    })))
}

async fn show(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<TaskId>,
    headers: HeaderMap,
) -> Result<Response> {
    let task = tasks::find(&app.portal, &actor, id).await?;
    Ok(conditions::tagged(&headers, Task::from(task))?)
}

async fn cancel(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<TaskId>,
) -> Result<Response> {
    tasks::cancel(&app.portal, &actor, id).await?;
    let task = tasks::find(&app.portal, &actor, id).await?;
    let location = [(header::LOCATION, address(id))];
    Ok((StatusCode::ACCEPTED, location, Answer(Task::from(task))).into_response())
}
