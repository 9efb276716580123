//! Clears up: objects of ended attempts whose logs are kept, ended sessions, old keys, tokens that expired a month ago.
use super::Worker;
use crate::{
    domain::access::Permitted,
    services::{Portal, accounts},
    store::Lease,
};
use jiff::ToSpan as _;
use std::time::Duration;

pub struct Janitor(pub Portal);

impl Worker for Janitor {
    const NAME: &'static str = "janitor";
    const PERIOD: Duration = Duration::from_secs(60);
    const WOKEN: bool = false;

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let portal = &self.0;
        let now = portal.clock.now();
        let kept = Duration::from_secs(portal.config.work.keep_objects_for_seconds);
        for attempt in portal
            .store
            .list_left_objects(now.checked_sub(kept)?, 100)
            .await?
        {
            let Some(cluster) = portal.clusters.get(&attempt.cluster) else {
                continue;
            };
            if let Err(error) = cluster.delete(&attempt.object).await {
                tracing::warn!(object = %attempt.object, %error, "an object was not deleted; the next tick tries again");
                continue;
            }
            let mut tx = portal.store.begin_under(lease).await?;
            tx.object_deleted(
                &Permitted::by_system(attempt.job, "the janitor"),
                attempt.number,
                now,
            )
            .await?;
            tx.commit().await?;
        }
        let (idle, born) = accounts::session_ends(portal);
        let mut tx = portal.store.begin_under(lease).await?;
        tx.delete_ended_sessions(idle, born).await?;
        tx.delete_old_keys(now.checked_sub(24.hours())?).await?;
        tx.delete_expired_tokens(now.checked_sub((30 * 24).hours())?)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
