//! Keeping a log: part by part while it grows, one archive at the end. The background's alone.
use super::{Error, Portal, Result, range};
use crate::{
    domain::{access::Permitted, ids::ProjectId},
    storage::{self, keys},
    store::{Lease, LogPart, LogStream},
};
use bytes::Bytes;

/// Keeps more of a stream; the row's cursor is that of the end of these bytes.
pub async fn keep(
    portal: &Portal,
    lease: &Lease,
    row: &LogStream,
    bytes: Bytes,
    project: ProjectId,
) -> Result<()> {
    let permit = Permitted::by_system(row.job, "the log archiver");
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let key = keys::log_part(project, row.job, row.attempt, &row.stream, row.size, &nonce);
    let part = LogPart {
        start: row.size,
        length: bytes.len() as u64,
        key: key.to_string(),
    };
    portal.storage.put_bytes(&key, bytes).await?;
    let mut tx = portal.store.begin_under(lease).await?;
    let cursor = row.cursor.as_deref();
    let now = portal.clock.now();
    tx.add_log_part(&permit, row.attempt, &row.stream, &part, cursor, now)
        .await?;
    Ok(tx.commit().await?)
}

/// Merges a complete stream's parts into one archive, and then deletes them.
pub async fn merge(
    portal: &Portal,
    lease: &Lease,
    row: &LogStream,
    project: ProjectId,
) -> Result<()> {
    if row.archive_key.is_none() {
        archive(portal, lease, row, project).await?;
    }
    let parts = keys::log_parts_prefix(project, row.job, row.attempt, &row.stream);
    while portal.storage.delete_some(&parts, 500).await? > 0 {}
    let permit = Permitted::by_system(row.job, "the log archiver");
    let mut tx = portal.store.begin_under(lease).await?;
    tx.log_parts_gone(&permit, row.attempt, &row.stream).await?;
    Ok(tx.commit().await?)
}

async fn archive(
    portal: &Portal,
    lease: &Lease,
    row: &LogStream,
    project: ProjectId,
) -> Result<()> {
    let permit = Permitted::by_system(row.job, "the log archiver");
    let archive = keys::log_archive(project, row.job, row.attempt, &row.stream);
    let index = keys::log_index(project, row.job, row.attempt, &row.stream);
    let plain = range(
        portal,
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
