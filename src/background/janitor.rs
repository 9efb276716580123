//! Clears up: objects of ended attempts whose logs are kept, objects that no attempt knows of, uploads that nobody ends,
//! ended sessions, old keys, tokens that expired a month ago.
use super::Worker;
use crate::{
    cluster::Object,
    domain::access::Permitted,
    services::{Portal, accounts},
    store::Lease,
};
use jiff::{Timestamp, ToSpan as _};
use std::time::Duration;

/// How often strays and abandoned uploads are looked for. They are rare: what a kill or a release before left behind, or
/// a database set back.
const STRAYS: Duration = Duration::from_secs(3600);

pub struct Janitor {
    portal: Portal,
    looked_for_strays: Option<Timestamp>,
}

impl Janitor {
    pub fn new(portal: Portal) -> Self {
        Self {
            portal,
            looked_for_strays: None,
        }
    }

    /// Deletes the objects that no attempt knows of. An attempt's row is there before its object and goes after it.
    async fn strays(&mut self) -> anyhow::Result<()> {
        let now = self.portal.clock.now();
        let due = self.looked_for_strays.map(|last| last.checked_add(STRAYS));
        if due.transpose()?.is_some_and(|due| now < due) {
            return Ok(());
        }
        for cluster in self.portal.clusters.iter() {
            let objects = match cluster.objects().await {
                Ok(objects) => objects,
                Err(error) => {
                    tracing::warn!(cluster = %cluster.name(), %error, "its objects were not listed");
                    continue;
                }
            };
            for object in objects {
                if self.portal.store.is_object_known(&object.name).await? {
                    continue;
                }
                if let Err(error) = cluster.delete(&object).await {
                    tracing::warn!(%object, %error, "a stray object was not deleted");
                    continue;
                }
                tracing::info!(%object, "an object that no attempt knows of was deleted");
            }
        }
        match self.portal.storage.tidy(now).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "abandoned uploads were taken away"),
            Err(error) => tracing::warn!(%error, "abandoned uploads were not looked for"),
        }
        self.looked_for_strays = Some(now);
        Ok(())
    }
}

impl Worker for Janitor {
    const NAME: &'static str = "janitor";
    const PERIOD: Duration = Duration::from_secs(60);
    const WOKEN: bool = false;

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        self.strays().await?;
        let portal = &self.portal;
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
            if let Err(error) = cluster.delete(&Object::of(&attempt)).await {
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
        tx.delete_old_logout_tokens(now).await?;
        tx.delete_old_keys(now.checked_sub(24.hours())?).await?;
        tx.delete_expired_tokens(now.checked_sub((30 * 24).hours())?)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
