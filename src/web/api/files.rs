//! A project's files as bytes and lists.
use super::{
    List,
    dry_run::{DRY_RUN, DryRun, fits},
    idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
    tasks,
};
use crate::{
    domain::{access::Action, ids::ProjectId, names::FilePath},
    services::{
        Error,
        files::{self, Depth, Put, Started, Target},
        zip,
    },
    storage::{self, Entry},
    web::{
        App, Kind, Right, Route,
        answer::Answer,
        conditions, download,
        error::Result,
        escape::escaped,
        extract::{Path, Query, Structured, Who},
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};

const LIST: &str = "/api/v1/projects/{project}/files";
const ONE: &str = "/api/v1/projects/{project}/files/{*path}";

const LISTING: &[(&str, &str)] = &[
    (
        "prefix",
        "A folder, such as `data/`; its contents are listed",
    ),
    (
        "delimiter",
        "`/` lists this folder alone; without it everything below",
    ),
    PAGING[0],
    PAGING[1],
];

pub fn routes() -> Vec<Route> {
    let see = Right::Project(Action::See);
    let edit = Right::Project(Action::EditFiles);
    vec![
        Route::api(
            Method::GET,
            LIST,
            see,
            list,
            doc("A project's files, by name")
                .query(LISTING)
                .json::<List<File>>(200, "Files and folders"),
        ),
        Route::api(
            Method::GET,
            ONE,
            see,
            show,
            doc("A file's bytes; honours Range, If-Range and If-None-Match")
                .raw(200, "The bytes", "application/octet-stream")
                .raw(
                    206,
                    "The range that was asked for",
                    "application/octet-stream",
                )
                .empty(304, "It is as the caller has it"),
        )
        .kind(Kind::ApiStream),
        Route::api(
            Method::PUT,
            ONE,
            edit,
            put,
            doc("Keep a file, in place of what was there: whole, or not at all")
                .bytes()
                .json::<File>(200, "Replaced")
                .json::<File>(201, "New"),
        )
        .kind(Kind::ApiUpload),
        Route::api(
            Method::DELETE,
            ONE,
            edit,
            delete,
            doc("Delete a file, or a folder with all that is in it")
                .empty(204, "Deleted")
                .empty(202, "A task deletes it; Location is the task"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/projects/{project}/folders",
            edit,
            make_folder,
            doc("Make a folder, which stays until it is deleted")
                .query(DRY_RUN)
                .structured::<NewFolder>()
                .json::<File>(201, "New")
                .json::<File>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/projects/{project}/moves",
            edit,
            move_to,
            doc("Give a file or folder another path")
                .structured::<Move>()
                .empty(204, "Moved")
                .empty(202, "A task moves it; Location is the task"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/projects/{project}/zip",
            see,
            zip_chosen,
            doc("Several files and folders as one zip")
                .query(&[(
                    "path",
                    "A file, or a folder with a slash at its end; may be repeated",
                )])
                .raw(200, "The zip, made while it is sent", "application/zip"),
        )
        .kind(Kind::ApiStream),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
struct File {
    path: String,
    /// `file` or `folder`.
    kind: &'static str,
    /// Bytes; 0 for a folder.
    size: u64,
    /// RFC 3339; null for a folder.
    modified: Option<String>,
}

impl File {
    fn of(folder: Option<&FilePath>, entry: Entry) -> Self {
        let kind = match entry.kind {
            storage::Kind::File => "file",
            storage::Kind::Folder => "folder",
        };
        Self {
            path: match folder {
                Some(folder) => format!("{folder}/{}", entry.name),
                None => entry.name,
            },
            kind,
            size: entry.size,
            modified: entry.modified.map(|at| at.to_string()),
        }
    }
}

/// The API's address of a file, from `/api/v1` on.
pub fn address(project: ProjectId, path: &str) -> String {
    format!("/api/v1/projects/{project}/files/{}", escaped(path))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    prefix: String,
    delimiter: String,
}

async fn list(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(wanted): Query<Wanted>,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<File>>> {
    let folder = match wanted.prefix.strip_suffix('/').unwrap_or(&wanted.prefix) {
        "" => None,
        text => Some(
            FilePath::parse(text)
                .map_err(|why| Error::field("/prefix", format!("The folder {why}."), Some(text)))?,
        ),
    };
    let depth = match wanted.delimiter.as_str() {
        "" => Depth::All,
        "/" => Depth::One,
        other => {
            return Err(Error::field(
                "/delimiter",
                "The delimiter is `/`, or none for everything below.",
                Some(other),
            )
            .into());
        }
    };
    let after = paging.after.as_deref();
    let page = files::list(
        &app.portal,
        &actor,
        project,
        folder.as_ref(),
        depth,
        after,
        paging.limit()? as usize,
    )
    .await?;
    let items = page
        .entries
        .into_iter()
        .map(|entry| File::of(folder.as_ref(), entry))
        .collect();
    Ok(Answer(List {
        items,
        next: page.next,
    }))
}

/// The same for the page's download.
pub async fn show(
    State(app): State<App>,
    Who(actor): Who,
    Path((project, path)): Path<(ProjectId, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let path = files::existing(&path)?;
    let info = files::find(&app.portal, &actor, project, &path)
        .await?
        .ok_or(Error::NotFound("file"))?;
    if conditions::is_known(&headers, &info.etag) {
        let tag = [(header::ETAG, conditions::etag(&info.etag))];
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    let range = conditions::range(&headers, &info.etag);
    let object = files::open(&app.portal, &actor, project, &path, range).await?;
    Ok(download::object(object, path.file_name(), range.is_some()))
}

/// The same for the page's upload.
pub async fn put(
    State(app): State<App>,
    Who(actor): Who,
    Path((project, path)): Path<(ProjectId, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let path = files::may_put(&app.portal, &actor, project, &path, length).await?;
    let info = files::find(&app.portal, &actor, project, &path).await?;
    conditions::if_match(&headers, info.as_ref().map(|info| info.etag.as_str()))?;
    let (put, info) =
        files::put(&app.portal, &actor, project, &path, body.into_data_stream()).await?;
    let status = match put {
        Put::New => StatusCode::CREATED,
        Put::Replaced => StatusCode::OK,
    };
    let headers = [
        (header::ETAG, conditions::etag(&info.etag)),
        (header::LOCATION, address(project, path.as_str())),
    ];
    let file = File {
        path: path.to_string(),
        kind: "file",
        size: info.size,
        modified: Some(info.modified.to_string()),
    };
    Ok((status, headers, Answer(file)).into_response())
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path((project, path)): Path<(ProjectId, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let path = files::existing(&path)?;
    let target = files::locate(&app.portal, &actor, project, &path).await?;
    if !target.is_folder() {
        let info = files::find(&app.portal, &actor, project, &path).await?;
        conditions::if_match(&headers, info.as_ref().map(|info| info.etag.as_str()))?;
    }
    let started = files::delete_all(&app.portal, &actor, project, vec![target]).await?;
    Ok(match started {
        Started::Done => StatusCode::NO_CONTENT.into_response(),
        Started::Task(task) => tasks::goes_on(task),
    })
}

/// A folder to make.
#[derive(Serialize, utoipa::ToSchema)]
struct NewFolder {
    path: String,
}

async fn make_folder(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(query): Query<DryRun>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let key = idempotency::key(
        &headers,
        &format!("POST /projects/{project}/folders"),
        &body,
    )?;
    let mut fields = Fields::of(body);
    let path = fields.text("path");
    fields.finish()?;
    if query.dry_run {
        files::may_make_folder(&app.portal, &actor, project, &path).await?;
        return Ok(fits().into_response());
    }
    let made = files::make_folder(&app.portal, &actor, project, &path, key.as_ref()).await?;
    let path = made.clone().into_inner().to_string();
    let location = format!(
        "/api/v1/projects/{project}/files?prefix={}",
        escaped(&format!("{path}/"))
    );
    let file = File {
        path,
        kind: "folder",
        size: 0,
        modified: None,
    };
    Ok(idempotency::answer(&made, location, Answer(file)))
}

/// What gets another path.
#[derive(Serialize, utoipa::ToSchema)]
struct Move {
    /// A file or a folder.
    from: String,
    /// Its new path.
    to: String,
}

async fn move_to(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let key = idempotency::key(&headers, &format!("POST /projects/{project}/moves"), &body)?;
    let mut fields = Fields::of(body);
    let (from, to) = (fields.text("from"), fields.text("to"));
    fields.finish()?;
    let from = files::existing(from.trim_end_matches('/'))?;
    Ok(
        match files::move_to(&app.portal, &actor, project, &from, &to, key.as_ref()).await? {
            Started::Done => StatusCode::NO_CONTENT.into_response(),
            Started::Task(task) => tasks::goes_on(task),
        },
    )
}

async fn zip_chosen(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(fields): Query<Vec<(String, String)>>,
) -> Result<Response> {
    let chosen = fields.into_iter().filter(|(name, _)| name == "path");
    let targets = chosen
        .map(|(_, path)| Target::try_from(path).map_err(|_| Error::NotFound("file")))
        .collect::<Result<_, _>>()?;
    let turn = app.limits.zip(actor.user.id)?;
    let bytes = zip::zip(&app.portal, &actor, project, None, targets).await?;
    Ok(download::zip("files.zip", bytes, turn))
}
