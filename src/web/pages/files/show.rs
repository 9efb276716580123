//! One file: what is known of it, a preview, and its bytes to and fro.
use super::{Addresses as _, EDIT, SEE, escaped, way};
use crate::{
    domain::{ids::ProjectId, names::FilePath, quantity::human_bytes},
    services::files::{self, Preview, Target},
    storage::ObjectInfo,
    web::{
        App, Kind, Route, api, download,
        error::Result,
        extract::{Path, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, Method};

const CONTENT: &str = "/projects/{project}/files/content/{*path}";

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/files/view/{*path}", SEE, show),
        Route::new(Method::GET, CONTENT, Kind::Download, SEE, content),
        Route::new(Method::PUT, CONTENT, Kind::Upload, EDIT, api::files::put),
    ]
}

#[derive(Template)]
#[template(path = "files/show.html")]
struct ShowPage {
    view: View,
    frame: ProjectFrame,
    path: FilePath,
    info: ObjectInfo,
    preview: Preview,
    above: Vec<(String, String)>,
    content: String,
    move_to: String,
    delete: String,
}

impl ShowPage {
    fn size(&self) -> String {
        human_bytes(self.info.size)
    }

    /// How a job's arguments name it.
    fn argument(&self) -> String {
        format!("{{project}}/{}", self.path)
    }

    /// The form of a job, where this may be its program.
    fn run_url(&self) -> Option<String> {
        let (_, kind) = self.path.file_name().rsplit_once('.')?;
        let to = escaped(self.path.as_str());
        matches!(kind, "py" | "jar" | "R" | "r")
            .then(|| self.frame.at(&format!("/jobs/new?main_file={to}")))
    }

    fn is_picture(&self) -> bool {
        self.preview == Preview::Picture && download::picture(self.path.file_name()).is_some()
    }
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path((id, path)): Path<(ProjectId, String)>,
) -> Result<Html<String>> {
    let frame = ProjectFrame::open(&app.portal, &actor, id, Tab::Files).await?;
    let path = files::existing(&path)?;
    let (info, preview) = files::preview(&app.portal, &actor, id, &path).await?;
    let target = Target::File(path.clone());
    let page = ShowPage {
        view,
        info,
        preview,
        above: way(&frame, path.parent().as_ref()),
        content: frame.content_url(path.as_str()),
        move_to: frame.ask_url("move", &target),
        delete: frame.ask_url("delete", &target),
        path,
        frame,
    };
    Ok(Html(page.render()?))
}

/// The bytes: straight from the store where browsers reach it, else through here. A picture in a page comes through here
/// always, because a page shows none of another origin.
async fn content(
    State(app): State<App>,
    who: Who,
    Path((id, path)): Path<(ProjectId, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let goes_there = headers
        .get("sec-fetch-mode")
        .is_some_and(|mode| mode == "navigate");
    if goes_there {
        let file = files::existing(&path)?;
        let name = file.file_name();
        let shown = download::attachment(name);
        let answered_as = (shown.to_str().unwrap_or("attachment"), download::mime(name));
        let address = files::download_address(&app.portal, &who.0, id, &file, answered_as).await?;
        if let Some(address) = address {
            return Ok(Redirect::to(&address).into_response());
        }
    }
    api::files::show(State(app), who, Path((id, path)), headers).await
}
