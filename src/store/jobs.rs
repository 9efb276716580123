//! Jobs: accepted once, moved from phase to phase by compare-and-set, listed newest first.
use super::{Column, Error, Inner, Result, Store, Tx, json, micros, on, within};
use crate::domain::{
    access::Permitted,
    event::{Change, EventKind},
    ids::{JobId, ProjectId, UserId},
    job::{CancelRequest, Card, Cause, Job, JobSpec, Language, Phase},
    names::{ObjectName, QueueName, Title, UserName},
};
use jiff::Timestamp;
use std::fmt::Write as _;

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
    last_event: i64,
}

pub(super) const COLUMNS: &str = "j.id, j.number, j.project_id, j.user_id, j.slug, j.spec, j.rules_version, j.phase, j.phase_since, j.reason, j.created_at, j.started_at, j.ended_at, j.attempts, j.not_before, j.cause, j.card, j.cancel_by, j.cancel_at, j.last_event";

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
            last_event: row.last_event,
        })
    }
}

/// A job with the names that people know its user and project by.
#[derive(Debug, Clone)]
pub struct Place {
    pub job: Job,
    pub user_name: UserName,
    pub project_name: Title,
}

#[derive(sqlx::FromRow)]
pub(super) struct PlaceRow {
    #[sqlx(flatten)]
    job: Row,
    user_name: String,
    project_name: String,
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
            job: row.job.try_into()?,
        })
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

/// Which jobs of a list. Empty means all.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub phases: Vec<Phase>,
    pub user: Option<UserId>,
    pub queue: Option<String>,
    pub name: Option<String>,
    pub language: Option<Language>,
    pub created_after: Option<Timestamp>,
    pub created_before: Option<Timestamp>,
    /// Text of three characters or more, found anywhere in name, slug and main file.
    pub text: Option<String>,
}

/// SQLite takes 500 parts of a UNION at most, and PostgreSQL's planner takes long over many.
const PROJECTS_AT_ONCE: usize = 100;

enum Bind {
    Text(String),
    Int(i64),
}

#[derive(Default)]
struct Conditions {
    sql: String,
    binds: Vec<Bind>,
}

impl Conditions {
    fn place(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }

    fn text(&mut self, condition: &str, value: impl Into<String>) {
        let at = self.place(Bind::Text(value.into()));
        let _ = write!(self.sql, " AND {}", condition.replace('?', &at));
    }

    fn int(&mut self, condition: &str, value: i64) {
        let at = self.place(Bind::Int(value));
        let _ = write!(self.sql, " AND {}", condition.replace('?', &at));
    }

    /// The filter's conditions on `j`, save the text's.
    fn of(filter: &JobFilter, before: Option<i64>) -> Self {
        let mut all = Self::default();
        if let Some(number) = before {
            all.int("j.number < ?", number);
        }
        if !filter.phases.is_empty() {
            let places: Vec<String> = filter
                .phases
                .iter()
                .map(|phase| all.place(Bind::Text(phase.as_str().to_owned())))
                .collect();
            let _ = write!(all.sql, " AND j.phase IN ({})", places.join(", "));
        }
        if let Some(user) = filter.user {
            all.text("j.user_id = ?", user.to_string());
        }
        if let Some(queue) = &filter.queue {
            all.text("j.queue = ?", queue);
        }
        if let Some(name) = &filter.name {
            all.text("j.name = ?", name);
        }
        if let Some(language) = filter.language {
            all.text("j.type = ?", language.as_str());
        }
        if let Some(at) = filter.created_after {
            all.int("j.created_at >= ?", micros(at));
        }
        if let Some(at) = filter.created_before {
            all.int("j.created_at < ?", micros(at));
        }
        all
    }
}

impl Store {
    pub async fn find_job(&self, id: JobId) -> Result<Option<Place>> {
        let sql = format!(
            "SELECT {COLUMNS}, u.name AS user_name, p.name AS project_name FROM jobs j \
             JOIN users u ON u.id = j.user_id JOIN projects p ON p.id = j.project_id WHERE j.id = $1"
        );
        let row: Option<PlaceRow> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(Place::try_from).transpose()
    }

    /// The newest jobs of these projects before a number, at most `limit`.
    ///
    /// Each project is asked by its own index and the answers are merged, so that the cost is that of the page.
    pub async fn list_jobs(
        &self,
        projects: &[ProjectId],
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Place>> {
        let mut found = Vec::new();
        for some in projects.chunks(PROJECTS_AT_ONCE) {
            found.extend(self.list_jobs_of(some, filter, before, limit).await?);
        }
        if projects.len() > PROJECTS_AT_ONCE {
            found.sort_by_key(|place| std::cmp::Reverse(place.job.number));
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(found)
    }

    async fn list_jobs_of(
        &self,
        projects: &[ProjectId],
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Place>> {
        let mut conditions = Conditions::of(filter, before);
        let limit_at = conditions.place(Bind::Int(i64::from(limit)));
        let text = filter.text.as_deref().map(str::to_lowercase);
        let mut each = Vec::new();
        for project in projects {
            let at = conditions.place(Bind::Text(project.to_string()));
            let part = match (&text, self.is_postgres()) {
                (None, _) => format!(
                    "SELECT j.number FROM jobs j WHERE j.project_id = {at}{}",
                    conditions.sql
                ),
                (Some(text), true) => {
                    let pattern = format!(
                        "%{}%",
                        text.replace('\\', "\\\\")
                            .replace('%', "\\%")
                            .replace('_', "\\_")
                    );
                    let like = conditions.place(Bind::Text(pattern));
                    format!(
                        "SELECT j.number FROM jobs j WHERE j.project_id = {at} AND j.search LIKE {like}{}",
                        conditions.sql
                    )
                }
                (Some(text), false) => {
                    let query = format!(
                        "project : \"{}\" AND text : \"{}\"",
                        tail(*project),
                        text.replace('"', "\"\"")
                    );
                    let query = conditions.place(Bind::Text(query));
                    format!(
                        "SELECT j.number FROM jobs_search s CROSS JOIN jobs j ON j.number = s.rowid \
                         WHERE s.jobs_search MATCH {query} AND j.project_id = {at}{}",
                        conditions.sql
                    )
                }
            };
            let order = if text.is_some() && !self.is_postgres() {
                "s.rowid"
            } else {
                "j.number"
            };
            each.push(format!(
                "SELECT number FROM ({part} ORDER BY {order} DESC LIMIT {limit_at}) AS part"
            ));
        }
        let sql = format!(
            "SELECT {COLUMNS}, u.name AS user_name, p.name AS project_name FROM ({}) AS found \
             JOIN jobs j ON j.number = found.number JOIN users u ON u.id = j.user_id \
             JOIN projects p ON p.id = j.project_id ORDER BY j.number DESC LIMIT {limit_at}",
            each.join(" UNION ALL ")
        );
        let rows: Vec<PlaceRow> = on!(self, |db| {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
            for bind in conditions.binds {
                query = match bind {
                    Bind::Text(text) => query.bind(text),
                    Bind::Int(number) => query.bind(number),
                };
            }
            query.fetch_all(db).await
        })?;
        rows.into_iter().map(Place::try_from).collect()
    }

    /// The jobs of a queue that may be placed now, in the order in which they should.
    pub async fn list_placeable(
        &self,
        queue: &QueueName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs j WHERE j.phase = 'queued' AND j.queue = $1 AND j.cancel_at IS NULL \
             AND (j.not_before IS NULL OR j.not_before <= $2) ORDER BY j.priority DESC, j.number LIMIT $3"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(queue.as_str())
                .bind(micros(now))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Job::try_from).collect()
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
    /// Accepts a job: its row and its first event. `Stale` where the project went away meanwhile.
    pub async fn insert_job(
        &mut self,
        project: &Permitted<ProjectId>,
        job: &NewJob,
        actor: &str,
    ) -> Result<()> {
        let spec = json(&job.spec)?;
        let search =
            format!("{}\n{}\n{}", job.spec.name, job.slug, job.spec.main_file).to_lowercase();
        let number = match &mut self.inner {
            Inner::Sqlite(_) => "(SELECT COALESCE(MAX(number), 0) + 1 FROM jobs)",
            Inner::Pg(tx) => {
                // A share lock, so that a deletion that begins now waits for this and then sees the job.
                sqlx::query("SELECT id FROM projects WHERE id = $1 FOR SHARE")
                    .bind(project.scope().to_string())
                    .execute(&mut **tx)
                    .await?;
                "nextval('job_numbers')"
            }
        };
        let sql = format!(
            "INSERT INTO jobs (id, number, project_id, user_id, slug, name, type, queue, cluster, priority, spec, \
             rules_version, phase, phase_since, created_at, attempts, code_copied, last_event) \
             SELECT $1, {number}, p.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'queued', $12, $12, 0, FALSE, 0 \
             FROM projects p WHERE p.id = $2 AND p.deleting_at IS NULL AND p.archived_at IS NULL RETURNING number"
        );
        let number: Option<i64> = within!(self, |db| {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(job.id.to_string())
                .bind(project.scope().to_string())
                .bind(job.user.to_string())
                .bind(job.slug.as_str())
                .bind(job.spec.name.as_str())
                .bind(job.spec.language.as_str())
                .bind(job.spec.queue.as_str())
                .bind(job.spec.cluster.as_ref().map(|c| c.as_str().to_owned()))
                .bind(i64::from(job.spec.priority))
                .bind(spec)
                .bind(&job.rules_version)
                .bind(micros(job.created_at))
                .fetch_optional(db)
                .await
        })?;
        let number = number.ok_or(Error::Stale("the project"))?;
        match &mut self.inner {
            Inner::Sqlite(tx) => {
                sqlx::query("INSERT INTO jobs_search (rowid, project, text) VALUES ($1, $2, $3)")
                    .bind(number)
                    .bind(tail(*project.scope()))
                    .bind(search)
                    .execute(&mut **tx)
                    .await?;
            }
            Inner::Pg(tx) => {
                sqlx::query("UPDATE jobs SET search = $2 WHERE id = $1")
                    .bind(job.id.to_string())
                    .bind(search)
                    .execute(&mut **tx)
                    .await?;
            }
        }
        self.add_event(
            job.id,
            EventKind::Accepted,
            "Accepted and queued.",
            Some(actor),
            None,
            job.created_at,
        )
        .await?;
        Ok(())
    }

    /// Moves a job from one phase to another; `Stale` where it is no longer in the first.
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
                 WHERE id = $1 AND phase = $2",
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

    /// Says in words why the job waits. Nothing is written where that is what it says already; true where it was.
    pub async fn set_job_reason(
        &mut self,
        job: &Permitted<JobId>,
        project: ProjectId,
        reason: &str,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE jobs SET reason = $2 WHERE id = $1 AND (reason IS NULL OR reason <> $2)",
            )
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

    /// Remembers that the job's code lies under its own prefix.
    pub async fn set_code_copied(&mut self, job: &Permitted<JobId>) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE jobs SET code_copied = TRUE WHERE id = $1")
                .bind(job.scope().to_string())
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Whether the job's code lies under its own prefix.
    pub async fn is_code_copied(&mut self, job: JobId) -> Result<bool> {
        Ok(within!(self, |db| {
            sqlx::query_scalar("SELECT code_copied FROM jobs WHERE id = $1")
                .bind(job.to_string())
                .fetch_one(db)
                .await
        })?)
    }

    /// Removes an ended job's rows; `Stale` where it lives.
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

/// The end of a project's id, which tells projects apart in the text index.
fn tail(project: ProjectId) -> String {
    let id = project.to_string();
    id[id.len() - 12..].to_owned()
}
