//! What is done to files and folders that were chosen: deleted, or packed into one zip.
use super::{Addresses as _, EDIT, SEE, edit_frame, folder_of, way};
use crate::{
    domain::{ids::ProjectId, names::FilePath},
    services::{
        Error,
        files::{self, Started, Target},
        zip,
    },
    web::{
        App, Kind, Route, download,
        error::Result,
        extract::{Form, Path, Query, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/files/delete", EDIT, ask_delete),
        Route::action("/projects/{project}/files/delete", EDIT, delete),
        Route::action("/projects/{project}/files/zip", SEE, zip_chosen).kind(Kind::Download),
    ]
}

/// Repeated `path` fields and the `folder` that they were chosen in.
struct Chosen {
    folder: Option<FilePath>,
    targets: Vec<Target>,
}

impl Chosen {
    fn of(fields: Vec<(String, String)>) -> Result<Self> {
        let mut chosen = Self {
            folder: None,
            targets: Vec::new(),
        };
        for (name, value) in fields {
            match name.as_str() {
                "folder" => chosen.folder = folder_of(&value)?,
                "path" => chosen
                    .targets
                    .push(Target::try_from(value).map_err(|_| Error::NotFound("file"))?),
                _ => {}
            }
        }
        Ok(chosen)
    }
}

#[derive(Template)]
#[template(path = "files/delete.html")]
struct DeletePage {
    view: View,
    frame: ProjectFrame,
    targets: Vec<Target>,
    above: Vec<(String, String)>,
    back: String,
}

impl DeletePage {
    fn title(&self) -> String {
        match &self.targets[..] {
            [] => "Nothing is chosen".into(),
            [one] => format!("Delete {}?", one.path().file_name()),
            many => format!("Delete {} things?", many.len()),
        }
    }

    fn action(&self) -> String {
        self.frame.at("/files/delete")
    }
}

async fn ask_delete(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(fields): Query<Vec<(String, String)>>,
) -> Result<Html<String>> {
    let frame = edit_frame(&app, &actor, id).await?;
    let chosen = Chosen::of(fields)?;
    let first = chosen.targets.first();
    let folder = chosen
        .folder
        .or_else(|| first.and_then(|target| target.path().parent()));
    let page = DeletePage {
        view,
        above: way(&frame, folder.as_ref()),
        back: frame.folder_url(folder.as_ref()),
        targets: chosen.targets,
        frame,
    };
    Ok(Html(page.render()?))
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let frame = edit_frame(&app, &actor, id).await?;
    let targets = Chosen::of(fields)?.targets;
    let folder = targets.first().and_then(|target| target.path().parent());
    match files::delete_all(&app.portal, &actor, id, targets).await? {
        Started::Done => Ok(redirect_with_notice(
            &frame.folder_url(folder.as_ref()),
            "It is deleted.",
        )),
        Started::Task(task) => Ok(Redirect::to(&format!("/tasks/{task}")).into_response()),
    }
}

async fn zip_chosen(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let chosen = Chosen::of(fields)?;
    let frame = ProjectFrame::open(&app.portal, &actor, id, Tab::Files).await?;
    if chosen.targets.is_empty() {
        return Ok(redirect_with_notice(
            &frame.folder_url(chosen.folder.as_ref()),
            "Choose the files and folders first.",
        ));
    }
    let name = match (&chosen.targets[..], &chosen.folder) {
        ([one], _) => one.path().file_name(),
        (_, Some(folder)) => folder.file_name(),
        _ => frame.name(),
    };
    let name = format!("{name}.zip");
    let turn = app.limits.zip(actor.user.id)?;
    let bytes = zip::zip(&app.portal, &actor, id, chosen.folder, chosen.targets).await?;
    Ok(download::zip(&name, bytes, turn))
}
