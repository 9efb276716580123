//! Watches living attempts on their clusters: makes what is not there yet, notes what runs, carries out wishes to
//! cancel, and settles what has ended. A silent cluster is no end.
use super::Worker;
use crate::{
    cluster::{self, Cluster, DriverState, Object},
    domain::{
        job::{Attempt, AttemptPhase, Exit},
        names::StreamName,
    },
    services::{self, Portal, attempts, jobs},
    store::{Lease, Place},
};
use std::time::Duration;

pub struct Monitor(pub Portal);

impl Worker for Monitor {
    const NAME: &'static str = "monitor";
    const PERIOD: Duration = Duration::from_secs(1);

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let portal = &self.0;
        for cluster in portal.clusters.iter() {
            for attempt in portal.store.list_live_attempts(cluster.name()).await? {
                let Some(place) = portal.store.find_job(attempt.job).await? else {
                    continue;
                };
                match look(portal, lease, cluster, &place, &attempt).await {
                    // A conflict: somebody else moved it, and the next tick sees how it is.
                    Ok(()) | Err(services::Error::Conflict(_)) => {}
                    Err(error) => {
                        tracing::warn!(job = %attempt.job, attempt = attempt.number, error = ?error, "an attempt was not looked after");
                    }
                }
            }
        }
        Ok(())
    }
}

async fn look(
    portal: &Portal,
    lease: &Lease,
    cluster: &Cluster,
    place: &Place,
    attempt: &Attempt,
) -> services::Result<()> {
    let job = &place.job;
    if attempt.phase == AttemptPhase::Ending {
        let streams = portal
            .store
            .list_log_streams(job.id, attempt.number)
            .await?;
        if !streams.is_empty() && streams.iter().all(|stream| stream.complete) {
            attempts::settle(portal, lease, job, attempt).await?;
        }
        return Ok(());
    }
    if job.cancel_requested.is_some()
        && let Err(error) = cluster.stop(&Object::of(attempt)).await
    {
        return not_heard(portal, lease, place, &error).await;
    }
    let observation = match cluster.observe(&Object::of(attempt)).await {
        Ok(observation) => observation,
        Err(error) => return not_heard(portal, lease, place, &error).await,
    };
    attempts::heard(portal, lease, job).await?;
    match observation.state {
        DriverState::Absent if attempts::may_create(attempt, portal.clock.now()) => {
            create(portal, lease, cluster, place, attempt).await
        }
        DriverState::Absent => {
            // From here on nothing may start under this name.
            if let Err(error) = cluster.stop(&Object::of(attempt)).await {
                return not_heard(portal, lease, place, &error).await;
            }
            let why = format!("Its object vanished from {}.", cluster.name());
            attempts::ending(portal, lease, attempt, &Exit::Vanished { why }).await
        }
        DriverState::Starting { reason } => {
            if attempt.seen_at.is_none() {
                attempts::seen(portal, lease, attempt, observation.spark_app_id.as_deref()).await?;
            }
            attempts::waits(
                portal,
                lease,
                job,
                reason.as_deref().unwrap_or("The driver starts."),
            )
            .await
        }
        DriverState::Running { since } => {
            if attempt.seen_at.is_none() {
                attempts::seen(portal, lease, attempt, observation.spark_app_id.as_deref()).await?;
            }
            if attempt.phase == AttemptPhase::Starting {
                attempts::running(portal, lease, job, attempt, since).await?;
            }
            Ok(())
        }
        DriverState::Gone(exit) => attempts::ending(portal, lease, attempt, &exit).await,
    }
}

async fn create(
    portal: &Portal,
    lease: &Lease,
    cluster: &Cluster,
    place: &Place,
    attempt: &Attempt,
) -> services::Result<()> {
    let object = jobs::placed(portal, place, attempt).await?;
    match cluster.create(&object.app).await {
        Ok(()) => attempts::seen(portal, lease, attempt, None).await,
        Err(cluster::Error::Refused(why)) => {
            if let Err(error) = cluster.stop(&Object::of(attempt)).await {
                return not_heard(portal, lease, place, &error).await;
            }
            attempts::ending(portal, lease, attempt, &Exit::Refused { why }).await
        }
        Err(error) => not_heard(portal, lease, place, &error).await,
    }
}

/// The attempt stays as it is until its cluster answers.
async fn not_heard(
    portal: &Portal,
    lease: &Lease,
    place: &Place,
    error: &cluster::Error,
) -> services::Result<()> {
    attempts::waits(portal, lease, &place.job, &error.to_string()).await
}

/// Which streams an attempt has at least, once it has ended.
pub fn least_streams() -> [StreamName; 1] {
    [StreamName::driver()]
}
