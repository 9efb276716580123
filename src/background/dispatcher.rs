//! Places waiting jobs: per queue by priority and number, on a cluster that has room now. Says why the others wait.
use super::Worker;
use crate::{
    cluster::routing::Verdict,
    domain::job::Job,
    services::{self, Portal, attempts, jobs},
    store::{Lease, QueueState},
};
use std::time::Duration;

/// How many of a queue are looked at in one tick.
const LOOK: u32 = 50;

pub struct Dispatcher(pub Portal);

impl Worker for Dispatcher {
    const NAME: &'static str = "dispatcher";
    const PERIOD: Duration = Duration::from_secs(2);

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let portal = &self.0;
        let mut candidates = jobs::candidates(portal).await?;
        for (queue, state) in portal.store.list_queue_states().await? {
            let waiting = portal
                .store
                .list_placeable(&queue, portal.clock.now(), LOOK)
                .await?;
            for job in &waiting {
                if state == QueueState::Hold {
                    attempts::waits(portal, lease, job, "The queue is on hold.").await?;
                    continue;
                }
                consider(portal, lease, job, &mut candidates).await?;
            }
        }
        Ok(())
    }
}

async fn consider(
    portal: &Portal,
    lease: &Lease,
    job: &Job,
    candidates: &mut jobs::Candidates,
) -> anyhow::Result<()> {
    let choice = candidates.choose(&job.spec, rand::random());
    let Some(cluster) = choice.placed.clone() else {
        for (name, verdict) in &choice.verdicts {
            if matches!(verdict, Verdict::Full(_)) {
                candidates.wait_for(name.clone());
            }
        }
        attempts::waits(portal, lease, job, &choice.reason()).await?;
        return Ok(());
    };
    let load = candidates.take(&cluster, &job.spec);
    match attempts::place(portal, lease, job, &cluster, load).await {
        // A conflict: it was cancelled or deleted meanwhile.
        Ok(()) | Err(services::Error::Conflict(_)) => {}
        Err(services::Error::Unavailable(what)) => {
            attempts::waits(
                portal,
                lease,
                job,
                &format!("Not available now: {}.", what.join(", ")),
            )
            .await?;
        }
        Err(other) => return Err(other.into()),
    }
    Ok(())
}
