//! The embedded home of the store: a folder of this machine, with each object a file at its key's path.
//!
//! Jobs of this machine read and write the same files by their addresses, so what it finds there is not to be trusted:
//! see `steps.rs`. On a file system that folds case, two keys that differ in case only are one object.
mod list;
mod remove;
mod steps;
mod temp;
#[cfg(test)]
mod tests;

use super::{
    ByteRange, Error, Object, ObjectInfo, PAGE, Page, Result,
    keys::{Key, Prefix},
};
use anyhow::Context;
use bytes::Bytes;
use cap_std::fs::{Dir, MetadataExt as _};
use futures::{Stream, StreamExt, stream};
use list::Depth;
use rustix::buffer::spare_capacity;
use std::{
    fs::{File, Metadata},
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
    sync::Arc,
    time::SystemTime,
};
use temp::Temp;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes per chunk of a body that is read, and how many of a body that is written are gathered for one call.
/// Two of each are under way at once.
const READ_CHUNK: u64 = 256 * 1024;
const WRITE_BATCH: usize = 1024 * 1024;
/// The most pieces in one call to `writev`.
const WRITE_PIECES: usize = 512;

#[derive(Debug, Clone)]
pub struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Dir,
    /// Where bodies grow until they are whole; on the same file system, so that they can be renamed into place.
    temp: Dir,
    /// The root's absolute path.
    path: String,
}

impl Folder {
    /// Opens a store and makes it if it is not there, readable by its owner alone. What a crash left half-written more than a
    /// day ago is removed.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        let shown = root.display();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("the store's folder {shown} cannot be made"))?;
        let path = root
            .canonicalize()
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
            .with_context(|| format!("the store's folder {shown} must have a UTF-8 path"))?;
        // Not `Dir::open_ambient_dir`: its handle (O_PATH) cannot be synced.
        let root = File::open(&path)
            .map(Dir::from_std_file)
            .with_context(|| format!("the store's folder {path} cannot be opened"))?;
        let temp = steps::make(&root, "tmp")
            .and_then(|temp| temp::clean(&temp).map(|()| temp))
            .with_context(|| format!("the store's folder {path} cannot be used"))?;
        Ok(Self(Arc::new(Inner { root, temp, path })))
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.blocking(|inner| {
            let looked = inner.root.dir_metadata();
            looked
                .map(drop)
                .map_err(|error| steps::from_io(error, "looking at the store's folder"))
        })
        .await
    }

    pub(super) fn shown(&self) -> String {
        format!("folder {}", self.0.path)
    }

    pub(super) async fn put<S>(
        &self,
        key: &Key,
        mut body: S,
        limit: Option<u64>,
    ) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let limit = limit.unwrap_or(u64::MAX);
        let place = key.clone();
        // Found out before byte one, not after the last.
        let temp = self
            .blocking(move |inner| {
                inner.must_be_free(&place)?;
                Temp::new(&inner)
            })
            .await?;
        let (mut size, mut waiting, mut batch) = (0u64, 0usize, Vec::new());
        let mut writing: Option<JoinHandle<io::Result<()>>> = None;
        loop {
            let chunk = body.next().await.transpose().map_err(Error::Body)?;
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                size += chunk.len() as u64;
                if size > limit {
                    return Err(Error::TooLarge { limit });
                }
                waiting += chunk.len();
                batch.push(chunk);
            }
            if waiting >= WRITE_BATCH || batch.len() >= WRITE_PIECES || ended {
                written(writing.take()).await?;
                let (file, pieces) = (temp.file(), std::mem::take(&mut batch));
                waiting = 0;
                writing = Some(spawn_blocking(move || temp::write_all(&file, &pieces)));
            }
            if ended {
                break;
            }
        }
        written(writing).await?;
        self.commit(temp, key).await
    }

    pub(super) async fn put_bytes(&self, key: &Key, bytes: Bytes) -> Result<ObjectInfo> {
        let key = key.clone();
        self.blocking(move |inner| {
            inner.must_be_free(&key)?;
            let temp = Temp::new(&inner)?;
            temp::write_all(&temp.file(), &[bytes]).map_err(|e| steps::from_io(e, "writing"))?;
            inner.commit(&temp, &key)
        })
        .await
    }

    pub(super) async fn get(&self, key: &Key, range: Option<ByteRange>) -> Result<Object> {
        let key = key.clone();
        let (info, range, file, first) = self
            .blocking(move |inner| {
                let (file, info) = inner.open(&key)?;
                let range = match range {
                    None => 0..info.size,
                    Some(range) => range.within(info.size)?,
                };
                let first =
                    read_at(&file, chunk(&range)).map_err(|e| steps::from_io(e, "reading"))?;
                Ok((info, range, file, first))
            })
            .await?;
        let rest = range.start + first.len() as u64..range.end;
        let head = stream::iter((!first.is_empty()).then_some(Ok(first)));
        let body = head.chain(chunks(Arc::new(file), rest)).boxed();
        Ok(Object { info, range, body })
    }

    pub(super) async fn read(&self, key: &Key, offset: u64, max: usize) -> Result<Bytes> {
        let key = key.clone();
        self.blocking(move |inner| {
            let (file, info) = inner.open(&key)?;
            let end = offset.saturating_add(max as u64).min(info.size);
            if offset >= end {
                return Ok(Bytes::new());
            }
            read_at(&file, offset..end).map_err(|e| steps::from_io(e, "reading"))
        })
        .await
    }

    pub(super) async fn head(&self, key: &Key) -> Result<ObjectInfo> {
        let key = key.clone();
        self.blocking(move |inner| inner.look(&key)).await
    }

    pub(super) async fn folder_exists(&self, prefix: &Prefix) -> Result<bool> {
        let prefix = prefix.clone();
        self.blocking(
            move |inner| match steps::walk(&inner.root, prefix.folder_path()) {
                Ok(_) => Ok(true),
                Err(error) if steps::is_absent(&error) => Ok(false),
                Err(error) => Err(steps::from_io(error, "looking for a folder")),
            },
        )
        .await
    }

    pub(super) async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        self.page(prefix, Depth::One, after, limit).await
    }

    pub(super) async fn list_all(
        &self,
        prefix: &Prefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        self.page(prefix, Depth::All, after, limit).await
    }

    async fn page(
        &self,
        prefix: &Prefix,
        depth: Depth,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        let (prefix, after) = (prefix.clone(), after.unwrap_or("").to_owned());
        self.blocking(move |inner| {
            let listed = steps::walk(&inner.root, prefix.folder_path())
                .and_then(|folder| list::page(&folder, depth, &after, limit.clamp(1, PAGE)));
            match listed {
                Err(error) if steps::is_absent(&error) || steps::is_closed(&error) => Ok(Page {
                    entries: Vec::new(),
                    next: None,
                }),
                other => other.map_err(|error| steps::from_io(error, "listing a folder")),
            }
        })
        .await
    }

    pub(super) async fn make_folder(&self, prefix: &Prefix) -> Result<()> {
        let prefix = prefix.clone();
        self.blocking(move |inner| steps::make(&inner.root, prefix.folder_path()).map(drop))
            .await
    }

    pub(super) async fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo> {
        if from == to {
            return self.head(from).await;
        }
        let (source, target) = (from.clone(), to.clone());
        let (file, temp) = self
            .blocking(move |inner| {
                let (file, _) = inner.open(&source)?;
                inner.must_be_free(&target)?;
                Ok((Arc::new(file), Temp::new(&inner)?))
            })
            .await?;
        // In steps, so that a large copy can be given up between them.
        while {
            let (file, into) = (file.clone(), temp.file());
            self.blocking(move |_| {
                temp::copy_step(&file, &into).map_err(|e| steps::from_io(e, "copying"))
            })
            .await?
        } {}
        self.commit(temp, to).await
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<()> {
        let key = key.clone();
        self.blocking(move |inner| {
            let (folder, name) = key.split();
            let deleted = steps::walk(&inner.root, folder).and_then(|folder| {
                if folder.symlink_metadata(name)?.is_dir() {
                    return Ok(());
                }
                folder.remove_file(name)?;
                steps::sync(&folder)
            });
            match deleted {
                Err(error) if !steps::is_absent(&error) => Err(steps::from_io(error, "deleting")),
                _ => Ok(()),
            }
        })
        .await
    }

    pub(super) async fn rename(&self, from: &Key, to: &Key) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.blocking(move |inner| inner.rename(&from, &to)).await
    }

    pub(super) async fn delete_empty(&self, prefix: &Prefix) -> Result<Option<String>> {
        let prefix = prefix.clone();
        self.blocking(move |inner| remove::empty(&inner.root, &prefix))
            .await
    }

    pub(super) async fn delete_some(&self, prefix: &Prefix, max: usize) -> Result<usize> {
        let prefix = prefix.clone();
        self.blocking(move |inner| remove::some(&inner.root, &prefix, max))
            .await
    }

    /// Not escaped: Spark's raw local file system takes the text after `file://` as it is.
    pub(super) fn address(&self, path: &str) -> String {
        format!("file://{}/{path}", self.0.path.trim_end_matches('/'))
    }

    /// The moment of success, on a blocking thread of its own so that it is not left half done when the caller goes away.
    async fn commit(&self, temp: Temp, key: &Key) -> Result<ObjectInfo> {
        let key = key.clone();
        self.blocking(move |inner| inner.commit(&temp, &key)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Inner>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.0.clone();
        spawn_blocking(move || work(inner))
            .await
            .map_err(|error| Error::Internal(error.into()))?
    }
}

impl Inner {
    fn open(&self, key: &Key) -> Result<(File, ObjectInfo)> {
        let (folder, name) = key.split();
        let folder = steps::walk(&self.root, folder)
            .map_err(|error| steps::absent_or(error, "looking for a file"))?;
        let file = steps::open_file(&folder, name)?;
        let meta = file
            .metadata()
            .map_err(|error| steps::from_io(error, "looking at a file"))?;
        Ok((file, info(&meta)?))
    }

    /// Without opening it: also of one that its writer has closed to itself.
    fn look(&self, key: &Key) -> Result<ObjectInfo> {
        let (folder, name) = key.split();
        let meta = steps::walk(&self.root, folder)
            .and_then(|folder| folder.symlink_metadata(name))
            .map_err(|error| steps::absent_or(error, "looking for a file"))?;
        if !meta.is_file() {
            return Err(Error::NotFound);
        }
        let modified = meta.modified().map(cap_std::time::SystemTime::into_std);
        described(meta.ino(), meta.len(), modified)
    }

    /// Within the root all is one file system, as `tmp` is.
    fn rename(&self, from: &Key, to: &Key) -> Result<()> {
        if from == to {
            return self.look(from).map(drop);
        }
        let failed = |error| steps::absent_or(error, "moving a file");
        let (folder, name) = from.split();
        let old = steps::walk(&self.root, folder).map_err(failed)?;
        for _ in 0..steps::TRIES {
            // A folder is no object, and a link that a job planted is none either.
            self.look(from)?;
            self.must_be_free(to)?;
            let (folder, new_name) = to.split();
            let new = steps::make(&self.root, folder)?;
            match old.rename(name, &new, new_name) {
                Ok(()) => {
                    steps::sync(&new).map_err(failed)?;
                    return steps::sync(&old).map_err(failed);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Error::Unavailable(format!(
            "the folder of `{name}` is being deleted"
        )))
    }

    /// Whether an object can lie at the key: no file on the way to it, no folder or link in its place.
    fn must_be_free(&self, key: &Key) -> Result<()> {
        let mut here = self
            .root
            .try_clone()
            .map_err(|e| steps::from_io(e, "writing"))?;
        let (folder, name) = key.split();
        for part in folder.split('/') {
            here = match steps::enter(&here, part) {
                Ok(below) => below,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if steps::is_no_folder(&error) => {
                    return Err(Error::Conflict(format!("`{part}` is not a folder")));
                }
                Err(error) => return Err(steps::from_io(error, "writing")),
            };
        }
        match here.symlink_metadata(name) {
            Ok(meta) if meta.is_file() => Ok(()),
            Ok(meta) if meta.is_dir() => Err(Error::Conflict(format!("`{name}` is a folder"))),
            Ok(_) => Err(Error::Conflict(format!("`{name}` is not a plain file"))),
            Err(error) if steps::is_absent(&error) => Ok(()),
            Err(error) => Err(steps::from_io(error, "writing")),
        }
    }

    fn commit(&self, temp: &Temp, key: &Key) -> Result<ObjectInfo> {
        let failed = |error| steps::from_io(error, "putting an object in place");
        let meta = {
            let file = temp.file();
            file.sync_all().map_err(failed)?;
            file.metadata().map_err(failed)?
        };
        let (folder, name) = key.split();
        // A folder that is just being deleted may vanish between its making and the renaming.
        for _ in 0..steps::TRIES {
            self.must_be_free(key)?;
            let folder = steps::make(&self.root, folder)?;
            match temp.rename(&folder, name) {
                Ok(()) => {
                    temp.keep();
                    steps::sync(&folder).map_err(failed)?;
                    return info(&meta);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                    return Err(Error::Conflict(format!("`{name}` is a folder")));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(Error::Unavailable(format!(
            "the folder of `{name}` is being deleted"
        )))
    }
}

fn info(meta: &Metadata) -> Result<ObjectInfo> {
    described(meta.ino(), meta.size(), meta.modified())
}

fn described(ino: u64, size: u64, modified: io::Result<SystemTime>) -> Result<ObjectInfo> {
    let Ok(Ok(modified)) = modified.map(jiff::Timestamp::try_from) else {
        return Err(Error::Internal(anyhow::anyhow!(
            "a file has no usable time"
        )));
    };
    // Each put makes a new inode; what a job writes in place shows in size and time.
    let nanos = modified.as_nanosecond();
    Ok(ObjectInfo {
        size,
        modified,
        etag: format!("{ino:x}-{size:x}-{nanos:x}"),
    })
}

async fn written(writing: Option<JoinHandle<io::Result<()>>>) -> Result<()> {
    match writing {
        None => Ok(()),
        Some(writing) => writing
            .await
            .map_err(|error| Error::Internal(error.into()))?
            .map_err(|error| steps::from_io(error, "writing")),
    }
}

fn chunk(range: &Range<u64>) -> Range<u64> {
    range.start..range.end.min(range.start + READ_CHUNK)
}

fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let at = range.start + buffer.len() as u64;
        // The capacity may be a little more than asked; what is read beyond is cut below.
        if rustix::io::retry_on_intr(|| rustix::io::pread(file, spare_capacity(&mut buffer), at))?
            == 0
        {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
    }
    buffer.truncate(length);
    Ok(buffer.into())
}

/// A body in chunks; while one is being sent the next is already read.
fn chunks(file: Arc<File>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    let ahead = move |range: Range<u64>| {
        let (file, next) = (file.clone(), chunk(&range));
        let rest = next.end..range.end;
        (!next.is_empty()).then(|| (spawn_blocking(move || read_at(&file, next)), rest))
    };
    // Reading starts with the first poll: most bodies end with the chunk that is already there.
    let state = (None, Some(range));
    stream::try_unfold(state, move |(reading, waiting)| {
        let started = reading.or_else(|| waiting.and_then(&ahead));
        let ahead = ahead.clone();
        async move {
            let Some((reading, rest)) = started else {
                return Ok(None);
            };
            let chunk = reading.await.map_err(io::Error::other)??;
            Ok(Some((chunk, (ahead(rest), None))))
        }
    })
}
