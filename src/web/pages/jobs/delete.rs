//! Removing an ended job, with or without what it wrote.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{access::Action, ids::JobId},
    services::{
        Error,
        files::Started,
        jobs::{self, Outputs},
    },
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Path, Who},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

const RUN: Right = Right::Project(Action::RunJobs);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/jobs/{job}/delete", RUN, ask),
        Route::action("/jobs/{job}/delete", RUN, delete),
    ]
}

#[derive(Template)]
#[template(path = "jobs/delete.html")]
struct DeletePage {
    view: View,
    frame: JobFrame,
    folder: String,
}

impl DeletePage {
    fn choices(&self) -> [(&'static str, &'static str, String); 2] {
        [
            (
                "keep",
                "Keep its outputs",
                format!("They stay in {} among the files.", self.folder),
            ),
            (
                "delete",
                "Delete its outputs, too",
                "They cannot be brought back.".into(),
            ),
        ]
    }

    fn no_errors(&self) -> [&'static str; 0] {
        []
    }
}

async fn ask(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    app.portal.open_job(&actor, id, Action::RunJobs).await?;
    let frame = JobFrame::open(&app.portal, &actor, id, Tab::Overview, None).await?;
    if !frame.may_delete() {
        return Ok(Redirect::to(&frame.at("")).into_response());
    }
    let folder = frame.job().folder();
    let page = DeletePage {
        view,
        frame,
        folder,
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
struct DeleteForm {
    #[serde(rename = "/outputs", default)]
    outputs: String,
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Form(form): Form<DeleteForm>,
) -> Result<Response> {
    let outputs = match form.outputs.as_str() {
        "" | "keep" => Outputs::Keep,
        "delete" => Outputs::Delete,
        other => {
            return Err(Error::field("/outputs", "Give `keep` or `delete`.", Some(other)).into());
        }
    };
    let open = app.portal.open_job(&actor, id, Action::RunJobs).await?;
    let job = open.job();
    match jobs::delete(&app.portal, &actor, id, outputs).await? {
        Started::Done => Ok(redirect_with_notice(
            &format!("/projects/{}/jobs", job.project),
            &format!("{} was deleted.", job.spec.name),
        )),
        Started::Task(task) => Ok(Redirect::to(&format!("/tasks/{task}")).into_response()),
    }
}
