//! A project's files: what people upload, and below `jobs/` what jobs wrote. Bytes stream through; none are kept here.
use super::{Error, Portal, Result};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::FilePath,
        quantity::human_bytes,
    },
    storage::{self, ByteRange, Object, ObjectInfo, Page, keys},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use std::{io, time::Duration};

/// Where jobs put what they write; nothing else is put there.
pub const OUTPUTS: &str = "jobs";

/// A sender that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(120);

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
    let limit = portal.config.server.upload_limit;
    let info = portal
        .storage
        .put(&key, Box::pin(body), Some(limit))
        .await?;
    Ok((if was { Put::Replaced } else { Put::New }, info))
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
