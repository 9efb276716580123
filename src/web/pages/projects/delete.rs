//! The end of a project: asked for, then carried out by a task.
use crate::{
    domain::{access::Action, ids::ProjectId},
    services::projects,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Path, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, Redirect},
};

const MANAGE: Right = Right::Project(Action::Manage);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/delete", MANAGE, ask),
        Route::action("/projects/{project}/delete", MANAGE, delete),
    ]
}

#[derive(Template)]
#[template(path = "projects/delete.html")]
struct DeletePage {
    view: View,
    frame: ProjectFrame,
    extent: projects::Extent,
}

async fn ask(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Html<String>> {
    let extent = projects::extent(&app.portal, &actor, id).await?;
    let page = DeletePage {
        view,
        frame: ProjectFrame::open(&app.portal, &actor, id, Tab::Settings).await?,
        extent,
    };
    Ok(Html(page.render()?))
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Redirect> {
    let task = projects::delete(&app.portal, &actor, id).await?;
    Ok(Redirect::to(&format!("/tasks/{task}")))
}
