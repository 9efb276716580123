//! Another path for a file or a folder.
use super::{Addresses as _, EDIT, edit_frame, way};
use crate::{
    domain::{access::Actor, ids::ProjectId, names::FilePath, violation::Violations},
    services::{
        Error,
        files::{self, Started, Target},
    },
    web::{
        App, Route,
        error::Result,
        extract::{Form, Path, Query, Who},
        pages::project_frame::ProjectFrame,
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/files/move", EDIT, ask_move),
        Route::action("/projects/{project}/files/move", EDIT, move_to),
    ]
}

#[derive(Template)]
#[template(path = "files/move.html")]
struct MovePage {
    view: View,
    frame: ProjectFrame,
    from: Target,
    above: Vec<(String, String)>,
    to: String,
    errors: Violations,
}

impl MovePage {
    fn name(&self) -> &str {
        self.from.path().file_name()
    }

    fn back(&self) -> String {
        self.frame.folder_url(self.from.path().parent().as_ref())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MoveForm {
    path: String,
    #[serde(rename = "/to")]
    to: String,
}

async fn located(app: &App, actor: &Actor, id: ProjectId, text: &str) -> Result<Target> {
    let path = files::existing(text.strip_suffix('/').unwrap_or(text))?;
    Ok(files::locate(&app.portal, actor, id, &path).await?)
}

async fn ask_move(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(form): Query<MoveForm>,
) -> Result<Html<String>> {
    let frame = edit_frame(&app, &actor, id).await?;
    let from = located(&app, &actor, id, &form.path).await?;
    let page = MovePage {
        view,
        above: way(&frame, from.path().parent().as_ref()),
        to: from.path().to_string(),
        frame,
        from,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn move_to(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<MoveForm>,
) -> Result<Response> {
    let frame = edit_frame(&app, &actor, id).await?;
    let from = located(&app, &actor, id, &form.path).await?;
    match files::move_to(&app.portal, &actor, id, from.path(), &form.to, None).await {
        Ok(Started::Done) => {
            let to = FilePath::parse(&form.to).ok();
            let folder = to.as_ref().and_then(FilePath::parent);
            Ok(redirect_with_notice(
                &frame.folder_url(folder.as_ref()),
                &format!("{} is at {} now.", from.path().file_name(), form.to),
            ))
        }
        Ok(Started::Task(task)) => Ok(Redirect::to(&format!("/tasks/{task}")).into_response()),
        Err(Error::Invalid(errors)) => {
            let page = MovePage {
                view,
                above: way(&frame, from.path().parent().as_ref()),
                frame,
                from,
                to: form.to,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}
