//! Accepting jobs: their rows, their words for the search and their first events, in as few statements as the database
//! allows.
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

/// A job to be accepted, in which project, and who submitted it.
#[derive(Debug, Clone, Copy)]
pub struct Acceptance<'a> {
    pub project: &'a Permitted<ProjectId>,
    pub job: &'a NewJob,
    pub actor: &'a str,
}

const FIRST_EVENT: &str = "Accepted and queued.";

impl Acceptance<'_> {
    fn search(&self) -> String {
        let job = self.job;
        format!("{}\n{}\n{}", job.spec.name, job.slug, job.spec.main_file).to_lowercase()
    }

    fn columns(&self, number: i64) -> Result<serde_json::Value> {
        let (job, project) = (self.job, *self.project.scope());
        Ok(serde_json::json!({
            "id": job.id.to_string(),
            "number": number,
            "project": project.to_string(),
            "user": job.user.to_string(),
            "slug": job.slug.as_str(),
            "name": job.spec.name.as_str(),
            "type": job.spec.language.as_str(),
            "queue": job.spec.queue.as_str(),
            "cluster": job.spec.cluster.as_ref().map(ToString::to_string),
            "priority": job.spec.priority,
            "spec": json(&job.spec)?,
            "rules": job.rules_version,
            "at": micros(job.created_at),
            "key": list::key(project),
            "search": self.search(),
            "actor": self.actor,
        }))
    }
}

impl Tx {
    /// Accepts a job and returns its number. `Stale` where the project went away meanwhile.
    pub async fn insert_job(
        &mut self,
        project: &Permitted<ProjectId>,
        job: &NewJob,
        actor: &str,
    ) -> Result<i64> {
        let one = Acceptance {
            project,
            job,
            actor,
        };
        let numbers = self.insert_jobs(&[one]).await?;
        numbers.first().copied().ok_or(Error::Stale("the project"))
    }

    /// Accepts jobs and returns their numbers. `Stale` where one of their projects went away meanwhile.
    pub async fn insert_jobs(&mut self, all: &[Acceptance<'_>]) -> Result<Vec<i64>> {
        let numbers = match &mut self.inner {
            Inner::Sqlite(tx) => insert_sqlite(tx, all).await?,
            Inner::Pg(tx) => insert_postgres(tx, all).await?,
        };
        for one in all {
            self.touch(Change::Job(*one.project.scope(), one.job.id));
        }
        Ok(numbers)
    }
}

/// The same statements for any number of jobs, whose columns are one JSON text. Nobody else writes meanwhile, so the numbers
/// are known before.
async fn insert_sqlite(
    tx: &mut Transaction<'static, Sqlite>,
    all: &[Acceptance<'_>],
) -> Result<Vec<i64>> {
    let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM jobs")
        .fetch_one(&mut **tx)
        .await?;
    let numbers: Vec<i64> = (last + 1..).take(all.len()).collect();
    let rows = all
        .iter()
        .zip(&numbers)
        .map(|(one, number)| one.columns(*number))
        .collect::<Result<Vec<_>>>()?;
    let rows = json(&rows)?;
    let made = sqlx::query(
        "INSERT INTO jobs (id, number, project_id, user_id, slug, name, type, queue, cluster, priority, spec, \
         rules_version, phase, phase_since, created_at, attempts, code_copied, last_event) \
         SELECT j ->> 'id', j ->> 'number', p.id, j ->> 'user', j ->> 'slug', j ->> 'name', j ->> 'type', j ->> 'queue', \
         j ->> 'cluster', j ->> 'priority', j ->> 'spec', j ->> 'rules', 'queued', j ->> 'at', j ->> 'at', 0, FALSE, 1 \
         FROM (SELECT value AS j FROM json_each($1)) \
         JOIN projects p ON p.id = j ->> 'project' AND p.deleting_at IS NULL AND p.archived_at IS NULL",
    )
    .bind(&rows)
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if made != all.len() as u64 {
        return Err(Error::Stale("the project"));
    }
    sqlx::query(
        "INSERT INTO jobs_search (rowid, project, text) \
         SELECT j ->> 'number', j ->> 'key', j ->> 'search' FROM (SELECT value AS j FROM json_each($1))",
    )
    .bind(&rows)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO events (job_id, id, at, kind, text, actor) \
         SELECT j ->> 'id', 1, j ->> 'at', $2, $3, j ->> 'actor' FROM (SELECT value AS j FROM json_each($1))",
    )
    .bind(&rows)
    .bind(EventKind::Accepted.as_str())
    .bind(FIRST_EVENT)
    .execute(&mut **tx)
    .await?;
    Ok(numbers)
}

/// All in one statement. The share lock makes a deletion that begins now wait for this and then see the jobs.
async fn insert_postgres(
    tx: &mut Transaction<'static, Postgres>,
    all: &[Acceptance<'_>],
) -> Result<Vec<i64>> {
    let texts = |column: fn(&Acceptance<'_>) -> String| all.iter().map(column).collect::<Vec<_>>();
    let searches: Vec<String> = all.iter().map(Acceptance::search).collect();
    let specs = all
        .iter()
        .map(|one| json(&one.job.spec))
        .collect::<Result<Vec<_>>>()?;
    let clusters: Vec<Option<String>> = all
        .iter()
        .map(|one| one.job.spec.cluster.as_ref().map(ToString::to_string))
        .collect();
    let priorities: Vec<i64> = all
        .iter()
        .map(|one| i64::from(one.job.spec.priority))
        .collect();
    let times: Vec<i64> = all.iter().map(|one| micros(one.job.created_at)).collect();
    let numbers: Vec<i64> = sqlx::query_scalar(
        "WITH new AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
             $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[]) \
             WITH ORDINALITY AS n (id, project_id, user_id, slug, name, type, queue, cluster, priority, spec, \
             rules_version, at, search, actor, place)), \
         open AS (SELECT p.id FROM projects p \
             WHERE p.id = ANY($2) AND p.deleting_at IS NULL AND p.archived_at IS NULL FOR SHARE), \
         made AS (INSERT INTO jobs (id, number, project_id, user_id, slug, name, type, queue, cluster, priority, spec, \
             rules_version, phase, phase_since, created_at, attempts, code_copied, last_event, search) \
             SELECT new.id, nextval('job_numbers'), open.id, user_id, slug, name, type, queue, cluster, priority, spec, \
             rules_version, 'queued', at, at, 0, FALSE, 1, search FROM new JOIN open ON open.id = new.project_id \
             RETURNING id, number), \
         told AS (INSERT INTO events (job_id, id, at, kind, text, actor) \
             SELECT new.id, 1, new.at, $15, $16, new.actor FROM new JOIN made ON made.id = new.id) \
         SELECT made.number FROM new JOIN made ON made.id = new.id ORDER BY new.place",
    )
    .bind(texts(|one| one.job.id.to_string()))
    .bind(texts(|one| one.project.scope().to_string()))
    .bind(texts(|one| one.job.user.to_string()))
    .bind(texts(|one| one.job.slug.to_string()))
    .bind(texts(|one| one.job.spec.name.to_string()))
    .bind(texts(|one| one.job.spec.language.to_string()))
    .bind(texts(|one| one.job.spec.queue.to_string()))
    .bind(clusters)
    .bind(priorities)
    .bind(specs)
    .bind(texts(|one| one.job.rules_version.clone()))
    .bind(times)
    .bind(searches)
    .bind(texts(|one| one.actor.to_owned()))
    .bind(EventKind::Accepted.as_str())
    .bind(FIRST_EVENT)
    .fetch_all(&mut **tx)
    .await?;
    if numbers.len() == all.len() {
        Ok(numbers)
    } else {
        Err(Error::Stale("the project"))
    }
}
