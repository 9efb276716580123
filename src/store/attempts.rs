//! Attempts: written before their object is made, ended once.
use super::{Column, Error, Result, Store, Tx, json, micros, on, signed, within};
use crate::domain::{
    access::Permitted,
    ids::JobId,
    job::{Attempt, AttemptPhase, Card, Cause, Exit, Resources},
    names::{ClusterName, ObjectName},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    job_id: String,
    number: i64,
    object: String,
    cluster: String,
    namespace: String,
    phase: String,
    created_at: i64,
    seen_at: Option<i64>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    heard_at: Option<i64>,
    exit: Option<String>,
    cause: Option<String>,
    card: Option<String>,
    spark_app_id: Option<String>,
}

const COLUMNS: &str = "job_id, number, object, cluster, namespace, phase, created_at, seen_at, started_at, ended_at, heard_at, exit, cause, card, spark_app_id";

impl TryFrom<Row> for Attempt {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = format!("{}/{}", row.job_id, row.number);
        let column = Column {
            table: "attempts",
            id: &id,
        };
        Ok(Self {
            job: column.parse("job_id", &row.job_id)?,
            number: column.count("number", row.number)?,
            object: column.name("object", row.object)?,
            cluster: column.name("cluster", row.cluster)?,
            namespace: row.namespace,
            phase: column.parse("phase", &row.phase)?,
            created_at: column.time("created_at", row.created_at)?,
            seen_at: column.time_if("seen_at", row.seen_at)?,
            started_at: column.time_if("started_at", row.started_at)?,
            ended_at: column.time_if("ended_at", row.ended_at)?,
            heard_at: column.time_if("heard_at", row.heard_at)?,
            exit: row.exit.map(|e| column.json("exit", &e)).transpose()?,
            cause: row.cause.map(|c| column.parse("cause", &c)).transpose()?,
            card: row.card.map(|c| column.json("card", &c)).transpose()?,
            spark_app_id: row.spark_app_id,
        })
    }
}

#[derive(Debug, Clone)]
pub struct NewAttempt {
    pub number: u32,
    pub object: ObjectName,
    pub cluster: ClusterName,
    pub namespace: String,
    /// What it takes on its cluster while it lives.
    pub resources: Resources,
    /// The object that it is placed with, as JSON.
    pub manifest: String,
}

/// What the living attempts of a cluster take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub attempts: i64,
    pub resources: Resources,
}

impl Store {
    pub async fn list_attempts(&self, job: JobId) -> Result<Vec<Attempt>> {
        let sql = format!("SELECT {COLUMNS} FROM attempts WHERE job_id = $1 ORDER BY number");
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(job.to_string())
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    pub async fn find_attempt(&self, job: JobId, number: u32) -> Result<Option<Attempt>> {
        let sql = format!("SELECT {COLUMNS} FROM attempts WHERE job_id = $1 AND number = $2");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(job.to_string())
                .bind(i64::from(number))
                .fetch_optional(db)
                .await
        })?;
        row.map(Attempt::try_from).transpose()
    }

    /// The object that an attempt was placed with, as JSON; absent where it was placed before that was kept.
    pub async fn find_manifest(&self, job: JobId, number: u32) -> Result<Option<String>> {
        let found: Option<Option<String>> = on!(self, |db| {
            sqlx::query_scalar("SELECT manifest FROM attempts WHERE job_id = $1 AND number = $2")
                .bind(job.to_string())
                .bind(i64::from(number))
                .fetch_optional(db)
                .await
        })?;
        Ok(found.flatten())
    }

    /// The attempts of a cluster that have not ended.
    pub async fn list_live_attempts(&self, cluster: &ClusterName) -> Result<Vec<Attempt>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM attempts WHERE cluster = $1 AND phase <> 'ended' ORDER BY created_at"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(cluster.as_str())
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    /// Ended attempts whose object still lies on its cluster, ended before a moment.
    pub async fn list_left_objects(
        &self,
        ended_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Attempt>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM attempts WHERE phase = 'ended' AND object_deleted_at IS NULL AND ended_at < $1 \
             ORDER BY ended_at LIMIT $2"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(micros(ended_before))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    /// A job's attempts whose object still lies on its cluster.
    pub async fn list_objects_of(&self, job: JobId) -> Result<Vec<Attempt>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM attempts WHERE job_id = $1 AND object_deleted_at IS NULL ORDER BY number"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(job.to_string())
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Attempt::try_from).collect()
    }

    /// Whether an attempt has this object.
    pub async fn is_object_known(&self, object: &ObjectName) -> Result<bool> {
        let count: i64 = on!(self, |db| {
            sqlx::query_scalar("SELECT COUNT(*) FROM attempts WHERE object = $1")
                .bind(object.as_str())
                .fetch_one(db)
                .await
        })?;
        Ok(count > 0)
    }

    pub async fn find_load(&self, cluster: &ClusterName) -> Result<Load> {
        let (attempts, cores, memory): (i64, i64, i64) = on!(self, |db| {
            sqlx::query_as(
                "SELECT COUNT(*), CAST(COALESCE(SUM(cores), 0) AS BIGINT), CAST(COALESCE(SUM(memory), 0) AS BIGINT) \
                 FROM attempts WHERE cluster = $1 AND phase <> 'ended'",
            )
            .bind(cluster.as_str())
            .fetch_one(db)
            .await
        })?;
        Ok(Load {
            attempts,
            resources: Resources {
                cores: cores.unsigned_abs(),
                memory: memory.unsigned_abs(),
            },
        })
    }
}

impl Tx {
    /// Counts the attempt on its job, too; the job must have been moved to `Starting` in the same transaction.
    pub async fn insert_attempt(
        &mut self,
        job: &Permitted<JobId>,
        attempt: &NewAttempt,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO attempts (job_id, number, object, cluster, namespace, phase, created_at, cores, memory, manifest) \
                 VALUES ($1, $2, $3, $4, $5, 'starting', $6, $7, $8, $9)",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(attempt.number))
            .bind(attempt.object.as_str())
            .bind(attempt.cluster.as_str())
            .bind(&attempt.namespace)
            .bind(micros(now))
            .bind(signed(attempt.resources.cores))
            .bind(signed(attempt.resources.memory))
            .bind(&attempt.manifest)
            .execute(db)
            .await
            .map(|_| ())
        })?;
        within!(self, |db| {
            sqlx::query("UPDATE jobs SET attempts = $2 WHERE id = $1")
                .bind(job.scope().to_string())
                .bind(i64::from(attempt.number))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Its cluster spoke of it. The first such moment stays as `seen_at`.
    pub async fn attempt_heard(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        seen: bool,
        spark_app_id: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE attempts SET heard_at = $3, seen_at = CASE WHEN $4 AND seen_at IS NULL THEN $3 ELSE seen_at END, \
                 spark_app_id = COALESCE($5, spark_app_id) WHERE job_id = $1 AND number = $2",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(number))
            .bind(micros(now))
            .bind(seen)
            .bind(spark_app_id)
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn attempt_running(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        since: Timestamp,
    ) -> Result<()> {
        self.move_attempt(
            job,
            number,
            AttemptPhase::Starting,
            "phase = 'running', started_at = $4",
            &[micros(since)],
            None,
        )
        .await
    }

    /// Its driver is known gone; its log is still to be kept.
    pub async fn attempt_ending(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        from: AttemptPhase,
        exit: &Exit,
        now: Timestamp,
    ) -> Result<()> {
        let exit = json(exit)?;
        self.move_attempt(
            job,
            number,
            from,
            "phase = 'ending', ended_at = $4, exit = $5",
            &[micros(now)],
            Some(exit),
        )
        .await
    }

    /// Its log is kept, and the cause of its end is known.
    pub async fn attempt_ended(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        cause: Option<Cause>,
        card: Option<&Card>,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE attempts SET phase = 'ended', cause = $3, card = $4 \
                 WHERE job_id = $1 AND number = $2 AND phase = 'ending'",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(number))
            .bind(cause.map(Cause::as_str))
            .bind(card.map(json).transpose()?)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the attempt"))
        } else {
            Ok(())
        }
    }

    pub async fn object_deleted(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE attempts SET object_deleted_at = $3 WHERE job_id = $1 AND number = $2",
            )
            .bind(job.scope().to_string())
            .bind(i64::from(number))
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    async fn move_attempt(
        &mut self,
        job: &Permitted<JobId>,
        number: u32,
        from: AttemptPhase,
        set: &str,
        times: &[i64],
        exit: Option<String>,
    ) -> Result<()> {
        let sql =
            format!("UPDATE attempts SET {set} WHERE job_id = $1 AND number = $2 AND phase = $3");
        let rows = within!(self, |db| {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(job.scope().to_string())
                .bind(i64::from(number))
                .bind(from.as_str());
            for time in times {
                query = query.bind(*time);
            }
            if let Some(exit) = exit {
                query = query.bind(exit);
            }
            query.execute(db).await.map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the attempt"))
        } else {
            Ok(())
        }
    }
}
