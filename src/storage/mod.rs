//! Where bytes lie: uploads, outputs, code copies and logs. It keeps objects under keys, and nothing about who may see them.
//!
//! The contract is the one that S3 can keep too: whole objects under keys, objects but no folders renamed, listings by the
//! last name seen. `contract.rs` holds every home of the store to it.
pub mod archive;
pub mod folder;
mod jobs;
pub mod keys;
mod s3;

#[cfg(test)]
mod contract;

use bytes::Bytes;
pub use folder::Folder;
use futures::{Stream, stream::BoxStream};
use jiff::{SignedDuration, Timestamp};
pub use jobs::{JobCredentials, JobSession};
use keys::{Key, Prefix};
pub use s3::S3;
use std::{io, ops::Range};

/// The most entries that one page of a listing holds.
pub const PAGE: usize = 1000;

/// A home for objects; cheap to clone.
#[derive(Debug, Clone)]
pub enum Storage {
    Folder(Folder),
    S3(S3),
}

/// Why the store cannot be used at the start.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// It does not answer, or cannot now: later, perhaps.
    #[error("{0}")]
    Down(String),
    /// It refuses something that the portal needs: somebody has to change a setting or a right. Begins with the setting.
    #[error("{0}")]
    Refused(String),
}

/// Uploads in parts that began so long ago have nobody any more who would end them; jobs may take days for theirs.
const ABANDONED: SignedDuration = SignedDuration::from_hours(14 * 24);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such object")]
    NotFound,
    /// Something of another kind stands at the place: a file where a folder must be, or the reverse.
    #[error("{0}")]
    Conflict(String),
    #[error("it is larger than the {limit} bytes that are taken")]
    TooLarge { limit: u64 },
    #[error("the range begins behind the end of the object, which has {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    #[error("the store has no room left: {0}")]
    Full(String),
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// The sender of a body stopped before its end.
    #[error("the body broke off")]
    Body(#[source] io::Error),
    #[error("the store failed")]
    Internal(#[source] anyhow::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size: u64,
    pub modified: Timestamp,
    /// Differs whenever the bytes may differ; without quotes.
    pub etag: String,
}

/// Which bytes of an object; the end is cut to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to before the second.
    Between(u64, u64),
    From(u64),
    /// The last so many.
    Last(u64),
}

pub struct Object {
    pub info: ObjectInfo,
    /// Where the body lies in the object.
    pub range: Range<u64>,
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In byte order of their positions.
    pub entries: Vec<Entry>,
    /// What to pass as `after` for the next page; `None` at the end.
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the prefix that was listed, without a slash at its end.
    pub name: String,
    pub kind: Kind,
    /// Bytes; 0 for a folder.
    pub size: u64,
    /// `None` for a folder.
    pub modified: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

impl Entry {
    /// What a listing is continued after: the name, with a slash for a folder.
    pub fn position(&self) -> String {
        match self.kind {
            Kind::File => self.name.clone(),
            Kind::Folder => format!("{}/", self.name),
        }
    }
}

impl ByteRange {
    /// The bytes of an object of this size that are meant.
    pub fn within(self, size: u64) -> Result<Range<u64>> {
        let range = match self {
            Self::Between(start, end) => start..end.min(size),
            Self::From(start) => start..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() {
            return Err(Error::RangeNotSatisfiable { size });
        }
        Ok(range)
    }
}

impl Storage {
    /// Makes what is missing and tries each right that the portal needs. Repeating it is fine.
    pub async fn prepare(&self) -> Result<(), NotReady> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::S3(s3) => s3.prepare().await,
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.ping().await,
            Self::S3(s3) => s3.ping().await,
        }
    }

    /// What people call it: where it is.
    pub fn place(&self) -> String {
        match self {
            Self::Folder(folder) => folder.shown(),
            Self::S3(s3) => s3.shown(),
        }
    }

    /// Takes away what killed writers left half-done long ago and says how much it was.
    pub async fn tidy(&self, now: Timestamp) -> Result<usize> {
        match self {
            // A folder does it when it is opened.
            Self::Folder(_) => Ok(0),
            Self::S3(s3) => s3.abort_uploads(now - ABANDONED).await,
        }
    }

    /// An address from which a browser gets the object straight from the store for some minutes, with these headers;
    /// `None` where its bytes have to pass through the portal.
    pub async fn download_address(
        &self,
        key: &Key,
        disposition: &str,
        mime: &str,
    ) -> Result<Option<String>> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::S3(s3) => s3.download_address(key, disposition, mime).await,
        }
    }

    /// Keeps a body under a key, in place of what was there. It becomes visible whole and durable, or not at all.
    /// More than `limit` bytes are refused with [`Error::TooLarge`].
    pub async fn put<S>(&self, key: &Key, body: S, limit: Option<u64>) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        match self {
            Self::Folder(folder) => folder.put(key, body, limit).await,
            // Its futures are large: on the heap, they do not make their callers' so too.
            Self::S3(s3) => Box::pin(s3.put(key, body, limit)).await,
        }
    }

    /// Keeps a few bytes under a key.
    pub async fn put_bytes(&self, key: &Key, bytes: Bytes) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.put_bytes(key, bytes).await.map(drop),
            Self::S3(s3) => Box::pin(s3.put_bytes(key, bytes)).await,
        }
    }

    /// An object or a range of it, as a stream.
    pub async fn get(&self, key: &Key, range: Option<ByteRange>) -> Result<Object> {
        match self {
            Self::Folder(folder) => folder.get(key, range).await,
            Self::S3(s3) => s3.get(key, range).await,
        }
    }

    /// At most `max` bytes from `offset`; fewer only at the end, none behind it.
    pub async fn read(&self, key: &Key, offset: u64, max: usize) -> Result<Bytes> {
        match self {
            Self::Folder(folder) => folder.read(key, offset, max).await,
            Self::S3(s3) => s3.read(key, offset, max).await,
        }
    }

    pub async fn head(&self, key: &Key) -> Result<ObjectInfo> {
        match self {
            Self::Folder(folder) => folder.head(key).await,
            Self::S3(s3) => s3.head(key).await,
        }
    }

    pub async fn exists(&self, key: &Key) -> Result<bool> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether anything lies in the folder, or it was made.
    pub async fn folder_exists(&self, prefix: &Prefix) -> Result<bool> {
        match self {
            Self::Folder(folder) => folder.folder_exists(prefix).await,
            Self::S3(s3) => s3.folder_exists(prefix).await,
        }
    }

    /// One folder's files and folders.
    ///
    /// `after` is the `next` of the page before, or an entry's [`Entry::position`]. `limit` is cut to [`PAGE`].
    /// A folder that is not there has no entries.
    pub async fn list(&self, prefix: &Prefix, after: Option<&str>, limit: usize) -> Result<Page> {
        match self {
            Self::Folder(folder) => folder.list(prefix, after, limit).await,
            Self::S3(s3) => s3.list(prefix, after, limit).await,
        }
    }

    /// All files below a folder, however deep, and those folders that hold nothing; otherwise as [`Storage::list`].
    pub async fn list_all(
        &self,
        prefix: &Prefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        match self {
            Self::Folder(folder) => folder.list_all(prefix, after, limit).await,
            Self::S3(s3) => s3.list_all(prefix, after, limit).await,
        }
    }

    /// A folder that stays, also empty, until it is deleted. Making it twice is fine.
    pub async fn make_folder(&self, prefix: &Prefix) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.make_folder(prefix).await,
            Self::S3(s3) => s3.make_folder(prefix).await,
        }
    }

    /// Copies an object within the store, without its bytes passing through the portal where that is possible.
    pub async fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo> {
        match self {
            Self::Folder(folder) => folder.copy(from, to).await,
            Self::S3(s3) => Box::pin(s3.copy(from, to)).await,
        }
    }

    /// Gives an object another key, in place of what was there. What others put under the old key meanwhile stays there.
    pub async fn rename(&self, from: &Key, to: &Key) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.rename(from, to).await,
            Self::S3(s3) => Box::pin(s3.rename(from, to)).await,
        }
    }

    /// Deletes an object; a missing one is fine.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.delete(key).await,
            Self::S3(s3) => s3.delete(key).await,
        }
    }

    /// Deletes up to `max` things below a folder, at last the folder itself, and says how many; 0 means that nothing is left.
    pub async fn delete_some(&self, prefix: &Prefix, max: usize) -> Result<usize> {
        match self {
            Self::Folder(folder) => folder.delete_some(prefix, max).await,
            Self::S3(s3) => Box::pin(s3.delete_some(prefix, max)).await,
        }
    }

    /// Deletes a folder that holds nothing, also nothing that no listing shows; otherwise the name of something that it holds.
    /// A missing one is fine.
    pub async fn delete_empty(&self, prefix: &Prefix) -> Result<Option<String>> {
        match self {
            Self::Folder(folder) => folder.delete_empty(prefix).await,
            Self::S3(s3) => s3.delete_empty(prefix).await,
        }
    }

    /// How a job addresses an object.
    pub fn address(&self, key: &Key) -> String {
        match self {
            Self::Folder(folder) => folder.address(key.as_str()),
            Self::S3(s3) => s3.address(key.as_str()),
        }
    }

    /// How a job addresses a folder; without a slash at its end.
    pub fn folder_address(&self, prefix: &Prefix) -> String {
        match self {
            Self::Folder(folder) => folder.address(prefix.folder_path()),
            Self::S3(s3) => s3.address(prefix.folder_path()),
        }
    }
}
