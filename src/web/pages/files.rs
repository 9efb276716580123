//! A project's files: folders, uploads and downloads, and what can be done to them.
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::FilePath,
        quantity::human_bytes,
        violation::Violations,
    },
    services::{
        Error,
        files::{self, Depth, OUTPUTS, Preview, Started, Target},
        zip,
    },
    storage::{Kind as EntryKind, ObjectInfo},
    web::{
        App, Kind, Right, Route, api, download,
        error::Result,
        extract::{Form, Path, Query, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    body::Body,
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{Method, StatusCode};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

const SEE: Right = Right::Project(Action::See);
const EDIT: Right = Right::Project(Action::EditFiles);
const CONTENT: &str = "/projects/{project}/files/content/{*path}";
const PER_PAGE: usize = 100;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/files", SEE, list),
        Route::page("/projects/{project}/files/view/{*path}", SEE, show),
        Route::new(Method::GET, CONTENT, Kind::Download, SEE, api::files::show),
        Route::new(Method::PUT, CONTENT, Kind::Upload, EDIT, api::files::put),
        Route::page("/projects/{project}/files/new-folder", EDIT, new_folder),
        Route::action("/projects/{project}/files/new-folder", EDIT, create_folder),
        Route::page("/projects/{project}/files/move", EDIT, ask_move),
        Route::action("/projects/{project}/files/move", EDIT, move_to),
        Route::page("/projects/{project}/files/delete", EDIT, ask_delete),
        Route::action("/projects/{project}/files/delete", EDIT, delete),
        Route::action("/projects/{project}/files/zip", SEE, zip_chosen).kind(Kind::Download),
    ]
}

/// What stands unescaped in an address: names stay readable.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A path in an address.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
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

#[derive(Template)]
#[template(path = "files/list.html")]
struct ListPage {
    view: View,
    frame: ProjectFrame,
    folder: Option<FilePath>,
    rows: Vec<Row>,
    /// Folders above this one.
    above: Vec<(String, String)>,
    limit: u64,
    first: String,
    next: String,
}

struct Row {
    name: String,
    target: Target,
    size: u64,
    modified: Option<Timestamp>,
    url: String,
    content: String,
    move_to: String,
    delete: String,
}

impl Row {
    fn size(&self) -> String {
        human_bytes(self.size)
    }

    fn picture(&self) -> &'static str {
        icon(&self.target)
    }
}

fn icon(target: &Target) -> &'static str {
    if target.is_folder() {
        return "folder-fill";
    }
    let name = target.path().file_name().to_ascii_lowercase();
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "txt" | "md" | "log" | "csv" | "tsv" | "fasta" | "fa" => "file-earmark-text",
        "py" | "r" | "scala" | "java" | "sh" | "json" | "yaml" | "yml" | "toml" | "html"
        | "sql" => "file-earmark-code",
        "gz" | "zip" | "bz2" | "xz" | "zst" | "tar" | "jar" => "file-earmark-zip",
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => "image",
        _ => "file-earmark",
    }
}

impl ListPage {
    fn title(&self) -> &str {
        self.folder.as_ref().map_or("Files", FilePath::file_name)
    }

    fn path(&self) -> String {
        self.folder
            .as_ref()
            .map_or_else(String::new, |folder| format!("{folder}/"))
    }

    fn here_url(&self) -> String {
        self.frame.folder_url(self.folder.as_ref())
    }

    fn content_url(&self) -> String {
        self.frame.content_url(&self.path())
    }

    fn new_folder_url(&self) -> String {
        self.frame.at(&format!(
            "/files/new-folder?folder={}",
            escaped(&self.path())
        ))
    }

    /// Uploads and new folders have a place here.
    fn takes(&self) -> bool {
        self.frame.edits() && !self.folder.as_ref().is_some_and(is_output)
    }

    fn most(&self) -> String {
        human_bytes(self.limit)
    }

    fn empty(&self) -> &'static str {
        match (&self.folder, self.takes()) {
            (None, true) => {
                "Upload what your jobs run and read: a program, some data. Or drop files on this page."
            }
            (None, false) => "There are no files in this project yet.",
            (Some(_), _) => "This folder is empty.",
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    folder: String,
    after: Option<String>,
}

fn folder_of(text: &str) -> Result<Option<FilePath>> {
    match text.strip_suffix('/').unwrap_or(text) {
        "" => Ok(None),
        text => Ok(Some(
            FilePath::parse(text).map_err(|_| Error::NotFound("folder"))?,
        )),
    }
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<ProjectId>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let frame = ProjectFrame::open(&app.portal, &actor, id, Tab::Files).await?;
    let folder = folder_of(&wanted.folder)?;
    let after = wanted.after.as_deref();
    let page = files::list(
        &app.portal,
        &actor,
        id,
        folder.as_ref(),
        Depth::One,
        after,
        PER_PAGE,
    )
    .await?;
    if page.entries.is_empty()
        && !files::folder_exists(&app.portal, &actor, id, folder.as_ref()).await?
    {
        return Err(Error::NotFound("folder").into());
    }
    let rows = page.entries.into_iter().filter_map(|entry| {
        // What a job named longer than a path may be cannot be opened.
        let path = match &folder {
            Some(folder) => folder.join(&entry.name).ok()?,
            None => FilePath::parse(&entry.name).ok()?,
        };
        let (target, url) = match entry.kind {
            EntryKind::Folder => (Target::Folder(path.clone()), frame.folder_url(Some(&path))),
            EntryKind::File => (Target::File(path.clone()), frame.view_url(&path)),
        };
        Some(Row {
            name: entry.name,
            size: entry.size,
            modified: entry.modified,
            url,
            content: frame.content_url(path.as_str()),
            move_to: frame.ask_url("move", &target),
            delete: frame.ask_url("delete", &target),
            target,
        })
    });
    let rows = rows.collect();
    let here = frame.folder_url(folder.as_ref());
    let join = if folder.is_some() { '&' } else { '?' };
    let above = folder
        .as_ref()
        .map_or_else(Vec::new, |folder| way(&frame, folder.parent().as_ref()));
    let page = ListPage {
        view,
        rows,
        above,
        limit: app.portal.config.server.upload_limit,
        first: after.map_or_else(String::new, |_| here.clone()),
        next: page.next.map_or_else(String::new, |next| {
            format!("{here}{join}after={}", escaped(&next))
        }),
        folder,
        frame,
    };
    Ok(Html(page.render()?))
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

async fn edit_frame(app: &App, actor: &Actor, id: ProjectId) -> Result<ProjectFrame> {
    let (membership, _) = app
        .portal
        .open_project(actor, id, Action::EditFiles)
        .await?;
    Ok(ProjectFrame::of(&app.portal, actor, membership, Tab::Files))
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
    match files::make_folder(&app.portal, &actor, id, &path).await {
        Ok(path) => Ok(redirect_with_notice(
            &frame.folder_url(Some(&path)),
            &format!("The folder {} is made.", path.file_name()),
        )),
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
    match files::move_to(&app.portal, &actor, id, from.path(), &form.to).await {
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
    let headers = download::headers(&format!("{name}.zip"), "application/zip");
    let bytes = zip::zip(&app.portal, &actor, id, chosen.folder, chosen.targets).await?;
    Ok((headers, Body::from_stream(bytes)).into_response())
}
