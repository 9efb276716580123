//! Logs: one stream of bytes by offset, wherever its parts lie. What was shown can be read again.
use super::{Error, OpenJob, Portal, Result};
use crate::{
    domain::{ids::JobId, names::StreamName},
    storage::{
        self,
        archive::Reader,
        keys::{self, Key},
    },
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

/// Bytes from an offset: at most `max`, fewer at a part's end, none at the stream's end as it is now.
pub async fn bytes(
    portal: &Portal,
    job: JobId,
    attempt: u32,
    stream: &StreamName,
    from: u64,
    max: usize,
) -> Result<Bytes> {
    // Between the row and the object a merge may have replaced parts by the archive; the second look sees that.
    for _ in 0..3 {
        match bytes_once(portal, job, attempt, stream, from, max).await {
            Err(Error::NotFound("part")) => {}
            other => return other,
        }
    }
    Err(Error::Unavailable(vec!["storage".into()]))
}

async fn bytes_once(
    portal: &Portal,
    job: JobId,
    attempt: u32,
    stream: &StreamName,
    from: u64,
    max: usize,
) -> Result<Bytes> {
    let Some(row) = portal.store.find_log_stream(job, attempt, stream).await? else {
        return Err(Error::NotFound("log"));
    };
    if from >= row.size {
        return Ok(Bytes::new());
    }
    let missing = |error: storage::Error| match error {
        storage::Error::NotFound => Error::NotFound("part"),
        other => other.into(),
    };
    if let (Some(archive), Some(index)) = (&row.archive_key, &row.index_key) {
        let reader = Reader::open(&portal.storage, &key(archive)?, &key(index)?)
            .await
            .map_err(missing)?;
        return reader.read(from, max).await.map_err(missing);
    }
    let parts = portal
        .store
        .list_log_parts(job, attempt, stream, from, 1)
        .await?;
    let Some(part) = parts.first() else {
        return Err(Error::NotFound("part"));
    };
    portal
        .storage
        .read(&key(&part.key)?, from - part.start, max)
        .await
        .map_err(missing)
}

fn key(text: &str) -> Result<Key> {
    Key::parse(text).map_err(|why| Error::Internal(anyhow::anyhow!("a log's key: {why}")))
}

/// The bytes of a range, read piece by piece.
pub fn range(
    portal: Portal,
    job: JobId,
    attempt: u32,
    stream: StreamName,
    range: std::ops::Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    futures::stream::try_unfold(range.start, move |at| {
        let (portal, stream, end) = (portal.clone(), stream.clone(), range.end);
        async move {
            if at >= end {
                return Ok(None);
            }
            let max = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let piece = bytes(&portal, job, attempt, &stream, at, max)
                .await
                .map_err(io::Error::other)?;
            if piece.is_empty() {
                return Ok(None);
            }
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
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
    while at < range.end {
        let max = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
        let piece = bytes(portal, row.job, row.attempt, &row.stream, at, max).await?;
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

/// A line that matched.
pub struct Hit {
    /// Of the line's first byte.
    pub offset: u64,
    pub line: String,
}

/// What a search found and where it stopped.
pub struct Found {
    pub hits: Vec<Hit>,
    /// Search on from here; none where the stream's end was reached.
    pub next: Option<u64>,
}

/// Finds lines from an offset on: at most `most`, for at most 5 s, holding one piece at a time. Lines over 64 KiB are cut.
pub async fn search(
    portal: &Portal,
    row: &LogStream,
    pattern: &str,
    regex: bool,
    from: u64,
    most: usize,
) -> Result<Found> {
    let text = if regex {
        pattern.to_owned()
    } else {
        regex::escape(pattern)
    };
    let matcher = regex::bytes::RegexBuilder::new(&text)
        .size_limit(1 << 20)
        .case_insensitive(!regex)
        .build()
        .map_err(|why| {
            Error::field(
                "/q",
                format!("This is not a regular expression: {why}"),
                Some(pattern),
            )
        })?;
    let started = tokio::time::Instant::now();
    let (mut at, mut line, mut line_start) = (from, Vec::new(), from);
    let mut hits = Vec::new();
    while at < row.size {
        if started.elapsed() > Duration::from_secs(5) {
            return Ok(Found {
                hits,
                next: Some(line_start),
            });
        }
        let piece = bytes(portal, row.job, row.attempt, &row.stream, at, PIECE).await?;
        if piece.is_empty() {
            break;
        }
        for part in piece.split_inclusive(|b| *b == b'\n') {
            if line.len() < 64 << 10 {
                line.extend_from_slice(part);
            }
            at += part.len() as u64;
            if part.ends_with(b"\n") {
                keep_if_matching(&matcher, &mut line, line_start, &mut hits);
                line_start = at;
                if hits.len() >= most && at < row.size {
                    return Ok(Found {
                        hits,
                        next: Some(line_start),
                    });
                }
            }
        }
    }
    keep_if_matching(&matcher, &mut line, line_start, &mut hits);
    Ok(Found { hits, next: None })
}

fn keep_if_matching(
    matcher: &regex::bytes::Regex,
    line: &mut Vec<u8>,
    offset: u64,
    hits: &mut Vec<Hit>,
) {
    while line.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
        line.pop();
    }
    if !line.is_empty() && matcher.is_match(line) {
        hits.push(Hit {
            offset,
            line: String::from_utf8_lossy(line).chars().take(2000).collect(),
        });
    }
    line.clear();
}

/// Keeps more of a stream; the archiver's alone.
pub async fn keep(
    portal: &Portal,
    lease: &crate::store::Lease,
    row: &LogStream,
    bytes: Bytes,
    project: crate::domain::ids::ProjectId,
) -> Result<()> {
    let permit = crate::domain::access::Permitted::by_system(row.job, "the log archiver");
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let key = keys::log_part(project, row.job, row.attempt, &row.stream, row.size, &nonce);
    let part = crate::store::LogPart {
        start: row.size,
        length: bytes.len() as u64,
        key: key.to_string(),
    };
    portal.storage.put_bytes(&key, bytes).await?;
    let mut tx = portal.store.begin_under(lease).await?;
    tx.add_log_part(&permit, row.attempt, &row.stream, &part, portal.clock.now())
        .await?;
    Ok(tx.commit().await?)
}

/// Merges a complete stream's parts into one archive, and then deletes them.
pub async fn merge(
    portal: &Portal,
    lease: &crate::store::Lease,
    row: &LogStream,
    project: crate::domain::ids::ProjectId,
) -> Result<()> {
    if row.archive_key.is_none() {
        archive(portal, lease, row, project).await?;
    }
    let parts = keys::log_parts_prefix(project, row.job, row.attempt, &row.stream);
    while portal.storage.delete_some(&parts, 500).await? > 0 {}
    let permit = crate::domain::access::Permitted::by_system(row.job, "the log archiver");
    let mut tx = portal.store.begin_under(lease).await?;
    tx.log_parts_gone(&permit, row.attempt, &row.stream).await?;
    Ok(tx.commit().await?)
}

async fn archive(
    portal: &Portal,
    lease: &crate::store::Lease,
    row: &LogStream,
    project: crate::domain::ids::ProjectId,
) -> Result<()> {
    let permit = crate::domain::access::Permitted::by_system(row.job, "the log archiver");
    let archive = keys::log_archive(project, row.job, row.attempt, &row.stream);
    let index = keys::log_index(project, row.job, row.attempt, &row.stream);
    let plain = range(
        portal.clone(),
        row.job,
        row.attempt,
        row.stream.clone(),
        0..row.size,
    );
    let written =
        storage::archive::write(&portal.storage, &archive, &index, Box::pin(plain)).await?;
    if written.size != row.size {
        return Err(Error::Internal(anyhow::anyhow!(
            "an archive has {} bytes, its log {}",
            written.size,
            row.size
        )));
    }
    let mut tx = portal.store.begin_under(lease).await?;
    tx.set_log_archive(
        &permit,
        row.attempt,
        &row.stream,
        archive.as_str(),
        index.as_str(),
        &written.sha256,
    )
    .await?;
    Ok(tx.commit().await?)
}
