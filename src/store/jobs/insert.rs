//! Accepting a job: its row, its words for the search and its first event, in as few statements as the database allows.
use super::{NewJob, list};
use crate::{
    domain::{
        access::Permitted,
        event::{Change, EventKind},
        ids::ProjectId,
    },
    store::{Error, Inner, Result, Tx, json, micros},
};
use sqlx::{Postgres, Sqlite, Transaction};

/// What both databases are told of a job, in this order.
const COLUMNS: &str = "id, project_id, user_id, slug, name, type, queue, cluster, priority, spec, rules_version, created_at, \
                       phase_since, phase, attempts, code_copied, last_event, number";
const VALUES: &str =
    "$1, p.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 'queued', 0, FALSE, 1";
const OPEN: &str = "p.id = $2 AND p.deleting_at IS NULL AND p.archived_at IS NULL";
const FIRST_EVENT: &str = "Accepted and queued.";

macro_rules! bound {
    ($query:expr, $project:expr, $job:expr) => {
        $query
            .bind($job.id.to_string())
            .bind($project.to_string())
            .bind($job.user.to_string())
            .bind($job.slug.as_str())
            .bind($job.spec.name.as_str())
            .bind($job.spec.language.as_str())
            .bind($job.spec.queue.as_str())
            .bind($job.spec.cluster.as_ref().map(|c| c.as_str().to_owned()))
            .bind(i64::from($job.spec.priority))
            .bind(json(&$job.spec)?)
            .bind(&$job.rules_version)
            .bind(micros($job.created_at))
    };
}

impl Tx {
    /// Accepts a job and returns its number. `Stale` where the project went away meanwhile.
    pub async fn insert_job(
        &mut self,
        project: &Permitted<ProjectId>,
        job: &NewJob,
        actor: &str,
    ) -> Result<i64> {
        let project = *project.scope();
        let search =
            format!("{}\n{}\n{}", job.spec.name, job.slug, job.spec.main_file).to_lowercase();
        let number = match &mut self.inner {
            Inner::Sqlite(tx) => insert_sqlite(tx, project, job, &search, actor).await?,
            Inner::Pg(tx) => insert_postgres(tx, project, job, &search, actor).await?,
        };
        self.touch(Change::Job(project, job.id));
        Ok(number)
    }
}

async fn insert_sqlite(
    tx: &mut Transaction<'static, Sqlite>,
    project: ProjectId,
    job: &NewJob,
    search: &str,
    actor: &str,
) -> Result<i64> {
    let sql = format!(
        "INSERT INTO jobs ({COLUMNS}) SELECT {VALUES}, (SELECT COALESCE(MAX(number), 0) + 1 FROM jobs) \
         FROM projects p WHERE {OPEN} RETURNING number"
    );
    let number: Option<i64> = bound!(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)), project, job)
        .fetch_optional(&mut **tx)
        .await?;
    let number = number.ok_or(Error::Stale("the project"))?;
    sqlx::query("INSERT INTO jobs_search (rowid, project, text) VALUES ($1, $2, $3)")
        .bind(number)
        .bind(list::key(project))
        .bind(search)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO events (job_id, id, at, kind, text, actor) VALUES ($1, 1, $2, $3, $4, $5)",
    )
    .bind(job.id.to_string())
    .bind(micros(job.created_at))
    .bind(EventKind::Accepted.as_str())
    .bind(FIRST_EVENT)
    .bind(actor)
    .execute(&mut **tx)
    .await?;
    Ok(number)
}

/// The share lock makes a deletion that begins now wait for this and then see the job.
async fn insert_postgres(
    tx: &mut Transaction<'static, Postgres>,
    project: ProjectId,
    job: &NewJob,
    search: &str,
    actor: &str,
) -> Result<i64> {
    let sql = format!(
        "WITH p AS (SELECT p.id FROM projects p WHERE {OPEN} FOR SHARE), \
         job AS (INSERT INTO jobs ({COLUMNS}, search) SELECT {VALUES}, nextval('job_numbers'), $13 FROM p RETURNING id, number), \
         event AS (INSERT INTO events (job_id, id, at, kind, text, actor) SELECT job.id, 1, $12, $14, $15, $16 FROM job) \
         SELECT number FROM job"
    );
    let number: Option<i64> = bound!(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)), project, job)
        .bind(search)
        .bind(EventKind::Accepted.as_str())
        .bind(FIRST_EVENT)
        .bind(actor)
        .fetch_optional(&mut **tx)
        .await?;
    number.ok_or(Error::Stale("the project"))
}
