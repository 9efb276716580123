//! A project's files: folders, uploads and downloads, and what can be done to them.
mod chosen;
mod list;
mod moving;
mod new_folder;
mod show;
mod upload;

use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::FilePath,
    },
    services::{
        Error,
        files::{OUTPUTS, Target},
    },
    web::{
        App, Right, Route,
        error::Result,
        escape::escaped,
        pages::project_frame::{ProjectFrame, Tab},
    },
};

const SEE: Right = Right::Project(Action::See);
const EDIT: Right = Right::Project(Action::EditFiles);

pub fn routes() -> Vec<Route> {
    let mut all = list::routes();
    all.extend(show::routes());
    all.extend(new_folder::routes());
    all.extend(moving::routes());
    all.extend(chosen::routes());
    all.extend(upload::routes());
    all
}

/// The addresses of a project's files.
trait Addresses {
    fn folder_url(&self, folder: Option<&FilePath>) -> String;
    fn view_url(&self, path: &FilePath) -> String;
    fn content_url(&self, path: &str) -> String;
    fn ask_url(&self, what: &str, target: &Target) -> String;
}

impl Addresses for ProjectFrame {
    fn folder_url(&self, folder: Option<&FilePath>) -> String {
        match folder {
            None => self.at("/files"),
            Some(folder) => self.at(&format!("/files?folder={}", escaped(folder.as_str()))),
        }
    }

    fn view_url(&self, path: &FilePath) -> String {
        self.at(&format!("/files/view/{}", escaped(path.as_str())))
    }

    fn content_url(&self, path: &str) -> String {
        self.at(&format!("/files/content/{}", escaped(path)))
    }

    fn ask_url(&self, what: &str, target: &Target) -> String {
        self.at(&format!(
            "/files/{what}?path={}",
            escaped(&target.to_string())
        ))
    }
}

/// The folders on the way to a path, from the top: name and address.
fn way(frame: &ProjectFrame, folder: Option<&FilePath>) -> Vec<(String, String)> {
    let mut way = Vec::new();
    let mut here = folder.cloned();
    while let Some(folder) = here {
        way.push((
            folder.file_name().to_owned(),
            frame.folder_url(Some(&folder)),
        ));
        here = folder.parent();
    }
    way.push(("Files".to_owned(), frame.folder_url(None)));
    way.reverse();
    way
}

fn is_output(path: &FilePath) -> bool {
    path.as_str().split('/').next() == Some(OUTPUTS)
}

fn folder_of(text: &str) -> Result<Option<FilePath>> {
    match text.strip_suffix('/').unwrap_or(text) {
        "" => Ok(None),
        text => Ok(Some(
            FilePath::parse(text).map_err(|_| Error::NotFound("folder"))?,
        )),
    }
}

async fn edit_frame(app: &App, actor: &Actor, id: ProjectId) -> Result<ProjectFrame> {
    let (membership, _) = app
        .portal
        .open_project(actor, id, Action::EditFiles)
        .await?;
    Ok(ProjectFrame::of(&app.portal, actor, membership, Tab::Files))
}
