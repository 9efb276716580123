//! Commits waiting acceptances together: one commit, which waits for the disk, serves all that came while the one before it
//! was under way. Each caller gets its own answer, and one that fails fails alone.
use crate::{
    domain::{
        access::{Actor, Permitted},
        ids::ProjectId,
        names::{ObjectName, Title},
    },
    services::{Error, Portal, Result, idempotency::Key},
    store::{self, Acceptance, NewJob, Tx},
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Jobs in one transaction at most: others who write wait for its end.
const TOGETHER: usize = 100;

/// How often a name is drawn that turns out to be taken. Six characters of 32 are a thousand million names for one title.
const DRAWS: u32 = 5;

/// Draws the bytes that set apart the names of jobs of the same title.
pub type Draw = fn() -> anyhow::Result<[u8; 6]>;

/// The queue before the commit; cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    waiting: Arc<Mutex<Vec<Waiting>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    draw: Draw,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::drawing(|| {
            let mut random = [0; 6];
            getrandom::fill(&mut random)?;
            Ok(random)
        })
    }
}

/// A job to be accepted, and by whom.
#[derive(Clone)]
pub(super) struct Wanted {
    pub permit: Permitted<ProjectId>,
    pub actor: Actor,
    pub job: NewJob,
    pub key: Option<Key>,
}

struct Waiting {
    wanted: Wanted,
    tell: oneshot::Sender<Result<i64, store::Error>>,
}

impl Acceptor {
    /// One whose names come from elsewhere.
    pub fn drawing(draw: Draw) -> Self {
        Self {
            waiting: Arc::default(),
            turn: Arc::default(),
            draw,
        }
    }

    /// A name for a job of this title, most likely a new one.
    pub(super) fn draw_name(&self, title: &Title) -> Result<ObjectName> {
        Ok(ObjectName::for_job(title, (self.draw)()?))
    }

    /// How many callers wait for the next commit at this moment.
    pub fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// The job with its number, once it is on disk; under another name where its own was taken.
    pub(super) async fn accept(
        &self,
        portal: &Portal,
        mut wanted: Wanted,
    ) -> Result<Result<(NewJob, i64), store::Error>> {
        for _ in 0..DRAWS {
            match self.commit(portal, wanted.clone()).await? {
                Ok(number) => return Ok(Ok((wanted.job, number))),
                Err(store::Error::Duplicate(what)) if what.contains("slug") => {
                    wanted.job.slug = self.draw_name(&wanted.job.spec.name)?;
                }
                Err(other) => return Ok(Err(other)),
            }
        }
        Err(Error::Internal(anyhow::anyhow!(
            "{DRAWS} names in a row were taken"
        )))
    }

    async fn commit(&self, portal: &Portal, wanted: Wanted) -> Result<Result<i64, store::Error>> {
        let (tell, mut told) = oneshot::channel();
        self.lock().push(Waiting { wanted, tell });
        let answer = tokio::select! {
            biased;
            answer = &mut told => answer,
            turn = self.turn.clone().lock_owned() => {
                let (acceptor, portal) = (self.clone(), portal.clone());
                // A task of its own: a caller who goes away must not take the others with him.
                tokio::spawn(async move {
                    acceptor.commit_waiting(&portal).await;
                    drop(turn);
                });
                told.await
            }
        };
        answer
            .map_err(|_| Error::Internal(anyhow::anyhow!("the task that accepts jobs broke down")))
    }

    /// Those who wait. Who went away before his turn wants nothing any more: nobody would tell him of the job, and what he
    /// was permitted then he may not be now.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.tell.is_closed());
        waiting
    }

    async fn commit_waiting(&self, portal: &Portal) {
        if self.lock().is_empty() {
            return;
        }
        let begun = portal.store.begin().await;
        // Only now: who came while this waited for its connection comes along.
        let batch: Vec<Waiting> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(TOGETHER);
            waiting.drain(..count).collect()
        };
        let done = match begun {
            Ok(tx) => together(portal, tx, &batch).await,
            Err(error) => Err(error),
        };
        let error = match done {
            Ok(numbers) => {
                for (waiting, number) in batch.into_iter().zip(numbers) {
                    // A caller who went away only now finds the job by its key.
                    let _ = waiting.tell.send(Ok(number));
                }
                return;
            }
            Err(error) => error,
        };
        tracing::debug!(%error, jobs = batch.len(), "jobs were not accepted together");
        let mut away = cause_away(&error);
        let mut only = Some(error).filter(|_| batch.len() == 1);
        for Waiting { wanted, tell } in batch {
            let answer = match (&away, only.take()) {
                // Each would wait as long as this one did, and those behind for all of them.
                (Some(cause), _) => Err(store::Error::Unavailable(cause.clone())),
                (None, Some(error)) => Err(error),
                (None, None) => alone(portal, &wanted).await,
            };
            if let Err(error) = &answer {
                away = away.or_else(|| cause_away(error));
            }
            let _ = tell.send(answer);
        }
    }
}

/// Why the database does not answer, if that is what the error says.
fn cause_away(error: &store::Error) -> Option<store::Away> {
    match error {
        store::Error::Unavailable(cause) => Some(cause.clone()),
        _ => None,
    }
}

async fn together(
    portal: &Portal,
    mut tx: Tx,
    batch: &[Waiting],
) -> Result<Vec<i64>, store::Error> {
    let wanted: Vec<&Wanted> = batch.iter().map(|waiting| &waiting.wanted).collect();
    let numbers = write(portal, &mut tx, &wanted).await?;
    tx.commit().await?;
    Ok(numbers)
}

/// After a batch that failed, perhaps with its commit's answer lost: it may be there already.
async fn alone(portal: &Portal, wanted: &Wanted) -> Result<i64, store::Error> {
    if let Some(place) = portal.store.find_job(wanted.job.id).await? {
        return Ok(place.job.number);
    }
    let mut tx = portal.store.begin().await?;
    let numbers = write(portal, &mut tx, &[wanted]).await?;
    tx.commit().await?;
    numbers
        .first()
        .copied()
        .ok_or(store::Error::Stale("the project"))
}

async fn write(portal: &Portal, tx: &mut Tx, all: &[&Wanted]) -> Result<Vec<i64>, store::Error> {
    for wanted in all {
        if let Some(key) = &wanted.key {
            let job = wanted.job.id.to_string();
            key.take(portal, tx, &wanted.actor, &job).await?;
        }
    }
    let acceptances: Vec<Acceptance> = all
        .iter()
        .map(|wanted| Acceptance {
            project: &wanted.permit,
            job: &wanted.job,
            actor: wanted.actor.user.name.as_str(),
        })
        .collect();
    tx.insert_jobs(&acceptances).await
}
