//! Jobs: accepted, looked at, cancelled, run again, deleted. No cluster is called here.
mod accept;
mod acceptor;
mod deletion;
mod placing;
mod preview;

pub use accept::{Accepted, submit};
pub use acceptor::Acceptor;
pub use deletion::{Doomed, Outputs, clear, clear_objects, delete};
pub use placing::{Candidates, candidates, placement};
pub use preview::{Preview, manifest, placed, preview};
pub(super) use preview::{place_for, populated};

use super::{Error, OpenJob, Portal, Result};
use crate::{
    domain::{
        access::{Action, Actor},
        event::{Event, EventKind},
        ids::{JobId, ProjectId},
        job::{Attempt, Job, Phase},
        names::FilePath,
    },
    store::{self, JobFilter, PhaseChange, Place},
    validate::Draft,
};

/// A page of jobs, newest first.
pub struct Page {
    pub jobs: Vec<Place>,
    /// What comes before this number is on the next page.
    pub next: Option<i64>,
}

/// The jobs of a project.
pub async fn list(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    filter: &JobFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page> {
    portal.open_project(actor, project, Action::See).await?;
    page(portal, &[project], filter, before, limit).await
}

/// The jobs of all projects that the caller is a member of.
pub async fn list_mine(
    portal: &Portal,
    actor: &Actor,
    filter: &JobFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page> {
    let mine = portal.store.list_projects_of(actor.user.id).await?;
    let projects: Vec<ProjectId> = mine.iter().map(|m| m.project.id).collect();
    page(portal, &projects, filter, before, limit).await
}

async fn page(
    portal: &Portal,
    projects: &[ProjectId],
    filter: &JobFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page> {
    if let Some(text) = &filter.text
        && text.chars().count() < 3
    {
        return Err(Error::field(
            "/q",
            "Give at least three characters to search for.",
            Some(text),
        ));
    }
    let mut jobs = portal
        .store
        .list_jobs(projects, filter, before, limit + 1)
        .await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|place| place.job.number);
    Ok(Page { jobs, next })
}

pub async fn find(portal: &Portal, actor: &Actor, id: JobId) -> Result<OpenJob> {
    portal.open_job(actor, id, Action::See).await
}

/// Whether the caller may see environment values and the manifest.
pub async fn may_see_inner(portal: &Portal, actor: &Actor, open: &OpenJob) -> Result<bool> {
    match portal
        .open_project(actor, open.job().project, Action::SeeJobInner)
        .await
    {
        Ok(_) => Ok(true),
        Err(Error::Forbidden(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// The folder of a job's outputs among the project's files.
pub fn folder(job: &Job) -> Result<FilePath> {
    FilePath::parse(&job.folder())
        .map_err(|why| Error::Internal(anyhow::anyhow!("a job's folder: {why}")))
}

/// How many jobs of its queue are before a waiting one.
pub async fn ahead(portal: &Portal, open: &OpenJob) -> Result<Option<i64>> {
    if open.job().phase != Phase::Queued {
        return Ok(None);
    }
    Ok(Some(portal.store.count_ahead(open.job()).await?))
}

pub async fn attempts(portal: &Portal, open: &OpenJob) -> Result<Vec<Attempt>> {
    Ok(portal.store.list_attempts(open.job().id).await?)
}

pub async fn events(portal: &Portal, open: &OpenJob, after: i64, limit: u32) -> Result<Vec<Event>> {
    Ok(portal
        .store
        .list_events(open.job().id, after, limit)
        .await?)
}

/// Records the wish to end a job. A waiting one ends at once, a running one when its driver is gone. Again is no error.
pub async fn cancel(portal: &Portal, actor: &Actor, id: JobId) -> Result<()> {
    let open = portal.open_job(actor, id, Action::RunJobs).await?;
    let job = open.job();
    if job.phase == Phase::Cancelled || job.cancel_requested.is_some() {
        return Ok(());
    }
    if job.phase.is_terminal() {
        return Err(Error::Conflict(format!(
            "This job has {} already.",
            job.phase
        )));
    }
    let now = portal.clock.now();
    let name = actor.user.name.as_str();
    let mut tx = portal.store.begin().await?;
    if !tx.request_cancel(&open.permit, actor.user.id, now).await? {
        return Ok(());
    }
    tx.add_event(
        id,
        EventKind::CancelRequested,
        "Asked to be cancelled.",
        Some(name),
        None,
        now,
    )
    .await?;
    match tx
        .move_job(
            &open.permit,
            Phase::Queued,
            Phase::Cancelled,
            &PhaseChange::at(now),
        )
        .await
    {
        Ok(()) => {
            tx.add_event(
                id,
                EventKind::Cancelled,
                "Cancelled before it was started again or at all.",
                Some(name),
                None,
                now,
            )
            .await?;
        }
        // It has an attempt: the wish stands, and the monitor carries it out.
        Err(store::Error::Stale(_)) => {}
        Err(other) => return Err(other.into()),
    }
    Ok(tx.commit().await?)
}

/// What to type to run a job again.
pub async fn again(portal: &Portal, actor: &Actor, id: JobId) -> Result<(OpenJob, Draft)> {
    let open = portal.open_job(actor, id, Action::SeeJobInner).await?;
    let draft = Draft::from_spec(&open.job().spec);
    Ok((open, draft))
}
