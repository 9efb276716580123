//! Places waiting jobs: per queue by priority and number, on a cluster that has room now. Says why the others wait.
use super::Worker;
use crate::{
    cluster::routing::Verdict,
    domain::{job::Job, names::QueueName},
    services::{
        Portal,
        attempts::{self, Placed},
        jobs::{self, Candidates},
    },
    store::{Lease, QueueState, Turn},
};
use std::{collections::HashMap, time::Duration};

/// Jobs of a queue that are read at once.
const PAGE: u32 = 100;
/// Pages of a queue that one tick looks at, where none of their jobs can be placed and there is room for others.
const PAGES: u32 = 5;

pub struct Dispatcher {
    portal: Portal,
    /// Where the tick before stopped, in queues of which it did not see the end.
    reached: HashMap<QueueName, Turn>,
}

impl Dispatcher {
    pub fn new(portal: Portal) -> Self {
        Self {
            portal,
            reached: HashMap::new(),
        }
    }
}

impl Worker for Dispatcher {
    const NAME: &'static str = "dispatcher";
    const PERIOD: Duration = Duration::from_secs(2);

    /// Only the database and the lease can end it early: what is wrong with one job is that job's own.
    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let mut candidates = jobs::candidates(&self.portal).await?;
        for (queue, state) in self.portal.store.list_queue_states().await? {
            candidates.begin_queue();
            let reached = self.reached.remove(&queue);
            if let Some(turn) = self
                .look(lease, &queue, state, reached, &mut candidates)
                .await?
            {
                self.reached.insert(queue, turn);
            }
        }
        Ok(())
    }
}

impl Dispatcher {
    /// Looks at the head of a queue, then on from where the tick before stopped. Where this one stops short of the end, the
    /// answer says where.
    async fn look(
        &self,
        lease: &Lease,
        queue: &QueueName,
        state: QueueState,
        reached: Option<Turn>,
        candidates: &mut Candidates,
    ) -> anyhow::Result<Option<Turn>> {
        let mut after = None;
        for page in 0..PAGES {
            let waiting = self
                .portal
                .store
                .list_placeable(queue, self.portal.clock.now(), after, PAGE)
                .await?;
            let mut reasons = Vec::new();
            for job in &waiting {
                if let Some(why) = self.consider(lease, job, state, candidates).await? {
                    reasons.push((job, why));
                }
            }
            attempts::wait(&self.portal, lease, &reasons).await?;
            let Some(last) = waiting.last().filter(|_| waiting.len() == PAGE as usize) else {
                return Ok(None);
            };
            if candidates.take_no_more() {
                return Ok(None);
            }
            after = Some(Turn::of(last));
            if page == 0 && reached.is_some() {
                after = reached;
            }
        }
        Ok(after)
    }

    /// Places a job or says why it waits.
    async fn consider(
        &self,
        lease: &Lease,
        job: &Job,
        state: QueueState,
        candidates: &mut Candidates,
    ) -> anyhow::Result<Option<String>> {
        if job.cancel_requested.is_some() {
            attempts::end_unwanted(&self.portal, lease, job).await?;
            return Ok(None);
        }
        if state == QueueState::Hold {
            return Ok(Some("The queue is on hold.".into()));
        }
        let choice = candidates.choose(&job.spec, rand::random());
        let Some(cluster) = &choice.placed else {
            for (name, verdict) in &choice.verdicts {
                if matches!(verdict, Verdict::Full(_)) {
                    candidates.wait_for(name.clone());
                }
            }
            return Ok(Some(choice.reason()));
        };
        let asks = candidates.asks(cluster, &job.spec);
        if attempts::place(&self.portal, lease, job, cluster, asks).await? == Placed::Starts {
            candidates.take(cluster, asks);
        }
        Ok(None)
    }
}
