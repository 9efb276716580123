//! A project's files: what people upload, and below `jobs/` what jobs wrote. Bytes stream through; none are kept here.
mod preview;

pub use preview::{Preview, preview};

use super::{
    Error, Portal, Result,
    idempotency::{self, Claim, Key, Made},
    tasks::Work,
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{ProjectId, TaskId},
        names::FilePath,
        quantity::human_bytes,
    },
    storage::{self, ByteRange, Object, ObjectInfo, Page, keys},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::{fmt, io, str::FromStr, time::Duration};

/// Where jobs put what they write; nothing else is put there.
pub const OUTPUTS: &str = "jobs";

/// A sender that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);
/// So long may one upload take.
const LONGEST: Duration = Duration::from_hours(24);

/// How far a listing goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A folder's own files and folders.
    One,
    /// All files below it, and folders that hold nothing.
    All,
}

/// Whether a file was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    New,
    Replaced,
}

/// A file, or a folder with all that is in it. As text a folder ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    File(FilePath),
    Folder(FilePath),
}

impl Target {
    pub fn path(&self) -> &FilePath {
        match self {
            Self::File(path) | Self::Folder(path) => path,
        }
    }

    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

impl TryFrom<String> for Target {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_suffix('/') {
            Some(path) => FilePath::parse(path).map(Self::Folder),
            None => FilePath::parse(&text).map(Self::File),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.is_folder() { "/" } else { "" };
        write!(f, "{}{slash}", self.path())
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// Whether something is done already or goes on as a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    Done,
    Task(TaskId),
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Task(id) => id.fmt(f),
        }
    }
}

impl FromStr for Started {
    type Err = <TaskId as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "done" => Ok(Self::Done),
            id => id.parse().map(Self::Task),
        }
    }
}

/// A path for people to put something at, or what is wrong with it.
pub fn target(field: &str, text: &str) -> Result<FilePath> {
    let path = FilePath::parse(text)
        .map_err(|why| Error::field(field, format!("The path {why}."), Some(text)))?;
    if path.as_str().split('/').next() == Some(OUTPUTS) {
        return Err(Error::field(
            field,
            format!("`{OUTPUTS}/` holds what jobs write; choose another folder."),
            Some(text),
        ));
    }
    Ok(path)
}

/// A path of something that is there; what cannot be a path is not found.
pub fn existing(text: &str) -> Result<FilePath> {
    FilePath::parse(text).map_err(|_| Error::NotFound("file"))
}

pub async fn list(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    folder: Option<&FilePath>,
    depth: Depth,
    after: Option<&str>,
    limit: usize,
) -> Result<Page> {
    portal.open_project(actor, project, Action::See).await?;
    let prefix = keys::files_prefix(project, folder);
    Ok(match depth {
        Depth::One => portal.storage.list(&prefix, after, limit).await?,
        Depth::All => portal.storage.list_all(&prefix, after, limit).await?,
    })
}

/// Whether there is such a folder; the top is always there.
pub async fn folder_exists(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    folder: Option<&FilePath>,
) -> Result<bool> {
    portal.open_project(actor, project, Action::See).await?;
    match folder {
        None => Ok(true),
        Some(_) => Ok(portal
            .storage
            .folder_exists(&keys::files_prefix(project, folder))
            .await?),
    }
}

pub async fn find(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
) -> Result<Option<ObjectInfo>> {
    portal.open_project(actor, project, Action::See).await?;
    match portal
        .storage
        .head(&keys::project_file(project, path))
        .await
    {
        Ok(info) => Ok(Some(info)),
        Err(storage::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file or a range of it, as a stream.
pub async fn open(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
    range: Option<ByteRange>,
) -> Result<Object> {
    portal.open_project(actor, project, Action::See).await?;
    let key = keys::project_file(project, path);
    Ok(portal.storage.get(&key, range).await?)
}

/// Where a browser gets a file straight from the store, if it can; disposition and type are what the store answers with.
pub async fn download_address(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
    (disposition, mime): (&str, &str),
) -> Result<Option<String>> {
    portal.open_project(actor, project, Action::See).await?;
    let key = keys::project_file(project, path);
    let address = portal
        .storage
        .download_address(&key, disposition, mime)
        .await?;
    if address.is_some() {
        // What is missing is told by a page of ours.
        portal.storage.head(&key).await?;
    }
    Ok(address)
}

/// Whether an upload may begin: asked before its first byte is read.
pub async fn may_put(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &str,
    length: Option<u64>,
) -> Result<FilePath> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    let path = target("/path", path)?;
    let limit = portal.config.server.upload_limit;
    if let Some(length) = length
        && length > limit
    {
        return Err(Error::TooLarge(format!(
            "This has {}; one file may have at most {}.",
            human_bytes(length),
            human_bytes(limit)
        )));
    }
    Ok(path)
}

/// Keeps a body as a file, in place of what was there: whole, or not at all.
pub async fn put<S, E>(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
    body: S,
) -> Result<(Put, ObjectInfo)>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    let path = target("/path", path.as_str())?;
    let key = keys::project_file(project, &path);
    let was = portal.storage.exists(&key).await?;
    let body = tokio_stream::StreamExt::timeout(body, SILENCE).map(|chunk| match chunk {
        Ok(chunk) => chunk.map_err(io::Error::other),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    });
    // It may have taken hours: who began it must still have leave at its end, before anything is in place.
    let leave = async || portal.open_project(actor, project, Action::EditFiles).await;
    let last = stream::once(async {
        let allowed = leave().await;
        allowed.map(|_| Bytes::new()).map_err(io::Error::other)
    });
    let limit = portal.config.server.upload_limit;
    let put = portal
        .storage
        .put(&key, Box::pin(body.chain(last)), Some(limit));
    let info = match tokio::time::timeout(LONGEST, put).await {
        Ok(Err(error @ storage::Error::Body(_))) => {
            leave().await?;
            return Err(error.into());
        }
        Ok(put) => put?,
        Err(_) => {
            let hours = LONGEST.as_secs() / 3600;
            return Err(Error::Conflict(format!(
                "The transfer took over {hours} hours; nothing was kept."
            )));
        }
    };
    leave_nothing_behind(portal, actor, project).await?;
    Ok((if was { Put::Replaced } else { Put::New }, info))
}

/// Takes away what came into place after its project was deleted, which nobody else would.
async fn leave_nothing_behind(portal: &Portal, actor: &Actor, project: ProjectId) -> Result<()> {
    let found = portal.store.find_project(project, actor.user.id).await?;
    if found.is_some_and(|found| found.project.deleting_at.is_none()) {
        return Ok(());
    }
    let prefix = keys::project_prefix(project);
    while portal.storage.delete_some(&prefix, 500).await? > 0 {}
    Err(Error::NotFound("project"))
}

/// Deletes one file.
pub async fn delete(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
) -> Result<()> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    let key = keys::project_file(project, path);
    portal.storage.head(&key).await?;
    Ok(portal.storage.delete(&key).await?)
}

/// What stands at a path, if anything does.
async fn standing(portal: &Portal, project: ProjectId, path: &FilePath) -> Result<Option<Target>> {
    match portal
        .storage
        .head(&keys::project_file(project, path))
        .await
    {
        Ok(_) => return Ok(Some(Target::File(path.clone()))),
        // A folder in the place of a file is no file.
        Err(storage::Error::NotFound | storage::Error::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let prefix = keys::files_prefix(project, Some(path));
    let folder = portal.storage.folder_exists(&prefix).await?;
    Ok(folder.then(|| Target::Folder(path.clone())))
}

/// What stands at a path, for those who may see it.
pub async fn locate(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &FilePath,
) -> Result<Target> {
    portal.open_project(actor, project, Action::See).await?;
    standing(portal, project, path)
        .await?
        .ok_or(Error::NotFound("file"))
}

/// Where a new folder would be, if it may be there.
pub async fn may_make_folder(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &str,
) -> Result<FilePath> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    let path = target("/path", path)?;
    must_be_free(portal, project, "/path", &path).await?;
    Ok(path)
}

/// An empty folder, which stays until it is deleted.
pub async fn make_folder(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    path: &str,
    key: Option<&Key>,
) -> Result<Made<FilePath>> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    if let Some(key) = key
        && let Some(path) = key.find(portal, actor).await?
    {
        return Ok(Made::Again(path));
    }
    let path = may_make_folder(portal, actor, project, path).await?;
    let prefix = keys::files_prefix(project, Some(&path));
    portal.storage.make_folder(&prefix).await?;
    idempotency::note(key, portal, actor, path.as_str()).await?;
    Ok(Made::New(path))
}

async fn must_be_free(
    portal: &Portal,
    project: ProjectId,
    field: &str,
    path: &FilePath,
) -> Result<()> {
    let Some(there) = standing(portal, project, path).await? else {
        return Ok(());
    };
    let what = if there.is_folder() { "folder" } else { "file" };
    Err(Error::field(
        field,
        format!("There is a {what} `{path}` already. Choose another name."),
        Some(path.as_str()),
    ))
}

/// Gives a file another path at once, a folder by a task.
pub async fn move_to(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    from: &FilePath,
    to: &str,
    key: Option<&Key>,
) -> Result<Started> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    if let Some(key) = key
        && let Some(started) = key.find(portal, actor).await?
    {
        return Ok(started);
    }
    let from = standing(portal, project, from)
        .await?
        .ok_or(Error::NotFound("file"))?;
    let to = target("/to", to.trim_end_matches('/'))?;
    if from.is_folder() && to.is_within(from.path()) {
        let why = "A folder cannot be moved into itself.";
        return Err(Error::field("/to", why, Some(to.as_str())));
    }
    if to.is_within(from.path()) {
        let why = "Give another path than it has.";
        return Err(Error::field("/to", why, Some(to.as_str())));
    }
    must_be_free(portal, project, "/to", &to).await?;
    if let Target::File(path) = &from {
        let (old, new) = (
            keys::project_file(project, path),
            keys::project_file(project, &to),
        );
        portal.storage.rename(&old, &new).await?;
        idempotency::note(key, portal, actor, &Started::Done.to_string()).await?;
        return Ok(Started::Done);
    }
    let title = format!("Move {from} to {to}");
    let work = Work::MoveFiles { from, to };
    start(portal, actor, project, title, &work, key).await
}

/// Deletes files and folders; a single file at once, all else by a task.
pub async fn delete_all(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    targets: Vec<Target>,
) -> Result<Started> {
    portal
        .open_project(actor, project, Action::EditFiles)
        .await?;
    let title = match &targets[..] {
        [] => return Ok(Started::Done),
        [Target::File(path)] => {
            delete(portal, actor, project, path).await?;
            return Ok(Started::Done);
        }
        [one] => format!("Delete {one}"),
        [first, others @ ..] => format!("Delete {first} and {} more", others.len()),
    };
    start(
        portal,
        actor,
        project,
        title,
        &Work::DeleteFiles { targets },
        None,
    )
    .await
}

async fn start(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    title: String,
    work: &Work,
    key: Option<&Key>,
) -> Result<Started> {
    let task = work.task(portal, actor, project, title)?;
    let tx = portal.store.begin().await?;
    let id = task.id.to_string();
    let mut tx = match idempotency::claim(key, portal, tx, actor, &id).await? {
        Claim::Free(tx) => tx,
        Claim::Before(started) => return Ok(started),
    };
    tx.insert_task(&task).await?;
    tx.commit().await?;
    Ok(Started::Task(task.id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_put_among_outputs() {
        assert!(target("/path", "data/jobs/x").is_ok());
        for bad in ["jobs", "jobs/x/1", "", "/a", "a/", "a//b", "../a", "a\0"] {
            assert!(target("/path", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_ends_with_a_slash() {
        for text in ["a/b", "a/b/"] {
            let target = Target::try_from(text.to_owned()).unwrap();
            assert_eq!(target.is_folder(), text.ends_with('/'));
            assert_eq!(target.to_string(), text);
        }
        assert!(Target::try_from("a//".to_owned()).is_err());
    }
}
