//! Bodies on their way in: a small one by one request, a larger one in parts, of which a few are in memory at once. An
//! upload that is given up is aborted, so that a whole object appears or nothing.
use super::{
    super::{Error, ObjectInfo, Result, keys::Key},
    S3, bare,
};
use crate::config::LARGEST_OBJECT;
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use std::io;
use tokio::task::JoinSet;

/// Parts of one upload under way at once; one more is being gathered.
const FLYING: usize = 3;
/// After so many parts the next ones are twice as large; see [`LARGEST_OBJECT`].
const PARTS_OF_A_SIZE: usize = 2000;

impl S3 {
    pub(in super::super) async fn put<S>(
        &self,
        key: &Key,
        body: S,
        limit: Option<u64>,
    ) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        // Found out before byte one, not after the last.
        self.must_be_free(key).await?;
        let place = self.place(key.as_str());
        let mut cut = Cut {
            body,
            left: Bytes::new(),
            size: 0,
            limit: limit.unwrap_or(u64::MAX).min(LARGEST_OBJECT),
            ended: false,
        };
        let first = cut.next(self.0.sizes.part).await?;
        let etag = if cut.ended {
            self.put_whole(&place, first).await?
        } else {
            self.put_parts(&place, first, &mut cut).await?
        };
        let modified = self.look(&place).await?.modified;
        Ok(ObjectInfo {
            size: cut.size,
            modified,
            etag,
        })
    }

    pub(in super::super) async fn put_bytes(&self, key: &Key, bytes: Bytes) -> Result<()> {
        self.must_be_free(key).await?;
        self.put_whole(&self.place(key.as_str()), bytes).await?;
        Ok(())
    }

    /// The object's tag.
    pub(super) async fn put_whole(&self, place: &str, bytes: Bytes) -> Result<String> {
        let put = self
            .bulk()
            .put_object()
            .bucket(self.bucket())
            .key(place)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| self.failed("writing", &error))?;
        Ok(bare(put.e_tag()))
    }

    async fn put_parts<S>(&self, place: &str, first: Bytes, cut: &mut Cut<S>) -> Result<String>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let mut upload = Upload::begin(self, place).await?;
        match upload.parts(first, cut).await {
            Ok(parts) => upload.complete(parts, cut.size).await,
            Err(error) => {
                upload.give_up().await;
                Err(error)
            }
        }
    }

    /// Aborts uploads that began before a moment and says how many: what a killed portal or job left.
    pub(in super::super) async fn abort_uploads(&self, before: jiff::Timestamp) -> Result<usize> {
        let (mut aborted, mut key, mut id) = (0, None, None);
        loop {
            let page = self
                .quick()
                .list_multipart_uploads()
                .bucket(self.bucket())
                .prefix(&self.0.prefix)
                .set_key_marker(key)
                .set_upload_id_marker(id)
                .send()
                .await
                .map_err(|error| self.failed("listing uploads", &error))?;
            for found in page.uploads() {
                let old = found
                    .initiated()
                    .is_none_or(|at| at.secs() < before.as_second());
                if let (true, Some(key), Some(id)) = (old, found.key(), found.upload_id()) {
                    abort(self, key, id).await;
                    aborted += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
        }
    }
}

/// A body in pieces of the size that is asked for.
struct Cut<S> {
    body: S,
    /// Of the last chunk, what belongs to the next piece.
    left: Bytes,
    size: u64,
    limit: u64,
    ended: bool,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Cut<S> {
    /// The next piece; it is shorter only at the body's end.
    async fn next(&mut self, want: usize) -> Result<Bytes> {
        let mut piece = BytesMut::new();
        loop {
            let take = self.left.split_to(self.left.len().min(want - piece.len()));
            piece.extend_from_slice(&take);
            if piece.len() == want || self.ended {
                return Ok(piece.freeze());
            }
            match self.body.next().await.transpose().map_err(Error::Body)? {
                None => self.ended = true,
                Some(chunk) => {
                    self.size += chunk.len() as u64;
                    if self.size > self.limit {
                        return Err(Error::TooLarge { limit: self.limit });
                    }
                    self.left = chunk;
                }
            }
        }
    }
}

/// An upload in parts. One that is dropped, because its caller went away, is aborted.
pub(super) struct Upload {
    s3: S3,
    place: String,
    id: Option<String>,
}

impl Upload {
    pub(super) async fn begin(s3: &S3, place: &str) -> Result<Self> {
        let begun = s3
            .quick()
            .create_multipart_upload()
            .bucket(s3.bucket())
            .key(place)
            .send()
            .await
            .map_err(|error| s3.failed("beginning an upload", &error))?;
        let id = begun.upload_id().map(str::to_owned);
        let id = id.ok_or_else(|| Error::Internal(anyhow::anyhow!("an upload has no id")))?;
        Ok(Self {
            s3: s3.clone(),
            place: place.to_owned(),
            id: Some(id),
        })
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    async fn parts<S>(&self, first: Bytes, cut: &mut Cut<S>) -> Result<Vec<CompletedPart>>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let mut flying = JoinSet::new();
        let mut done = Vec::new();
        let mut number = 0;
        let mut piece = first;
        while !piece.is_empty() {
            if flying.len() == FLYING {
                done.push(landed(flying.join_next().await)?);
            }
            number += 1;
            flying.spawn(self.part(number, piece));
            let doubled = usize::try_from(number).unwrap_or(0) / PARTS_OF_A_SIZE;
            piece = cut.next(self.s3.0.sizes.part << doubled).await?;
        }
        while !flying.is_empty() {
            done.push(landed(flying.join_next().await)?);
        }
        done.sort_by_key(CompletedPart::part_number);
        Ok(done)
    }

    fn part(
        &self,
        number: i32,
        bytes: Bytes,
    ) -> impl Future<Output = Result<CompletedPart>> + Send + use<> {
        let s3 = self.s3.clone();
        let request = s3
            .bulk()
            .upload_part()
            .bucket(s3.bucket())
            .key(&self.place)
            .upload_id(self.id())
            .part_number(number)
            .body(ByteStream::from(bytes));
        async move {
            let sent = request.send().await;
            let sent = sent.map_err(|error| s3.failed("writing a part", &error))?;
            Ok(completed(number, sent.e_tag()))
        }
    }

    /// Puts the parts together; the object's tag.
    pub(super) async fn complete(
        &mut self,
        parts: Vec<CompletedPart>,
        size: u64,
    ) -> Result<String> {
        let count = parts.len();
        let all = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let completed = self
            .s3
            .bulk()
            .complete_multipart_upload()
            .bucket(self.s3.bucket())
            .key(&self.place)
            .upload_id(self.id())
            .multipart_upload(all)
            .send()
            .await;
        let error = match completed {
            Ok(completed) => {
                self.id = None;
                return Ok(bare(completed.e_tag()));
            }
            Err(error) => self.s3.failed("putting parts together", &error),
        };
        // An answer that was lost: what stands there tells whether it was done.
        if let Ok(found) = self.s3.look(&self.place).await
            && found.size == size
            && found.etag.ends_with(&format!("-{count}"))
            && !self.is_there().await
        {
            self.id = None;
            return Ok(found.etag);
        }
        self.give_up().await;
        Err(error)
    }

    /// Whether the store still knows the upload.
    async fn is_there(&self) -> bool {
        let parts = self
            .s3
            .quick()
            .list_parts()
            .bucket(self.s3.bucket())
            .key(&self.place)
            .upload_id(self.id())
            .max_parts(1)
            .send()
            .await;
        !parts.is_err_and(|error| {
            matches!(
                super::said(&error),
                super::Said::NoUpload | super::Said::Missing
            )
        })
    }

    pub(super) async fn give_up(&mut self) {
        if let Some(id) = self.id.take() {
            abort(&self.s3, &self.place, &id).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (s3, place) = (self.s3.clone(), std::mem::take(&mut self.place));
            runtime.spawn(async move { abort(&s3, &place, &id).await });
        }
    }
}

async fn abort(s3: &S3, place: &str, id: &str) {
    let aborted = s3
        .quick()
        .abort_multipart_upload()
        .bucket(s3.bucket())
        .key(place)
        .upload_id(id)
        .send()
        .await;
    if let Err(error) = aborted
        && !matches!(
            super::said(&error),
            super::Said::NoUpload | super::Said::Missing
        )
    {
        let error = s3.failed("giving up an upload", &error);
        tracing::warn!(%error, "an upload stays behind until the janitor finds it");
    }
}

pub(super) fn completed(number: i32, etag: Option<&str>) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(etag.map(str::to_owned))
        .build()
}

fn landed(
    part: Option<Result<Result<CompletedPart>, tokio::task::JoinError>>,
) -> Result<CompletedPart> {
    match part {
        Some(Ok(part)) => part,
        Some(Err(error)) => Err(Error::Internal(error.into())),
        None => Err(Error::Internal(anyhow::anyhow!("a part is missing"))),
    }
}
