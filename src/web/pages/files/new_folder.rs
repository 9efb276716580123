//! A new folder.
use super::{Addresses as _, EDIT, edit_frame, folder_of, way};
use crate::{
    domain::{ids::ProjectId, names::FilePath, violation::Violations},
    services::{Error, files},
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
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/files/new-folder", EDIT, new_folder),
        Route::action("/projects/{project}/files/new-folder", EDIT, create_folder),
    ]
}

#[derive(Template)]
#[template(path = "files/new_folder.html")]
struct NewFolderPage {
    view: View,
    frame: ProjectFrame,
    folder: Option<FilePath>,
    above: Vec<(String, String)>,
    name: String,
    errors: Violations,
}

impl NewFolderPage {
    fn back(&self) -> String {
        self.frame.folder_url(self.folder.as_ref())
    }

    fn folder(&self) -> &str {
        self.folder.as_ref().map_or("", FilePath::as_str)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FolderForm {
    folder: String,
    #[serde(rename = "/path")]
    name: String,
}

async fn new_folder(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(form): Query<FolderForm>,
) -> Result<Html<String>> {
    let frame = edit_frame(&app, &actor, id).await?;
    let folder = folder_of(&form.folder)?;
    let page = NewFolderPage {
        view,
        above: way(&frame, folder.as_ref()),
        frame,
        folder,
        name: String::new(),
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn create_folder(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(form): Form<FolderForm>,
) -> Result<Response> {
    let frame = edit_frame(&app, &actor, id).await?;
    let folder = folder_of(&form.folder)?;
    let path = match &folder {
        Some(folder) => format!("{folder}/{}", form.name),
        None => form.name.clone(),
    };
    match files::make_folder(&app.portal, &actor, id, &path, None).await {
        Ok(made) => {
            let path = made.into_inner();
            Ok(redirect_with_notice(
                &frame.folder_url(Some(&path)),
                &format!("The folder {} is made.", path.file_name()),
            ))
        }
        Err(Error::Invalid(errors)) => {
            let page = NewFolderPage {
                view,
                above: way(&frame, folder.as_ref()),
                frame,
                folder,
                name: form.name,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}
