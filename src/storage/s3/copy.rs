//! Copies inside the store; no byte passes through the portal.
use super::{
    super::{Error, ObjectInfo, Result, keys::Key},
    S3,
    upload::{Upload, completed},
};
use aws_sdk_s3::types::CompletedPart;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Parts of one copy under way at once.
const FLYING: usize = 4;
/// The largest object that is copied by one request.
const LARGEST: u64 = 5 << 30;
/// The most parts that S3 takes for one object.
const MOST_PARTS: u64 = 10_000;

/// What stands in the header that names the source as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl S3 {
    pub(in super::super) async fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo> {
        let source = self.head(from).await?;
        if from == to {
            return Ok(source);
        }
        self.must_be_free(to).await?;
        // Ceph 18 decodes the source's name twice where parts are copied: it takes another object, or falls over.
        let in_parts = source.size > self.0.sizes.copy && !from.as_str().contains('%');
        if !in_parts && source.size > LARGEST {
            let object = self.get(from, None).await?;
            return self.put(to, object.body, None).await;
        }
        let (from, to) = (self.place(from.as_str()), self.place(to.as_str()));
        if in_parts {
            self.copy_parts(&from, &to, &source).await?;
        } else {
            self.bulk()
                .copy_object()
                .copy_source(self.source(&from))
                .bucket(self.bucket())
                .key(&to)
                .send()
                .await
                .map_err(|error| self.failed("copying", &error))?;
        }
        self.look(&to).await
    }

    /// A copy, then a delete: S3 has no other. What somebody puts under the old key between its last look and the delete
    /// is lost, which is a moment; what came before it stays.
    pub(in super::super) async fn rename(&self, from: &Key, to: &Key) -> Result<()> {
        let before = self.head(from).await?;
        if from == to {
            return Ok(());
        }
        self.copy(from, to).await?;
        match self.head(from).await {
            Ok(now) if now == before => self.delete(from).await,
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn copy_parts(&self, from: &str, to: &str, source: &ObjectInfo) -> Result<()> {
        let mut upload = Upload::begin(self, to).await?;
        let size = self.0.sizes.copy.max(source.size.div_ceil(MOST_PARTS));
        let copies = (0..source.size.div_ceil(size)).map(|n| {
            let range = n * size..((n + 1) * size).min(source.size);
            self.copy_part(upload.id(), from, to, n, range, source)
                .boxed()
        });
        let copies: Vec<_> = copies.collect();
        let parts: Result<Vec<CompletedPart>> =
            stream::iter(copies).buffered(FLYING).try_collect().await;
        // Ceph copies a part whether it matches or not.
        let same = match self.look(from).await {
            Ok(now) if now == *source => Ok(()),
            Ok(_) => Err(Error::Conflict(
                "the object changed while it was copied".into(),
            )),
            Err(error) => Err(error),
        };
        match same.and(parts) {
            Ok(parts) => upload.complete(parts, source.size).await.map(drop),
            Err(error) => {
                upload.give_up().await;
                Err(error)
            }
        }
    }

    async fn copy_part(
        &self,
        upload: &str,
        from: &str,
        to: &str,
        n: u64,
        range: std::ops::Range<u64>,
        source: &ObjectInfo,
    ) -> Result<CompletedPart> {
        let number = i32::try_from(n + 1).map_err(|error| Error::Internal(error.into()))?;
        let copied = self
            .bulk()
            .upload_part_copy()
            .copy_source(self.source(from))
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            // All parts are of the same object, or there is no copy.
            .copy_source_if_match(format!("\"{}\"", source.etag))
            .bucket(self.bucket())
            .key(to)
            .upload_id(upload)
            .part_number(number)
            .customize()
            // Ceph wants it said that there is no body, and not every client says so of itself.
            .mutate_request(|request| {
                request.headers_mut().insert("content-length", "0");
            })
            .send()
            .await
            .map_err(|error| self.failed("copying a part", &error))?;
        let etag = copied.copy_part_result().and_then(|part| part.e_tag());
        Ok(completed(number, etag))
    }

    fn source(&self, place: &str) -> String {
        format!("{}/{}", self.bucket(), utf8_percent_encode(place, PLAIN))
    }
}
