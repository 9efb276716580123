//! Events of jobs. An id is its job's own counter, taken under the job row's lock: none becomes visible late.
use super::{Column, Error, Result, Store, Tx, micros, on, within};
use crate::domain::{
    event::{Change, Event, EventKind},
    ids::JobId,
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    job_id: String,
    id: i64,
    at: i64,
    kind: String,
    text: String,
    actor: Option<String>,
    attempt: Option<i64>,
}

impl TryFrom<Row> for Event {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = format!("{}/{}", row.job_id, row.id);
        let column = Column {
            table: "events",
            id: &id,
        };
        Ok(Self {
            job: column.parse("job_id", &row.job_id)?,
            id: row.id,
            at: column.time("at", row.at)?,
            kind: column.parse("kind", &row.kind)?,
            text: row.text,
            actor: row.actor,
            attempt: row
                .attempt
                .map(|n| column.count("attempt", n))
                .transpose()?,
        })
    }
}

impl Store {
    /// A job's events after an id, in order.
    pub async fn list_events(&self, job: JobId, after: i64, limit: u32) -> Result<Vec<Event>> {
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(
                "SELECT job_id, id, at, kind, text, actor, attempt FROM events WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            )
            .bind(job.to_string())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(Event::try_from).collect()
    }
}

impl Tx {
    /// Adds an event and tells listeners once this commits; its id is returned.
    pub async fn add_event(
        &mut self,
        job: JobId,
        kind: EventKind,
        text: &str,
        actor: Option<&str>,
        attempt: Option<u32>,
        now: Timestamp,
    ) -> Result<i64> {
        let row: Option<(i64, String)> = within!(self, |db| {
            sqlx::query_as("UPDATE jobs SET last_event = last_event + 1 WHERE id = $1 RETURNING last_event, project_id")
                .bind(job.to_string())
                .fetch_optional(db)
                .await
        })?;
        let (id, project) = row.ok_or(Error::Stale("the job"))?;
        within!(self, |db| {
            sqlx::query("INSERT INTO events (job_id, id, at, kind, text, actor, attempt) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind(job.to_string())
                .bind(id)
                .bind(micros(now))
                .bind(kind.as_str())
                .bind(text)
                .bind(actor)
                .bind(attempt.map(i64::from))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        let project = Column {
            table: "jobs",
            id: &project,
        }
        .parse("project_id", &project)?;
        self.touch(Change::Job(project, job));
        Ok(id)
    }
}
