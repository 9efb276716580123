//! The end of a job before its time: asked for, then wished for.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{access::Action, ids::JobId},
    services::jobs,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Path, Who},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};

const RUN: Right = Right::Project(Action::RunJobs);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/jobs/{job}/cancel", RUN, ask),
        Route::action("/jobs/{job}/cancel", RUN, cancel),
    ]
}

#[derive(Template)]
#[template(path = "jobs/cancel.html")]
struct CancelPage {
    view: View,
    frame: JobFrame,
}

async fn ask(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    app.portal.open_job(&actor, id, Action::RunJobs).await?;
    let frame = JobFrame::open(&app.portal, &actor, id, Tab::Overview, None).await?;
    if !frame.may_cancel() {
        return Ok(Redirect::to(&frame.at("")).into_response());
    }
    Ok(Html(CancelPage { view, frame }.render()?).into_response())
}

async fn cancel(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    jobs::cancel(&app.portal, &actor, id).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")).into_response())
}
