//! What lies in a folder.
use super::{Addresses as _, SEE, folder_of, is_output, way};
use crate::{
    domain::{ids::ProjectId, names::FilePath, quantity::human_bytes},
    services::{
        Error,
        files::{self, Depth, Target},
        tasks,
    },
    storage::Kind as EntryKind,
    store::Task,
    web::{
        App, Route,
        error::Result,
        escape::escaped,
        extract::{FORM_LIMIT, Path, Query, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::View,
    },
};
use askama::Template;
use axum::{extract::State, response::Html};
use jiff::Timestamp;
use serde::Deserialize;

const PER_PAGE: usize = 100;

pub fn routes() -> Vec<Route> {
    vec![Route::page("/projects/{project}/files", SEE, list)]
}

#[derive(Template)]
#[template(path = "files/list.html")]
struct ListPage {
    view: View,
    frame: ProjectFrame,
    folder: Option<FilePath>,
    rows: Vec<Row>,
    /// What goes on with the project's files.
    tasks: Vec<Task>,
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

    fn form_most(&self) -> String {
        human_bytes(FORM_LIMIT as u64)
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
        tasks: tasks::list_live(&app.portal, &actor, id).await?,
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
