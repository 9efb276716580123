//! Where the bytes of each log stream lie: parts while it grows, one archive at the end. Lengths change by compare-and-set.
use super::{Column, Error, Result, Store, Tx, micros, on, signed, within};
use crate::domain::{access::Permitted, event::Change, ids::JobId, names::StreamName};
use jiff::Timestamp;

/// One container's log of one attempt.
#[derive(Debug, Clone)]
pub struct LogStream {
    pub job: JobId,
    pub attempt: u32,
    pub stream: StreamName,
    /// Bytes kept.
    pub size: u64,
    /// What the cluster said of the place up to which they were read.
    pub cursor: Option<String>,
    /// When the latest part was kept, or the stream opened.
    pub kept_at: Timestamp,
    /// Somebody reads along until then.
    pub followed_until: Timestamp,
    /// Nothing will be added.
    pub complete: bool,
    pub sha256: Option<String>,
    pub archive_key: Option<String>,
    pub index_key: Option<String>,
    /// The archive is read, and the objects of the parts still lie in the store.
    pub parts_left: bool,
}

/// A stored run of bytes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    pub start: u64,
    pub length: u64,
    pub key: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    job_id: String,
    attempt: i64,
    stream: String,
    size: i64,
    cursor: Option<String>,
    kept_at: i64,
    followed_until: i64,
    complete: bool,
    sha256: Option<String>,
    archive_key: Option<String>,
    index_key: Option<String>,
    parts_left: bool,
}

const COLUMNS: &str = "job_id, attempt, stream, size, cursor, kept_at, followed_until, complete, sha256, archive_key, index_key, parts_left";

impl TryFrom<Row> for LogStream {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = format!("{}/{}/{}", row.job_id, row.attempt, row.stream);
        let column = Column {
            table: "log_streams",
            id: &id,
        };
        Ok(Self {
            job: column.parse("job_id", &row.job_id)?,
            attempt: column.count("attempt", row.attempt)?,
            stream: column.name("stream", row.stream)?,
            size: column.count("size", row.size)?,
            cursor: row.cursor,
            kept_at: column.time("kept_at", row.kept_at)?,
            followed_until: column.time("followed_until", row.followed_until)?,
            complete: row.complete,
            sha256: row.sha256,
            archive_key: row.archive_key,
            index_key: row.index_key,
            parts_left: row.parts_left,
        })
    }
}

impl Store {
    pub async fn list_log_streams(&self, job: JobId, attempt: u32) -> Result<Vec<LogStream>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM log_streams WHERE job_id = $1 AND attempt = $2 ORDER BY stream LIMIT 2000"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(job.to_string())
                .bind(i64::from(attempt))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(LogStream::try_from).collect()
    }

    pub async fn find_log_stream(
        &self,
        job: JobId,
        attempt: u32,
        stream: &StreamName,
    ) -> Result<Option<LogStream>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM log_streams WHERE job_id = $1 AND attempt = $2 AND stream = $3"
        );
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(job.to_string())
                .bind(i64::from(attempt))
                .bind(stream.as_str())
                .fetch_optional(db)
                .await
        })?;
        row.map(LogStream::try_from).transpose()
    }

    /// Streams that are complete and not yet merged into an archive, or not to the end; none of a job that is being deleted.
    pub async fn list_unmerged_streams(&self, limit: u32) -> Result<Vec<LogStream>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM log_streams WHERE (archive_key IS NULL OR parts_left) AND complete \
             AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = job_id AND j.deleting_at IS NOT NULL) LIMIT $1"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(LogStream::try_from).collect()
    }

    /// The parts that hold bytes at or after an offset, in order.
    pub async fn list_log_parts(
        &self,
        job: JobId,
        attempt: u32,
        stream: &StreamName,
        from: u64,
        limit: u32,
    ) -> Result<Vec<LogPart>> {
        let rows: Vec<(i64, i64, String)> = on!(self, |db| {
            sqlx::query_as(
                "SELECT start, length, key FROM log_parts WHERE job_id = $1 AND attempt = $2 AND stream = $3 \
                 AND start >= (SELECT COALESCE(MAX(start), 0) FROM log_parts \
                               WHERE job_id = $1 AND attempt = $2 AND stream = $3 AND start <= $4) \
                 ORDER BY start LIMIT $5",
            )
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(signed(from))
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?;
        Ok(rows
            .into_iter()
            .map(|(start, length, key)| LogPart {
                start: start.unsigned_abs(),
                length: length.unsigned_abs(),
                key,
            })
            .filter(|part| part.start + part.length > from)
            .collect())
    }
}

impl Tx {
    /// Opens a stream; again is no error.
    pub async fn open_log_stream(
        &mut self,
        job: &Permitted<JobId>,
        attempt: u32,
        stream: &StreamName,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO log_streams (job_id, attempt, stream, size, kept_at, followed_until, complete, parts_left) \
                 VALUES ($1, $2, $3, 0, $4, 0, FALSE, FALSE) ON CONFLICT (job_id, attempt, stream) DO NOTHING",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// Adds a part at the end; `Stale` where the stream is not as long as the part believes.
    pub async fn add_log_part(
        &mut self,
        job: &Permitted<JobId>,
        attempt: u32,
        stream: &StreamName,
        part: &LogPart,
        cursor: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE log_streams SET size = $5, kept_at = $6, cursor = $7 \
                 WHERE job_id = $1 AND attempt = $2 AND stream = $3 AND size = $4 AND NOT complete",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(signed(part.start))
            .bind(signed(part.start + part.length))
            .bind(micros(now))
            .bind(cursor)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            return Err(Error::Stale("the log"));
        }
        within!(self, |db| {
            sqlx::query("INSERT INTO log_parts (job_id, attempt, stream, start, length, key) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(job.scope().to_string())
                .bind(i64::from(attempt))
                .bind(stream.as_str())
                .bind(signed(part.start))
                .bind(signed(part.length))
                .bind(&part.key)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        self.touch(Change::Log(*job.scope()));
        Ok(())
    }

    /// Nothing will be added; `Stale` where the stream is longer than `size`.
    pub async fn complete_log_stream(
        &mut self,
        job: &Permitted<JobId>,
        attempt: u32,
        stream: &StreamName,
        size: u64,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE log_streams SET complete = TRUE WHERE job_id = $1 AND attempt = $2 AND stream = $3 AND size = $4",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(signed(size))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            return Err(Error::Stale("the log"));
        }
        self.touch(Change::Log(*job.scope()));
        Ok(())
    }

    /// From now on the archive is read; the rows of the parts go, their objects are the caller's to delete after the commit
    /// and then to be told to [`Tx::log_parts_gone`].
    pub async fn set_log_archive(
        &mut self,
        job: &Permitted<JobId>,
        attempt: u32,
        stream: &StreamName,
        archive_key: &str,
        index_key: &str,
        sha256: &str,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE log_streams SET archive_key = $4, index_key = $5, sha256 = $6, parts_left = TRUE \
                 WHERE job_id = $1 AND attempt = $2 AND stream = $3 AND complete AND archive_key IS NULL",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(archive_key)
            .bind(index_key)
            .bind(sha256)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            return Err(Error::Stale("the log"));
        }
        within!(self, |db| {
            sqlx::query("DELETE FROM log_parts WHERE job_id = $1 AND attempt = $2 AND stream = $3")
                .bind(job.scope().to_string())
                .bind(i64::from(attempt))
                .bind(stream.as_str())
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// The objects of a merged stream's parts are deleted.
    pub async fn log_parts_gone(
        &mut self,
        job: &Permitted<JobId>,
        attempt: u32,
        stream: &StreamName,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE log_streams SET parts_left = FALSE WHERE job_id = $1 AND attempt = $2 AND stream = $3")
                .bind(job.scope().to_string())
                .bind(i64::from(attempt))
                .bind(stream.as_str())
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Somebody reads along; parts are kept more often until then.
    pub async fn follow_log_stream(
        &mut self,
        job: JobId,
        attempt: u32,
        stream: &StreamName,
        until: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE log_streams SET followed_until = $4 \
                 WHERE job_id = $1 AND attempt = $2 AND stream = $3 AND followed_until < $4",
            )
            .bind(job.to_string())
            .bind(i64::from(attempt))
            .bind(stream.as_str())
            .bind(micros(until))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }
}
