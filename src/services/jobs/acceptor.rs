//! Commits waiting acceptances together: one commit, which waits for the disk, serves all that came while the one before it
//! was under way. Each caller gets its own answer, and one that fails fails alone.
use crate::{
    domain::{
        access::{Actor, Permitted},
        ids::ProjectId,
    },
    services::{Error, Portal, Result, idempotency::Key},
    store::{self, Acceptance, NewJob, Tx},
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Jobs in one transaction at most: others who write wait for its end.
const TOGETHER: usize = 100;

/// The queue before the commit; cheap to clone.
#[derive(Clone, Default)]
pub struct Acceptor {
    waiting: Arc<Mutex<Vec<Waiting>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A job to be accepted, and by whom.
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
    /// The job's number, once it is on disk.
    pub(super) async fn accept(
        &self,
        portal: &Portal,
        wanted: Wanted,
    ) -> Result<Result<i64, store::Error>> {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        match done {
            Ok(numbers) => {
                for (waiting, number) in batch.into_iter().zip(numbers) {
                    // A caller who went away finds the job by its key.
                    let _ = waiting.tell.send(Ok(number));
                }
            }
            Err(error) if batch.len() == 1 => {
                if let Some(only) = batch.into_iter().next() {
                    let _ = only.tell.send(Err(error));
                }
            }
            Err(error) => {
                tracing::debug!(%error, jobs = batch.len(), "jobs are accepted one by one");
                for Waiting { wanted, tell } in batch {
                    let _ = tell.send(alone(portal, &wanted).await);
                }
            }
        }
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
