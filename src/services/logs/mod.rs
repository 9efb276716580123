//! Logs: one stream of bytes by offset, wherever its parts lie. What was shown can be read again.
mod keep;
mod search;

pub use keep::{keep, merge};
pub use search::{Found, Hit, Searches, search};

use super::{Error, OpenJob, Portal, Result};
use crate::{
    domain::{ids::JobId, names::StreamName},
    storage::{self, archive::Reader, keys::Key},
    store::LogStream,
};
use bytes::Bytes;
use futures::Stream;
use std::{io, time::Duration};

/// The most that one read returns.
pub const PIECE: usize = 256 << 10;

/// The streams of one attempt.
pub async fn streams(portal: &Portal, open: &OpenJob, attempt: u32) -> Result<Vec<LogStream>> {
    portal
        .store
        .find_attempt(open.job().id, attempt)
        .await?
        .ok_or(Error::NotFound("attempt"))?;
    Ok(portal
        .store
        .list_log_streams(open.job().id, attempt)
        .await?)
}

/// One stream's row.
pub async fn find(
    portal: &Portal,
    open: &OpenJob,
    attempt: u32,
    stream: &StreamName,
) -> Result<LogStream> {
    portal
        .store
        .find_log_stream(open.job().id, attempt, stream)
        .await?
        .ok_or(Error::NotFound("log"))
}

/// Bytes from an offset: at most `max`, fewer at a part's end, none at the stream's end as it is now. Whoever reads on takes
/// [`Pieces`].
pub async fn bytes(
    portal: &Portal,
    job: JobId,
    attempt: u32,
    stream: &StreamName,
    from: u64,
    max: usize,
) -> Result<Bytes> {
    let mut pieces = Pieces::new(portal, job, attempt, stream.clone());
    pieces.read(from, max).await
}

/// One stream, read piece by piece. A sealed log's index is read once and serves all of them.
pub struct Pieces {
    portal: Portal,
    job: JobId,
    attempt: u32,
    stream: StreamName,
    sealed: Option<Reader>,
}

impl Pieces {
    pub fn new(portal: &Portal, job: JobId, attempt: u32, stream: StreamName) -> Self {
        Self {
            portal: portal.clone(),
            job,
            attempt,
            stream,
            sealed: None,
        }
    }

    pub fn of(portal: &Portal, row: &LogStream) -> Self {
        Self::new(portal, row.job, row.attempt, row.stream.clone())
    }

    /// As [`bytes()`].
    pub async fn read(&mut self, from: u64, max: usize) -> Result<Bytes> {
        // Between the row and the object a merge may have replaced parts by the archive; the second look sees that.
        for _ in 0..3 {
            match self.read_once(from, max).await {
                Err(Error::NotFound("part")) => self.sealed = None,
                other => return other,
            }
        }
        Err(Error::Unavailable(vec!["storage".into()]))
    }

    async fn read_once(&mut self, from: u64, max: usize) -> Result<Bytes> {
        let missing = |error: storage::Error| match error {
            storage::Error::NotFound => Error::NotFound("part"),
            other => other.into(),
        };
        if let Some(reader) = &self.sealed {
            return reader.read(from, max).await.map_err(missing);
        }
        let (store, storage) = (&self.portal.store, &self.portal.storage);
        let (job, attempt, stream) = (self.job, self.attempt, &self.stream);
        let Some(row) = store.find_log_stream(job, attempt, stream).await? else {
            return Err(Error::NotFound("log"));
        };
        if from >= row.size {
            return Ok(Bytes::new());
        }
        if let (Some(archive), Some(index)) = (&row.archive_key, &row.index_key) {
            let reader = Reader::open(storage, &key(archive)?, &key(index)?).await;
            let reader = self.sealed.insert(reader.map_err(missing)?);
            return reader.read(from, max).await.map_err(missing);
        }
        let parts = store.list_log_parts(job, attempt, stream, from, 1).await?;
        let Some(part) = parts.first() else {
            return Err(Error::NotFound("part"));
        };
        storage
            .read(&key(&part.key)?, from - part.start, max)
            .await
            .map_err(missing)
    }
}

fn key(text: &str) -> Result<Key> {
    Key::parse(text).map_err(|why| Error::Internal(anyhow::anyhow!("a log's key: {why}")))
}

/// The bytes of a range, read piece by piece.
pub fn range(
    portal: &Portal,
    job: JobId,
    attempt: u32,
    stream: StreamName,
    range: std::ops::Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let pieces = Pieces::new(portal, job, attempt, stream);
    futures::stream::try_unfold((pieces, range.start), move |(mut pieces, at)| async move {
        let Some(left) = range.end.checked_sub(at).filter(|left| *left > 0) else {
            return Ok(None);
        };
        let max = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = pieces.read(at, max).await.map_err(io::Error::other)?;
        let next = at + piece.len() as u64;
        Ok((!piece.is_empty()).then_some((piece, (pieces, next))))
    })
}

/// All bytes of a range, or as many as there are; for ranges that a page shows.
pub async fn read(
    portal: &Portal,
    row: &LogStream,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut at = range.start;
    let mut pieces = Pieces::of(portal, row);
    while at < range.end {
        let max = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
        let piece = pieces.read(at, max).await?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Where the last `lines` lines begin; reads backwards and stops at 4 MiB.
pub async fn tail_offset(portal: &Portal, row: &LogStream, lines: u32) -> Result<u64> {
    const STEP: u64 = 64 << 10;
    const MOST: u64 = 4 << 20;
    let mut end = row.size;
    let mut left = lines;
    while end > 0 && row.size - end < MOST {
        let start = end.saturating_sub(STEP);
        let block = read(portal, row, start..end).await?;
        for (at, byte) in block.iter().enumerate().rev() {
            let offset = start + at as u64;
            if *byte == b'\n' && offset + 1 < row.size {
                left -= 1;
                if left == 0 {
                    return Ok(offset + 1);
                }
            }
        }
        end = start;
    }
    Ok(end)
}

/// Marks that somebody reads along, so that parts come often.
pub async fn follow(portal: &Portal, row: &LogStream) -> Result<()> {
    let until = portal
        .clock
        .now()
        .checked_add(Duration::from_secs(30))
        .unwrap_or(row.kept_at);
    if row.complete
        || row.followed_until
            > portal
                .clock
                .now()
                .checked_add(Duration::from_secs(15))
                .unwrap_or(until)
    {
        return Ok(());
    }
    let mut tx = portal.store.begin().await?;
    tx.follow_log_stream(row.job, row.attempt, &row.stream, until)
        .await?;
    Ok(tx.commit().await?)
}
