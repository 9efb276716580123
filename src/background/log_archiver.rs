//! A container's only reader: keeps what it prints, part by part, while it runs.
//! Pages read rows and parts, so everybody sees the same bytes.
use super::Worker;
use crate::{
    cluster::{self, Cluster, LogPosition, Object},
    domain::{
        access::Permitted,
        ids::ProjectId,
        job::{Attempt, AttemptPhase},
        names::StreamName,
    },
    services::{self, Portal, attempts, logs},
    store::{Lease, LogStream},
};
use bytes::Bytes;
use std::time::{Duration, Instant};

pub struct LogArchiver(pub Portal);

/// Pieces of one stream that one round keeps.
const PIECES: usize = 16;
/// How long a tick goes round while there is more; well within the lease.
const TICK: Duration = Duration::from_secs(5);

/// Whether more could be kept at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    More,
}

impl Worker for LogArchiver {
    const NAME: &'static str = "log_archiver";
    const PERIOD: Duration = Duration::from_millis(700);

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.round(lease).await? == Left::More && begun.elapsed() < TICK {}
        Ok(())
    }
}

impl LogArchiver {
    /// Keeps some pieces of each stream, so that one that is written fast does not hold up the others.
    pub async fn round(&self, lease: &Lease) -> anyhow::Result<Left> {
        let portal = &self.0;
        let mut left = Left::Nothing;
        for cluster in portal.clusters.iter() {
            for attempt in portal.store.list_live_attempts(cluster.name()).await? {
                if attempt.seen_at.is_none() && attempt.phase != AttemptPhase::Ending {
                    continue;
                }
                match keep(portal, lease, cluster, &attempt).await {
                    Ok(Left::Nothing) => {}
                    Ok(Left::More) => left = Left::More,
                    Err(error) => not_kept(portal, lease, &attempt, &error).await,
                }
            }
        }
        Ok(left)
    }
}

/// The job's page says why it has not ended yet; the next tick tries again.
async fn not_kept(portal: &Portal, lease: &Lease, attempt: &Attempt, error: &services::Error) {
    tracing::warn!(job = %attempt.job, attempt = attempt.number, ?error, "a log was not kept");
    if let Ok(Some(place)) = portal.store.find_job(attempt.job).await
        && let Err(error) = attempts::log_not_kept(portal, lease, &place.job, error).await
    {
        tracing::debug!(?error, "nor could that be written down");
    }
}

async fn keep(
    portal: &Portal,
    lease: &Lease,
    cluster: &Cluster,
    attempt: &Attempt,
) -> services::Result<Left> {
    let Some(place) = portal.store.find_job(attempt.job).await? else {
        return Ok(Left::Nothing);
    };
    let object = Object::of(attempt);
    let mut names = cluster.streams(&object).await.map_err(unavailable)?;
    let ending = attempt.phase == AttemptPhase::Ending;
    if ending && names.is_empty() {
        names.extend(super::monitor::least_streams());
    }
    let (job, number) = (attempt.job, attempt.number);
    let mut known = portal.store.list_log_streams(job, number).await?;
    if open(portal, lease, attempt, &known, &names).await? {
        known = portal.store.list_log_streams(job, number).await?;
    }
    let mut left = Left::Nothing;
    for row in known {
        // At the end also those whose container is gone already: it is told that nothing follows.
        let is_read = !row.complete && (ending || names.contains(&row.stream));
        if is_read
            && keep_stream(portal, lease, cluster, attempt, row, place.job.project).await?
                == Left::More
        {
            left = Left::More;
        }
    }
    attempts::log_kept(portal, lease, &place.job).await?;
    Ok(left)
}

/// Opens the streams that have no row yet, all before one of them is complete: an attempt ends when all its rows are.
async fn open(
    portal: &Portal,
    lease: &Lease,
    attempt: &Attempt,
    known: &[LogStream],
    names: &[StreamName],
) -> services::Result<bool> {
    let is_new = |name: &&StreamName| known.iter().all(|row| row.stream != **name);
    let mut new = names.iter().filter(is_new).peekable();
    if new.peek().is_none() {
        return Ok(false);
    }
    let permit = Permitted::by_system(attempt.job, "the log archiver");
    let mut tx = portal.store.begin_under(lease).await?;
    for name in new {
        tx.open_log_stream(&permit, attempt.number, name, portal.clock.now())
            .await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn keep_stream(
    portal: &Portal,
    lease: &Lease,
    cluster: &Cluster,
    attempt: &Attempt,
    mut row: LogStream,
    project: ProjectId,
) -> services::Result<Left> {
    let ending = attempt.phase == AttemptPhase::Ending;
    let limit = portal.config.work.log_limit;
    for _ in 0..PIECES {
        if row.size > limit {
            // The mark below made it longer than the limit: the rest is not kept.
            if ending {
                complete(portal, lease, &row).await?;
            }
            return Ok(Left::Nothing);
        }
        let room = usize::try_from(limit - row.size).unwrap_or(usize::MAX);
        // At the limit one byte tells that there is more.
        let most = room.clamp(1, logs::PIECE);
        let from = LogPosition {
            offset: row.size,
            cursor: row.cursor.clone(),
        };
        let piece = cluster
            .read_log(&Object::of(attempt), &row.stream, &from, most)
            .await
            .map_err(unavailable)?;
        let (mut bytes, full) = (piece.bytes, room == 0);
        let whole = bytes.len() >= most;
        if full && !bytes.is_empty() {
            let mark = format!(
                "\ntourmaline: this log is longer than {limit} bytes; the rest was not kept\n"
            );
            bytes = Bytes::from(mark);
        }
        if !bytes.is_empty() && (whole || piece.end || ending || is_due(portal, &row)) {
            let length = bytes.len() as u64;
            row.cursor = piece.cursor;
            logs::keep(portal, lease, &row, bytes, project).await?;
            row.size += length;
            row.kept_at = portal.clock.now();
            continue;
        }
        if piece.end && ending && bytes.is_empty() {
            complete(portal, lease, &row).await?;
        }
        return Ok(Left::Nothing);
    }
    Ok(Left::More)
}

/// Every two seconds while somebody reads along, else less often; the first part at once.
fn is_due(portal: &Portal, row: &LogStream) -> bool {
    let now = portal.clock.now();
    let every = if row.followed_until > now {
        2
    } else {
        portal.config.work.log_part_seconds
    };
    let age = now.as_millisecond() - row.kept_at.as_millisecond();
    // A part from the future: the clock was set back, by who knows how much.
    row.size == 0 || age < 0 || age + 300 >= i64::try_from(every * 1000).unwrap_or(i64::MAX)
}

async fn complete(portal: &Portal, lease: &Lease, row: &LogStream) -> services::Result<()> {
    let permit = Permitted::by_system(row.job, "the log archiver");
    let mut tx = portal.store.begin_under(lease).await?;
    tx.complete_log_stream(&permit, row.attempt, &row.stream, row.size)
        .await?;
    Ok(tx.commit().await?)
}

fn unavailable(error: cluster::Error) -> services::Error {
    services::Error::Internal(error.into())
}
