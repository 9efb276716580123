//! An attempt's way: placed, seen, running, its driver gone, settled. Called by the background alone, under a lease.
use super::{Error, Portal, Result, diagnosis, jobs};
use crate::{
    domain::{
        access::Permitted,
        event::EventKind,
        ids::JobId,
        job::{Attempt, AttemptPhase, Card, Cause, Exit, Job, Phase, Resources},
        names::ClusterName,
    },
    storage::{self, keys},
    store::{self, Lease, NewAttempt, PhaseChange, Place, Tx},
};
use jiff::Timestamp;
use std::time::Duration;

fn permit(job: JobId) -> Permitted<JobId> {
    Permitted::by_system(job, "the way of an attempt")
}

/// What became of placing a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    Starts,
    /// Not now: the job says why, and it was put off so that others get their turn.
    PutOff,
    /// It is not to be placed any more: cancelled meanwhile, or failed because its code is gone.
    Not,
}

/// How long a job is put off that cannot be placed for a reason of its own.
const PUT_OFF: Duration = Duration::from_secs(30);

/// Why a job's code was not copied.
enum NotCopied {
    /// The file is not there any more.
    Gone(String),
    /// Later, perhaps.
    Now(String),
}

/// Places a waiting job: its code copied, then attempt and event in one transaction. Its object is made afterwards, by
/// whoever watches the cluster, so that a crash between the two is nothing special.
///
/// An error is the database's or the lease's and says nothing about the job; what is wrong with the job becomes its own.
pub async fn place(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    cluster: &ClusterName,
    load: Resources,
) -> Result<Placed, store::Error> {
    let copy = match job.attempts {
        0 => match copy_code(portal, lease, job).await {
            Ok(()) => Some(lease.number),
            Err(NotCopied::Gone(file)) => return fail_unplaced(portal, lease, job, &file).await,
            Err(NotCopied::Now(why)) => return put_off(portal, lease, job, &why).await,
        },
        _ => job.code_copy,
    };
    let Some(place) = portal.store.find_job(job.id).await? else {
        return Ok(Placed::Not);
    };
    let attempt = match new_attempt(portal, &place, cluster, load, copy) {
        Ok(attempt) => attempt,
        Err(error) => return odd(portal, lease, job, &error).await,
    };
    let tx = portal.store.begin_under(lease).await?;
    match write_placed(tx, job, &attempt, copy, portal.clock.now()).await {
        Ok(()) => Ok(Placed::Starts),
        // It was cancelled, or two stood in each other's way: the next tick sees how it is.
        Err(store::Error::Stale(_) | store::Error::Collided) => Ok(Placed::Not),
        Err(error @ store::Error::Unavailable(_)) => Err(error),
        Err(error) => odd(portal, lease, job, &error.into()).await,
    }
}

fn new_attempt(
    portal: &Portal,
    place: &Place,
    cluster: &ClusterName,
    resources: Resources,
    copy: Option<i64>,
) -> Result<NewAttempt> {
    let job = &place.job;
    let number = job.attempts + 1;
    let placement = jobs::place_for(portal, place, number, cluster);
    let object = jobs::populated(portal, &job.spec, &placement, &job.slug, copy)?;
    Ok(NewAttempt {
        number,
        object: placement.object,
        cluster: placement.cluster,
        namespace: placement.namespace,
        resources,
        manifest: serde_json::to_string(&object).map_err(anyhow::Error::from)?,
    })
}

async fn write_placed(
    mut tx: Tx,
    job: &Job,
    attempt: &NewAttempt,
    copy: Option<i64>,
    now: Timestamp,
) -> Result<(), store::Error> {
    let permit = permit(job.id);
    let starts = PhaseChange::at(now);
    tx.move_job(&permit, Phase::Queued, Phase::Starting, &starts)
        .await?;
    tx.insert_attempt(&permit, attempt, now).await?;
    if let Some(copy) = copy {
        tx.set_code_copy(&permit, copy).await?;
    }
    let (number, cluster) = (attempt.number, &attempt.cluster);
    let text = format!("Attempt {number} was placed on {cluster}.");
    tx.add_event(job.id, EventKind::Placed, &text, None, Some(number), now)
        .await?;
    tx.commit().await
}

/// Copies the job's code to a prefix that is this lease's own. Whoever lost the lease writes into another, so that once an
/// attempt began, its bytes and those of the attempts after it stay what they are.
async fn copy_code(portal: &Portal, lease: &Lease, job: &Job) -> Result<(), NotCopied> {
    let copy = keys::job_code_copy(job.project, job.id, Some(lease.number));
    for (_, path) in job.spec.code() {
        let from = keys::project_file(job.project, path);
        match portal.storage.copy(&from, &copy.file(path)).await {
            Ok(_) => {}
            Err(storage::Error::NotFound | storage::Error::Conflict(_)) => {
                return Err(NotCopied::Gone(path.to_string()));
            }
            Err(error) => {
                tracing::warn!(job = %job.id, file = %path, ?error, "a job's code was not copied");
                let why = format!("Its file `{path}` cannot be read at present ({error}).");
                return Err(NotCopied::Now(why));
            }
        }
    }
    Ok(())
}

/// What nobody thought of must not keep the jobs behind it from their turn.
async fn odd(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    error: &Error,
) -> Result<Placed, store::Error> {
    tracing::error!(job = %job.id, ?error, "a job was not placed");
    let why = "Something went wrong here when it was to be started.";
    put_off(portal, lease, job, why).await
}

async fn put_off(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    why: &str,
) -> Result<Placed, store::Error> {
    let now = portal.clock.now();
    let until = now.checked_add(PUT_OFF).unwrap_or(now);
    let why = format!("{why} It is tried again in {} s.", PUT_OFF.as_secs());
    let mut tx = portal.store.begin_under(lease).await?;
    tx.put_off_job(&permit(job.id), job.project, &why, until)
        .await?;
    tx.commit().await?;
    Ok(Placed::PutOff)
}

async fn fail_unplaced(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    missing: &str,
) -> Result<Placed, store::Error> {
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
    if is_first(
        tx.move_job(&permit(job.id), Phase::Queued, Phase::Failed, &change)
            .await,
    )? {
        tx.add_event(job.id, EventKind::Failed, &card.title, None, None, now)
            .await?;
        tx.commit().await?;
    }
    Ok(Placed::Not)
}

/// Ends a waiting job that is to be cancelled. Who wishes it ends it himself; this is for wishes that met a job between
/// two phases.
pub async fn end_unwanted(portal: &Portal, lease: &Lease, job: &Job) -> Result<(), store::Error> {
    let now = portal.clock.now();
    let mut tx = portal.store.begin_under(lease).await?;
    let plain = PhaseChange::at(now);
    if is_first(
        tx.move_job(&permit(job.id), Phase::Queued, Phase::Cancelled, &plain)
            .await,
    )? {
        let text = "Cancelled before it was started again or at all.";
        tx.add_event(job.id, EventKind::Cancelled, text, None, None, now)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Whether nobody else moved it first.
fn is_first(moved: Result<(), store::Error>) -> Result<bool, store::Error> {
    match moved {
        Ok(()) => Ok(true),
        Err(store::Error::Stale(_)) => Ok(false),
        Err(error) => Err(error),
    }
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
    Ok(wait(portal, lease, &[(job, why.to_owned())]).await?)
}

/// Why jobs wait, all in one transaction; nothing is written where they say it already.
pub async fn wait(
    portal: &Portal,
    lease: &Lease,
    reasons: &[(&Job, String)],
) -> Result<(), store::Error> {
    let mut news = Vec::with_capacity(reasons.len());
    for (job, why) in reasons {
        if job.reason.as_deref() != Some(why) {
            news.push((permit(job.id), job.project, why));
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    let mut tx = portal.store.begin_under(lease).await?;
    for (job, project, why) in news {
        tx.set_job_reason(&job, project, Some(why)).await?;
    }
    tx.commit().await
}

/// How the reason begins where a log is not kept. Two look after one attempt: each takes back only what it said itself.
const LOG_NOT_KEPT: &str = "Its log cannot be kept at present";

fn is_of_its_log(reason: &str) -> bool {
    reason.starts_with(LOG_NOT_KEPT)
}

/// The job's page says why it has not ended yet. What its cluster says goes before that.
pub async fn log_not_kept(portal: &Portal, lease: &Lease, job: &Job, error: &Error) -> Result<()> {
    // Somebody else was first: the next look sees how it is.
    let is_trouble = !matches!(error, Error::Conflict(_));
    if is_trouble && job.reason.as_deref().is_none_or(is_of_its_log) {
        let why = format!("{LOG_NOT_KEPT}, and it ends only with its log kept. {error}");
        waits(portal, lease, job, &why).await?;
    }
    Ok(())
}

pub async fn log_kept(portal: &Portal, lease: &Lease, job: &Job) -> Result<()> {
    match job.reason.as_deref() {
        Some(reason) if is_of_its_log(reason) => take_back(portal, lease, job).await,
        _ => Ok(()),
    }
}

/// Its cluster answered: why it was not heard of is past.
pub async fn heard(portal: &Portal, lease: &Lease, job: &Job) -> Result<()> {
    match job.reason.as_deref() {
        Some(reason) if job.phase == Phase::Running && !is_of_its_log(reason) => {
            take_back(portal, lease, job).await
        }
        _ => Ok(()),
    }
}

async fn take_back(portal: &Portal, lease: &Lease, job: &Job) -> Result<()> {
    let mut tx = portal.store.begin_under(lease).await?;
    tx.set_job_reason(&permit(job.id), job.project, None)
        .await?;
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
