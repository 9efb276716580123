//! Jobs: accepted once, moved from phase to phase by compare-and-set, listed newest first.
mod insert;
mod list;

pub use insert::Acceptance;
pub use list::JobFilter;

use super::{Column, Error, Inner, Result, Store, Tx, json, micros, on, within};
use crate::domain::{
    access::Permitted,
    event::Change,
    ids::{JobId, ProjectId, UserId},
    job::{CancelRequest, Card, Cause, Job, JobSpec, Phase},
    names::{ClusterName, ObjectName, QueueName, Title, UserName},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    number: i64,
    project_id: String,
    user_id: String,
    slug: String,
    spec: String,
    rules_version: String,
    phase: String,
    phase_since: i64,
    reason: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    attempts: i64,
    not_before: Option<i64>,
    cause: Option<String>,
    card: Option<String>,
    cancel_by: Option<String>,
    cancel_at: Option<i64>,
    code_copy: Option<i64>,
    last_event: i64,
}

pub(super) const COLUMNS: &str = "j.id, j.number, j.project_id, j.user_id, j.slug, j.spec, j.rules_version, j.phase, j.phase_since, j.reason, j.created_at, j.started_at, j.ended_at, j.attempts, j.not_before, j.cause, j.card, j.cancel_by, j.cancel_at, j.code_copy, j.last_event";

impl TryFrom<Row> for Job {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let column = Column {
            table: "jobs",
            id: &id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            number: row.number,
            project: column.parse("project_id", &row.project_id)?,
            user: column.parse("user_id", &row.user_id)?,
            slug: column.name("slug", row.slug)?,
            spec: column.json("spec", &row.spec)?,
            rules_version: row.rules_version,
            phase: column.parse("phase", &row.phase)?,
            phase_since: column.time("phase_since", row.phase_since)?,
            reason: row.reason,
            created_at: column.time("created_at", row.created_at)?,
            started_at: column.time_if("started_at", row.started_at)?,
            ended_at: column.time_if("ended_at", row.ended_at)?,
            attempts: column.count("attempts", row.attempts)?,
            not_before: column.time_if("not_before", row.not_before)?,
            cause: row.cause.map(|c| column.parse("cause", &c)).transpose()?,
            card: row.card.map(|c| column.json("card", &c)).transpose()?,
            cancel_requested: match (row.cancel_by, row.cancel_at) {
                (Some(by), Some(at)) => Some(CancelRequest {
                    by: column.parse("cancel_by", &by)?,
                    at: column.time("cancel_at", at)?,
                }),
                _ => None,
            },
            code_copy: row.code_copy,
            last_event: row.last_event,
        })
    }
}

/// A job with the names that people know what it belongs to by.
#[derive(Debug, Clone)]
pub struct Place {
    pub job: Job,
    pub user_name: UserName,
    pub project_name: Title,
    /// Who asked for its cancel.
    pub cancelled_by: Option<UserName>,
    /// Where its latest attempt was placed.
    pub placed_on: Option<PlacedOn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOn {
    pub cluster: ClusterName,
    pub namespace: String,
    pub spark_app_id: Option<String>,
}

/// What a [`Place`] is read from besides the job's own [`COLUMNS`].
pub(super) const NAMES: &str = "u.name AS user_name, p.name AS project_name, c.name AS cancelled_by, \
     a.cluster AS on_cluster, a.namespace AS on_namespace, a.spark_app_id";

/// Where those are, beside `jobs j`.
pub(super) const NAMED: &str = "JOIN users u ON u.id = j.user_id JOIN projects p ON p.id = j.project_id \
     LEFT JOIN users c ON c.id = j.cancel_by LEFT JOIN attempts a ON a.job_id = j.id AND a.number = j.attempts";

#[derive(sqlx::FromRow)]
pub(super) struct PlaceRow {
    #[sqlx(flatten)]
    job: Row,
    user_name: String,
    project_name: String,
    cancelled_by: Option<String>,
    on_cluster: Option<String>,
    on_namespace: Option<String>,
    spark_app_id: Option<String>,
}

impl TryFrom<PlaceRow> for Place {
    type Error = Error;
    fn try_from(row: PlaceRow) -> Result<Self> {
        let id = row.job.id.clone();
        let column = Column {
            table: "jobs",
            id: &id,
        };
        Ok(Self {
            user_name: column.name("user_name", row.user_name)?,
            project_name: column.name("project_name", row.project_name)?,
            cancelled_by: row
                .cancelled_by
                .map(|name| column.name("cancelled_by", name))
                .transpose()?,
            placed_on: match (row.on_cluster, row.on_namespace) {
                (Some(cluster), Some(namespace)) => Some(PlacedOn {
                    cluster: column.name("cluster", cluster)?,
                    namespace,
                    spark_app_id: row.spark_app_id,
                }),
                _ => None,
            },
            job: row.job.try_into()?,
        })
    }
}

/// Where a job stands in its queue: the higher priority first, then the lower number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    priority: i64,
    number: i64,
}

impl Turn {
    pub fn of(job: &Job) -> Self {
        Self {
            priority: i64::from(job.spec.priority),
            number: job.number,
        }
    }
}

#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: JobId,
    pub user: UserId,
    pub slug: ObjectName,
    pub spec: JobSpec,
    pub rules_version: String,
    pub created_at: Timestamp,
}

impl Store {
    /// A job that is not being deleted.
    pub async fn find_job(&self, id: JobId) -> Result<Option<Place>> {
        let sql = format!(
            "SELECT {COLUMNS}, {NAMES} FROM jobs j {NAMED} WHERE j.id = $1 AND j.deleting_at IS NULL"
        );
        let row: Option<PlaceRow> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(Place::try_from).transpose()
    }

    /// The jobs of a queue that may be placed now and come after `after`, in the order in which they should; among them
    /// those that wait and are to be cancelled.
    pub async fn list_placeable(
        &self,
        queue: &QueueName,
        now: Timestamp,
        after: Option<Turn>,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs j WHERE j.phase = 'queued' AND j.queue = $1 \
             AND (j.not_before IS NULL OR j.not_before <= $2 OR j.cancel_at IS NOT NULL) \
             AND j.priority <= $3 AND (j.priority < $3 OR j.number > $4) ORDER BY j.priority DESC, j.number LIMIT $5"
        );
        let (priority, number) = after.map_or((i64::MAX, 0), |turn| (turn.priority, turn.number));
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(queue.as_str())
                .bind(micros(now))
                .bind(priority)
                .bind(number)
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Jobs of a project that is being deleted: their ids and numbers, those among them that are being deleted themselves.
    pub async fn list_doomed_jobs(
        &self,
        project: ProjectId,
        limit: u32,
    ) -> Result<Vec<(JobId, i64)>> {
        let rows: Vec<(String, i64)> = on!(self, |db| {
            sqlx::query_as(
                "SELECT id, number FROM jobs WHERE project_id = $1 ORDER BY number LIMIT $2",
            )
            .bind(project.to_string())
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?;
        let read = |(id, number): (String, i64)| {
            let column = Column {
                table: "jobs",
                id: &id,
            };
            Ok((column.parse("id", &id)?, number))
        };
        rows.into_iter().map(read).collect()
    }

    /// How many jobs of its queue are before this one.
    pub async fn count_ahead(&self, job: &Job) -> Result<i64> {
        Ok(on!(self, |db| {
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM jobs WHERE phase = 'queued' AND queue = $1 \
                 AND (priority > $2 OR (priority = $2 AND number < $3))",
            )
            .bind(job.spec.queue.as_str())
            .bind(i64::from(job.spec.priority))
            .bind(job.number)
            .fetch_one(db)
            .await
        })?)
    }
}

impl Tx {
    /// Moves a job from one phase to another; `Stale` where it is no longer in the first, and where it is to be cancelled
    /// and would wait or start again.
    pub async fn move_job(
        &mut self,
        job: &Permitted<JobId>,
        from: Phase,
        to: Phase,
        change: &PhaseChange,
    ) -> Result<()> {
        if !from.next().contains(&to) {
            return Err(Error::Stale("the job"));
        }
        let now = micros(change.at);
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE jobs SET phase = $3, phase_since = $4, reason = $5, cause = $6, card = $7, not_before = $8, \
                 started_at = CASE WHEN $3 = 'running' AND started_at IS NULL THEN $4 ELSE started_at END, \
                 ended_at = CASE WHEN $3 IN ('succeeded', 'failed', 'cancelled') THEN $4 ELSE NULL END \
                 WHERE id = $1 AND phase = $2 AND ($3 NOT IN ('queued', 'starting') OR cancel_at IS NULL)",
            )
            .bind(job.scope().to_string())
            .bind(from.as_str())
            .bind(to.as_str())
            .bind(now)
            .bind(&change.reason)
            .bind(change.cause.map(Cause::as_str))
            .bind(change.card.as_ref().map(json).transpose()?)
            .bind(change.not_before.map(micros))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the job"))
        } else {
            Ok(())
        }
    }

    /// Says in words why the job waits, or that it does not. Nothing is written where that is what it says already; true where it was.
    pub async fn set_job_reason(
        &mut self,
        job: &Permitted<JobId>,
        project: ProjectId,
        reason: Option<&str>,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query("UPDATE jobs SET reason = $2 WHERE id = $1 AND reason IS DISTINCT FROM $2")
                .bind(job.scope().to_string())
                .bind(reason)
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        if rows > 0 {
            self.touch(Change::Job(project, *job.scope()));
        }
        Ok(rows > 0)
    }

    /// Records the wish to cancel; false where it stood already or the job has ended.
    pub async fn request_cancel(
        &mut self,
        job: &Permitted<JobId>,
        by: UserId,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE jobs SET cancel_by = $2, cancel_at = $3 WHERE id = $1 AND cancel_at IS NULL \
                 AND phase IN ('queued', 'starting', 'running')",
            )
            .bind(job.scope().to_string())
            .bind(by.to_string())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Remembers which copy of the job's code its attempts run.
    pub async fn set_code_copy(&mut self, job: &Permitted<JobId>, copy: i64) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE jobs SET code_copied = TRUE, code_copy = $2 WHERE id = $1")
                .bind(job.scope().to_string())
                .bind(copy)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// A waiting job is not to be placed before a moment, and why; nothing where it waits no longer.
    pub async fn put_off_job(
        &mut self,
        job: &Permitted<JobId>,
        project: ProjectId,
        reason: &str,
        not_before: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE jobs SET reason = $2, not_before = $3 WHERE id = $1 AND phase = 'queued'",
            )
            .bind(job.scope().to_string())
            .bind(reason)
            .bind(micros(not_before))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        self.touch(Change::Job(project, *job.scope()));
        Ok(())
    }

    /// Hides an ended job that is to be deleted; `Stale` where it lives, or somebody else was first.
    pub async fn begin_deleting_job(
        &mut self,
        job: &Permitted<JobId>,
        project: ProjectId,
        now: Timestamp,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE jobs SET deleting_at = $2 WHERE id = $1 AND deleting_at IS NULL \
                 AND phase IN ('succeeded', 'failed', 'cancelled')",
            )
            .bind(job.scope().to_string())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            return Err(Error::Stale("the job"));
        }
        self.touch(Change::Job(project, *job.scope()));
        Ok(())
    }

    /// Removes an ended job's rows; `Stale` where it lives or they are gone.
    pub async fn delete_job(&mut self, job: &Permitted<JobId>, number: i64) -> Result<()> {
        if let Inner::Sqlite(tx) = &mut self.inner {
            sqlx::query("DELETE FROM jobs_search WHERE rowid = $1")
                .bind(number)
                .execute(&mut **tx)
                .await?;
        }
        let rows = within!(self, |db| {
            sqlx::query(
                "DELETE FROM jobs WHERE id = $1 AND phase IN ('succeeded', 'failed', 'cancelled')",
            )
            .bind(job.scope().to_string())
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the job"))
        } else {
            Ok(())
        }
    }
}

/// What goes with a change of phase.
#[derive(Debug, Clone)]
pub struct PhaseChange {
    pub at: Timestamp,
    pub reason: Option<String>,
    pub cause: Option<Cause>,
    pub card: Option<Card>,
    pub not_before: Option<Timestamp>,
}

impl PhaseChange {
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            reason: None,
            cause: None,
            card: None,
            not_before: None,
        }
    }
}
