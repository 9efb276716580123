//! Merges the parts of complete logs into archives. A long log takes minutes: live ones do not wait for it.
use super::Worker;
use crate::{
    services::{Portal, logs},
    store::Lease,
};
use std::time::Duration;

pub struct LogMerger(pub Portal);

impl Worker for LogMerger {
    const NAME: &'static str = "log_merger";
    const PERIOD: Duration = Duration::from_secs(2);

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let portal = &self.0;
        for row in portal.store.list_unmerged_streams(10).await? {
            let Some(place) = portal.store.find_job(row.job).await? else {
                continue;
            };
            if let Err(error) = logs::merge(portal, lease, &row, place.job.project).await {
                tracing::warn!(job = %row.job, error = ?error, "a log was not merged; the next tick tries again");
            }
        }
        Ok(())
    }
}
