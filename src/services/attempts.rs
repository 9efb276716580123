//! An attempt's way: placed, seen, running, its driver gone, settled. Called by the background alone, under a lease.
use super::{Error, Portal, Result, diagnosis, jobs};
use crate::{
    domain::{
        access::Permitted,
        event::EventKind,
        ids::JobId,
        job::{Attempt, AttemptPhase, Card, Cause, Exit, Job, Phase},
        names::ClusterName,
    },
    manifest::Placement,
    storage::{self, keys},
    store::{self, Lease, NewAttempt, PhaseChange, Tx},
};
use jiff::Timestamp;
use std::time::Duration;

fn permit(job: JobId) -> Permitted<JobId> {
    Permitted::by_system(job, "the way of an attempt")
}

/// Places a waiting job: its code copied, then attempt and event in one transaction. Its object is made afterwards, by
/// whoever watches the cluster, so that a crash between the two is nothing special.
pub async fn place(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    cluster: &ClusterName,
    load: crate::domain::job::Resources,
) -> Result<()> {
    if let Err(missing) = copy_code(portal, job).await? {
        return fail_unplaced(portal, lease, job, &missing).await;
    }
    let number = job.attempts + 1;
    let namespace = portal
        .clusters
        .get(cluster)
        .map_or("", |c| c.namespace())
        .to_owned();
    let attempt = NewAttempt {
        number,
        object: job.slug.attempt(number),
        cluster: cluster.clone(),
        namespace,
        resources: load,
    };
    let now = portal.clock.now();
    let permit = permit(job.id);
    let mut tx = portal.store.begin_under(lease).await?;
    tx.move_job(
        &permit,
        Phase::Queued,
        Phase::Starting,
        &PhaseChange::at(now),
    )
    .await?;
    tx.insert_attempt(&permit, &attempt, now).await?;
    tx.set_code_copied(&permit).await?;
    let text = format!("Attempt {number} was placed on {cluster}.");
    tx.add_event(job.id, EventKind::Placed, &text, None, Some(number), now)
        .await?;
    Ok(tx.commit().await?)
}

/// Copies the job's code to the job's own prefix, once; the inner error is the file that is not there any more.
async fn copy_code(portal: &Portal, job: &Job) -> Result<std::result::Result<(), String>> {
    if job.attempts > 0 {
        return Ok(Ok(()));
    }
    for (_, path) in job.spec.code() {
        let from = keys::project_file(job.project, path);
        let to = keys::job_code(job.project, job.id, path);
        match portal.storage.copy(&from, &to).await {
            Ok(_) => {}
            Err(storage::Error::NotFound) => return Ok(Err(path.to_string())),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(Ok(()))
}

async fn fail_unplaced(portal: &Portal, lease: &Lease, job: &Job, missing: &str) -> Result<()> {
    let now = portal.clock.now();
    let card = Card {
        title: "A file of its code is gone".into(),
        what: format!(
            "`{missing}` was there when the job was accepted and was moved or deleted while it waited."
        ),
        proof: vec![format!("There is no file `{missing}` in the project.")],
        remedy: "Upload the file again and re-run the job.".into(),
    };
    let change = PhaseChange {
        cause: Some(Cause::UserInput),
        card: Some(card.clone()),
        ..PhaseChange::at(now)
    };
    let mut tx = portal.store.begin_under(lease).await?;
    tx.move_job(&permit(job.id), Phase::Queued, Phase::Failed, &change)
        .await?;
    tx.add_event(job.id, EventKind::Failed, &card.title, None, None, now)
        .await?;
    Ok(tx.commit().await?)
}

/// The object of an attempt, the same however often it is asked for.
pub fn object(
    portal: &Portal,
    job: &Job,
    attempt: &Attempt,
    user: &str,
) -> Result<crate::manifest::SparkApplication> {
    let placement = Placement {
        job: job.id,
        project: job.project,
        attempt: attempt.number,
        object: attempt.object.clone(),
        cluster: attempt.cluster.clone(),
        namespace: attempt.namespace.clone(),
        image: jobs::image(portal, &job.spec),
        service_account: None,
        user: user.to_owned(),
    };
    Ok(jobs::populated(portal, &job.spec, &placement, &job.slug)?.app)
}

/// Its cluster knows it: from now on it is never created again.
pub async fn seen(
    portal: &Portal,
    lease: &Lease,
    attempt: &Attempt,
    spark_app_id: Option<&str>,
) -> Result<()> {
    let mut tx = portal.store.begin_under(lease).await?;
    tx.attempt_heard(
        &permit(attempt.job),
        attempt.number,
        true,
        spark_app_id,
        portal.clock.now(),
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Why it is not running yet.
pub async fn waits(portal: &Portal, lease: &Lease, job: &Job, why: &str) -> Result<()> {
    if job.reason.as_deref() == Some(why) {
        return Ok(());
    }
    let mut tx = portal.store.begin_under(lease).await?;
    tx.set_job_reason(&permit(job.id), job.project, why).await?;
    Ok(tx.commit().await?)
}

pub async fn running(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    attempt: &Attempt,
    since: Timestamp,
) -> Result<()> {
    let now = portal.clock.now();
    let permit = permit(job.id);
    let mut tx = portal.store.begin_under(lease).await?;
    tx.attempt_running(&permit, attempt.number, since).await?;
    if job.phase == Phase::Starting {
        tx.move_job(
            &permit,
            Phase::Starting,
            Phase::Running,
            &PhaseChange::at(now),
        )
        .await?;
    }
    tx.add_event(
        job.id,
        EventKind::Started,
        "The driver runs.",
        None,
        Some(attempt.number),
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Its driver is known gone. What it printed is still to be kept; then [`settle`] decides what follows.
pub async fn ending(portal: &Portal, lease: &Lease, attempt: &Attempt, exit: &Exit) -> Result<()> {
    let now = portal.clock.now();
    let mut tx = portal.store.begin_under(lease).await?;
    tx.attempt_ending(
        &permit(attempt.job),
        attempt.number,
        attempt.phase,
        exit,
        now,
    )
    .await?;
    tx.announce(crate::domain::event::Change::Log(attempt.job));
    Ok(tx.commit().await?)
}

/// The log is kept: the attempt ends with its cause, and the job ends or is queued again.
pub async fn settle(portal: &Portal, lease: &Lease, job: &Job, attempt: &Attempt) -> Result<()> {
    let exit = attempt.exit.clone().ok_or_else(|| {
        Error::Internal(anyhow::anyhow!(
            "attempt {} of {} ends without an exit",
            attempt.number,
            attempt.job
        ))
    })?;
    let diagnosis = match &exit {
        Exit::Code { code: 0 } => None,
        _ => Some(diagnosis::diagnose(portal, job, attempt, &exit).await?),
    };
    let now = portal.clock.now();
    let permit = permit(job.id);
    let mut tx = portal.store.begin_under(lease).await?;
    let (cause, card) = match &diagnosis {
        None => (None, None),
        Some((cause, card)) => (*cause, Some(card)),
    };
    tx.attempt_ended(&permit, attempt.number, cause, card)
        .await?;
    let follow = Follow::of(portal, job, attempt, &exit, cause, now);
    follow.write(&mut tx, job, attempt, card, now).await?;
    Ok(tx.commit().await?)
}

/// What follows an attempt's end.
enum Follow {
    Succeeded,
    Cancelled,
    Failed(Option<Cause>),
    Again(Option<Cause>, Timestamp, u64),
}

impl Follow {
    fn of(
        portal: &Portal,
        job: &Job,
        attempt: &Attempt,
        exit: &Exit,
        cause: Option<Cause>,
        now: Timestamp,
    ) -> Self {
        if matches!(exit, Exit::Code { code: 0 }) {
            return Self::Succeeded;
        }
        if job.cancel_requested.is_some() {
            return Self::Cancelled;
        }
        let tried_again = cause.is_some_and(Cause::is_tried_again);
        if tried_again && attempt.number < job.spec.max_attempts {
            let doubled = portal
                .config
                .work
                .retry_seconds
                .saturating_mul(1 << (attempt.number - 1).min(10));
            let wait = doubled.min(600);
            let at = now.checked_add(Duration::from_secs(wait)).unwrap_or(now);
            return Self::Again(cause, at, wait);
        }
        Self::Failed(cause)
    }

    async fn write(
        &self,
        tx: &mut Tx,
        job: &Job,
        attempt: &Attempt,
        card: Option<&Card>,
        now: Timestamp,
    ) -> Result<(), store::Error> {
        let permit = permit(job.id);
        let number = Some(attempt.number);
        let title = card.map_or("It failed.", |card| card.title.as_str());
        let plain = PhaseChange::at(now);
        match self {
            Self::Succeeded => {
                tx.move_job(&permit, job.phase, Phase::Succeeded, &plain)
                    .await?;
                tx.add_event(
                    job.id,
                    EventKind::Succeeded,
                    "Succeeded.",
                    None,
                    number,
                    now,
                )
                .await?;
            }
            Self::Cancelled => {
                tx.move_job(&permit, job.phase, Phase::Cancelled, &plain)
                    .await?;
                tx.add_event(
                    job.id,
                    EventKind::Cancelled,
                    "Cancelled: its driver is gone.",
                    None,
                    number,
                    now,
                )
                .await?;
            }
            Self::Failed(cause) => {
                let change = PhaseChange {
                    cause: *cause,
                    card: card.cloned(),
                    ..plain
                };
                tx.move_job(&permit, job.phase, Phase::Failed, &change)
                    .await?;
                tx.add_event(job.id, EventKind::Failed, title, None, number, now)
                    .await?;
            }
            Self::Again(cause, at, wait) => {
                let change = PhaseChange {
                    cause: *cause,
                    card: card.cloned(),
                    not_before: Some(*at),
                    reason: Some(format!("{title}. It is tried again in {wait} s.")),
                    ..plain
                };
                tx.add_event(job.id, EventKind::AttemptEnded, title, None, number, now)
                    .await?;
                tx.move_job(&permit, job.phase, Phase::Queued, &change)
                    .await?;
                tx.add_event(
                    job.id,
                    EventKind::Retry,
                    &format!("Tried again in {wait} s."),
                    None,
                    number,
                    now,
                )
                .await?;
            }
        }
        Ok(())
    }
}

/// Whether an attempt may still be created: only early, and never once it was seen.
pub fn may_create(attempt: &Attempt, now: Timestamp) -> bool {
    /// Half of an object's time to live, which is seven days.
    const HALF: i64 = 7 * 24 * 3600 / 2;
    attempt.phase == AttemptPhase::Starting
        && attempt.seen_at.is_none()
        && now.as_second() - attempt.created_at.as_second() < HALF
}
