//! A project's name, description, visibility, and whether it is archived.
use super::new::{ProjectForm, VISIBILITIES};
use crate::{
    domain::{access::Action, ids::ProjectId, violation::Violations},
    services::{Error, projects},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Path, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

const MANAGE: Right = Right::Project(Action::Manage);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/settings", MANAGE, edit),
        Route::action("/projects/{project}/settings", MANAGE, update),
        Route::action("/projects/{project}/archive", MANAGE, archive),
    ]
}

#[derive(Template)]
#[template(path = "projects/settings.html")]
struct EditPage {
    view: View,
    frame: ProjectFrame,
    form: ProjectForm,
    version: i64,
    errors: Violations,
}

impl EditPage {
    fn visibilities() -> &'static [(&'static str, &'static str, &'static str)] {
        &VISIBILITIES
    }
}

async fn frame(
    app: &App,
    actor: &crate::domain::access::Actor,
    id: ProjectId,
) -> Result<ProjectFrame> {
    let (membership, _) = app.portal.open_project(actor, id, Action::Manage).await?;
    Ok(ProjectFrame::of(
        &app.portal,
        actor,
        membership,
        Tab::Settings,
    ))
}

async fn edit(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
) -> Result<Html<String>> {
    let frame = frame(&app, &actor, id).await?;
    let project = frame.project();
    let form = ProjectForm {
        opened: String::new(),
        name: project.name.to_string(),
        description: project.description.clone(),
        visibility: project.visibility.to_string(),
    };
    let page = EditPage {
        view,
        version: project.version,
        form,
        frame,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct UpdateForm {
    #[serde(flatten)]
    fields: ProjectForm,
    /// Text: numbers cannot be read through a flattened form.
    version: String,
}

async fn update(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<UpdateForm>,
) -> Result<Response> {
    let frame = frame(&app, &actor, id).await?;
    let version = form.version.parse().unwrap_or_default();
    let (draft, archived) = (form.fields.draft(), frame.is_archived());
    match projects::update(&app.portal, &actor, id, version, &draft, archived).await {
        Ok(()) => Ok(redirect_with_notice(
            &frame.at("/settings"),
            "The settings are saved.",
        )),
        Err(Error::Invalid(errors)) => {
            let page = EditPage {
                view,
                frame,
                form: form.fields,
                version,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Deserialize)]
struct ArchiveForm {
    #[serde(default)]
    archived: bool,
}

async fn archive(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<ArchiveForm>,
) -> Result<Response> {
    let frame = frame(&app, &actor, id).await?;
    let project = frame.project();
    let draft = projects::Draft {
        name: project.name.to_string(),
        description: project.description.clone(),
        visibility: project.visibility.to_string(),
    };
    projects::update(
        &app.portal,
        &actor,
        id,
        project.version,
        &draft,
        form.archived,
    )
    .await?;
    let words = if form.archived {
        "The project is archived: it can be read, not changed."
    } else {
        "The project is in use again."
    };
    Ok(redirect_with_notice(&frame.at("/settings"), words))
}
