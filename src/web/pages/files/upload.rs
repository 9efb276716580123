//! Uploads by a plain form, for browsers without the script, which sends each file by itself.
use super::{Addresses as _, EDIT, edit_frame, folder_of};
use crate::{
    domain::ids::ProjectId,
    services::{Error, files},
    web::{
        App, Kind, Route,
        error::{Result, WebError},
        extract::{self, Path, Query, Who},
        view::redirect_with_notice,
    },
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::Method;
use serde::Deserialize;
use std::time::Duration;

pub fn routes() -> Vec<Route> {
    let path = "/projects/{project}/files";
    vec![Route::new(Method::POST, path, Kind::Upload, EDIT, upload)]
}

/// A browser that is silent for so long between two files is given up.
const SILENCE: Duration = Duration::from_secs(120);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    folder: String,
}

/// Keeps the files of a form one by one; each is whole or not there.
async fn upload(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response> {
    let portal = &app.portal;
    let frame = edit_frame(&app, &actor, id).await?;
    let folder = folder_of(&wanted.folder)?;
    let mut form = extract::files(request).await?;
    let mut kept: Vec<String> = Vec::new();
    while let Some(part) = tokio::time::timeout(SILENCE, form.next_field())
        .await
        .map_err(|_| WebError::TimedOut)??
    {
        let Some(name) = part.file_name().filter(|name| !name.is_empty()) else {
            continue;
        };
        let path = match &folder {
            Some(folder) => format!("{folder}/{name}"),
            None => name.to_owned(),
        };
        let path = files::may_put(portal, &actor, id, &path, None).await?;
        files::put(portal, &actor, id, &path, part).await?;
        kept.push(path.file_name().to_owned());
    }
    let notice = match kept.as_slice() {
        [] => {
            let why = "No file was chosen. Go back and choose one or more.";
            return Err(Error::field("/file", why, None).into());
        }
        [one] => format!("{one} is uploaded."),
        more => format!("{} files are uploaded.", more.len()),
    };
    Ok(redirect_with_notice(
        &frame.folder_url(folder.as_ref()),
        &notice,
    ))
}
