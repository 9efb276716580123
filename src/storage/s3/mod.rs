//! A bucket of any S3: Ceph, MinIO, AWS. Where it can do less than a folder stands in `docs/storage.md`.
//!
//! Everything lies below the settings' prefix, and no other user or session of the store writes there but jobs, each in
//! its own project. A folder is what keys have in common; one that is empty is an object of no bytes whose key ends
//! with a slash, which is how S3A writes it too.
mod browser;
mod check;
mod client;
mod copy;
mod error;
mod list;
mod remove;
mod sessions;
#[cfg(all(test, feature = "production"))]
mod tests;
mod upload;

use super::{
    ByteRange, Error, Object, ObjectInfo, Result,
    keys::{Key, Prefix},
};
use crate::config::Storage as Settings;
use aws_sdk_s3::{Client, primitives::ByteStream, primitives::DateTime};
use bytes::Bytes;
use client::Clients;
use error::{Said, said};
use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream, stream::BoxStream,
};
use jiff::Timestamp;
use std::{fmt, io, ops::Range, sync::Arc};

/// Requests under way at once for one piece of work.
const AT_ONCE: usize = 16;
/// How often a body is taken up again where its connection broke.
const RESUMED: u32 = 3;

/// Cheap to clone.
#[derive(Clone)]
pub struct S3(Arc<Inner>);

struct Inner {
    clients: Clients,
    bucket: String,
    /// Ends with a slash, or is empty.
    prefix: String,
    /// What messages call the store: the portal's address of it.
    name: String,
    /// Where the portal's pages come from.
    origin: String,
    settings: Settings,
    sizes: Sizes,
}

/// Where objects are cut; tests cut them smaller.
#[derive(Clone, Copy)]
struct Sizes {
    /// The first parts of an upload.
    part: usize,
    /// Larger objects are copied in parts of this size.
    copy: u64,
}

const SIZES: Sizes = Sizes {
    part: 8 << 20,
    copy: 512 << 20,
};

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({}/{})", self.0.name, self.0.bucket)
    }
}

impl S3 {
    /// Calls nothing: see [`super::Storage::prepare`]. `origin` is how browsers reach the portal.
    pub fn new(settings: &Settings, origin: &str) -> anyhow::Result<Self> {
        Self::with_sizes(settings, origin, SIZES)
    }

    fn with_sizes(settings: &Settings, origin: &str, sizes: Sizes) -> anyhow::Result<Self> {
        let missing = |key| anyhow::anyhow!("storage.{key}: it is missing");
        let endpoint = settings
            .endpoint
            .as_deref()
            .ok_or_else(|| missing("endpoint"))?;
        let prefix = match settings.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Self(Arc::new(Inner {
            clients: client::clients(settings, endpoint)?,
            bucket: settings.bucket.clone().ok_or_else(|| missing("bucket"))?,
            prefix,
            name: endpoint.trim_end_matches('/').to_owned(),
            origin: origin.to_owned(),
            settings: settings.clone(),
            sizes,
        })))
    }

    pub(super) fn shown(&self) -> String {
        format!("bucket {} of {}", self.bucket(), self.0.name)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn quick(&self) -> &Client {
        &self.0.clients.quick
    }

    fn bulk(&self) -> &Client {
        &self.0.clients.bulk
    }

    fn bucket(&self) -> &str {
        &self.0.bucket
    }

    /// The whole key in the bucket.
    fn place(&self, key: &str) -> String {
        format!("{}{key}", self.0.prefix)
    }

    pub(super) async fn get(&self, key: &Key, range: Option<ByteRange>) -> Result<Object> {
        let asked = match range {
            None => None,
            Some(range) => match header(range) {
                Some(header) => Some(header),
                None => return Err(self.no_range(key).await),
            },
        };
        let got = self
            .bulk()
            .get_object()
            .bucket(self.bucket())
            .key(self.place(key.as_str()))
            .set_range(asked)
            .send()
            .await;
        let got = match got {
            Err(error) if said(&error) == Said::Range => return Err(self.no_range(key).await),
            got => got.map_err(|error| self.failed("reading", &error))?,
        };
        let length = unsigned(got.content_length());
        let (range, size) = match (range, got.content_range()) {
            (None, _) => (0..length, length),
            (Some(_), Some(text)) => content_range(text).ok_or_else(|| {
                Error::Internal(anyhow::anyhow!("the store answers with the range `{text}`"))
            })?,
            (Some(_), None) => {
                return Err(Error::Internal(anyhow::anyhow!(
                    "the store takes no ranges"
                )));
            }
        };
        let info = ObjectInfo {
            size,
            modified: modified(got.last_modified())?,
            etag: bare(got.e_tag()),
        };
        let body = Download {
            s3: self.clone(),
            place: self.place(key.as_str()),
            etag: info.etag.clone(),
            range: range.clone(),
            body: got.body,
            resumed: 0,
        };
        Ok(Object {
            info,
            range,
            body: body.stream(),
        })
    }

    /// What a range is refused with.
    async fn no_range(&self, key: &Key) -> Error {
        match self.head(key).await {
            Ok(info) => Error::RangeNotSatisfiable { size: info.size },
            Err(error) => error,
        }
    }

    pub(super) async fn read(&self, key: &Key, offset: u64, max: usize) -> Result<Bytes> {
        let range = ByteRange::Between(offset, offset.saturating_add(max as u64));
        let object = match self.get(key, Some(range)).await {
            Err(Error::RangeNotSatisfiable { .. }) => return Ok(Bytes::new()),
            object => object?,
        };
        let chunks: Vec<Bytes> = object.body.try_collect().await.map_err(|error| {
            Error::Unavailable(format!("{} broke off a body: {error}", self.0.name))
        })?;
        Ok(match &chunks[..] {
            [one] => one.clone(),
            _ => chunks.concat().into(),
        })
    }

    pub(super) async fn head(&self, key: &Key) -> Result<ObjectInfo> {
        self.look(&self.place(key.as_str())).await
    }

    async fn look(&self, place: &str) -> Result<ObjectInfo> {
        let found = self
            .quick()
            .head_object()
            .bucket(self.bucket())
            .key(place)
            .send()
            .await
            .map_err(|error| self.failed("looking for an object", &error))?;
        Ok(ObjectInfo {
            size: unsigned(found.content_length()),
            modified: modified(found.last_modified())?,
            etag: bare(found.e_tag()),
        })
    }

    pub(super) async fn make_folder(&self, prefix: &Prefix) -> Result<()> {
        let path = prefix.folder_path();
        self.must_have_no_file(path, true).await?;
        self.quick()
            .put_object()
            .bucket(self.bucket())
            .key(self.place(prefix.as_str()))
            .body(ByteStream::from_static(b""))
            .send()
            .await
            .map_err(|error| self.failed("making a folder", &error))?;
        Ok(())
    }

    /// Whether an object can lie at the key: no file on the way to it, no folder in its place. Two writers at the same
    /// moment may still get past each other.
    async fn must_be_free(&self, key: &Key) -> Result<()> {
        if !is_users(key.as_str()) {
            return Ok(());
        }
        let below = self.place(&format!("{}/", key.as_str()));
        let (folder, ()) = tokio::try_join!(
            self.holds_anything(&below),
            self.must_have_no_file(key.as_str(), false)
        )?;
        if folder {
            let (_, name) = key.split();
            return Err(Error::Conflict(format!("`{name}` is a folder")));
        }
        Ok(())
    }

    /// Whether any of the folders above a path is a file, or the path itself.
    async fn must_have_no_file(&self, path: &str, itself: bool) -> Result<()> {
        let ends = path.match_indices('/').map(|(at, _)| at);
        let above = ends.skip(AREA).map(|at| path[..at].to_owned());
        let all: Vec<String> = above.chain(itself.then(|| path.to_owned())).collect();
        let looks = all.into_iter().map(|folder| {
            async move {
                match self.look(&self.place(&folder)).await {
                    Ok(_) => {
                        let name = folder.rsplit('/').next().unwrap_or_default();
                        Err(Error::Conflict(format!("`{name}` is not a folder")))
                    }
                    Err(Error::NotFound) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            .boxed()
        });
        all_of(looks.collect()).await
    }

    /// Not escaped: S3A takes the text as it is.
    pub(super) fn address(&self, path: &str) -> String {
        format!("s3a://{}/{}", self.bucket(), self.place(path))
    }
}

/// Does all of it, some at once, until something fails.
async fn all_of(work: Vec<BoxFuture<'_, Result<()>>>) -> Result<()> {
    stream::iter(work)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Slashes of a key before the path that users choose: `projects/<project>/files/`.
const AREA: usize = 3;

/// Whether users choose names in this area; in the others the portal does, and never one for a file and a folder.
fn is_users(key: &str) -> bool {
    key.split('/').nth(2) == Some("files")
}

/// A range as the protocol has it; `None` where it holds nothing.
fn header(range: ByteRange) -> Option<String> {
    // Beyond this some stores no longer read the number.
    const END: u64 = u64::MAX >> 1;
    match range {
        ByteRange::Between(from, to) if from < to.min(END) => {
            Some(format!("bytes={from}-{}", to.min(END) - 1))
        }
        ByteRange::From(from) if from < END => Some(format!("bytes={from}-")),
        ByteRange::Last(count @ 1..) => Some(format!("bytes=-{}", count.min(END))),
        _ => None,
    }
}

/// Range and size of `bytes 2-4/10`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..last.checked_add(1)?, size.parse().ok()?))
}

fn unsigned(number: Option<i64>) -> u64 {
    number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

/// Whole seconds: a listing knows more than an answer's head can say, and both must agree.
fn modified(time: Option<&DateTime>) -> Result<Timestamp> {
    time.and_then(|time| Timestamp::from_second(time.secs()).ok())
        .ok_or_else(|| Error::Internal(anyhow::anyhow!("an object has no usable time")))
}

/// Ceph gives some tags in quotes and some without.
fn bare(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// A body on its way, taken up again where its connection broke, as long as the object is the same.
struct Download {
    s3: S3,
    place: String,
    etag: String,
    /// What is still to come.
    range: Range<u64>,
    body: ByteStream,
    resumed: u32,
}

impl Download {
    fn stream(self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::try_unfold(self, |mut download| async move {
            let chunk = download.next().await?;
            Ok(chunk.map(|chunk| (chunk, download)))
        })
        .boxed()
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.body.try_next().await {
                Ok(Some(chunk)) => {
                    self.range.start += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) => return Ok(None),
                Err(error) if self.resumed == RESUMED => return Err(io::Error::other(error)),
                Err(error) => {
                    self.resumed += 1;
                    tracing::debug!(%error, "a body broke off and is taken up again");
                    self.body = self.resume().await.map_err(io::Error::other)?;
                }
            }
        }
    }

    async fn resume(&self) -> Result<ByteStream> {
        let got = self
            .s3
            .bulk()
            .get_object()
            .bucket(self.s3.bucket())
            .key(&self.place)
            .range(format!("bytes={}-{}", self.range.start, self.range.end - 1))
            .if_match(format!("\"{}\"", self.etag))
            .send()
            .await
            .map_err(|error| self.s3.failed("reading on", &error))?;
        Ok(got.body)
    }
}

#[cfg(test)]
mod unit {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_are_put_as_the_protocol_has_them() {
        for (range, expected) in [
            (ByteRange::Between(2, 5), Some("bytes=2-4")),
            (ByteRange::Between(5, 5), None),
            (ByteRange::Between(u64::MAX, u64::MAX), None),
            (ByteRange::From(7), Some("bytes=7-")),
            (ByteRange::Last(3), Some("bytes=-3")),
            (ByteRange::Last(0), None),
        ] {
            assert_eq!(header(range).as_deref(), expected, "{range:?}");
        }
        assert_eq!(content_range("bytes 2-4/10"), Some((2..5, 10)));
        assert_eq!(content_range("bytes */10"), None);
    }
}
