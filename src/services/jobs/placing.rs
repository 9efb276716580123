//! What the choice of a cluster looks at, and the choice shown to people.
use crate::{
    cluster::{
        Cluster,
        routing::{Candidate, Choice, choose},
    },
    domain::{
        job::{JobSpec, Resources, Size},
        names::ClusterName,
        quantity::human_bytes,
    },
    services::{Portal, Result, site},
    validate::Parts,
};
use futures::future::join_all;
use std::collections::HashSet;

/// Every cluster's health and load at one moment; a placement adds to the load. A cluster that is slow to answer holds up
/// neither a person nor the jobs that others can take.
pub struct Candidates {
    seen: Vec<Seen>,
    /// Where a job of the queue that is looked at waits for room.
    waited_for: HashSet<ClusterName>,
}

struct Seen {
    cluster: Cluster,
    healthy: std::result::Result<(), String>,
    load: Resources,
}

pub async fn candidates(portal: &Portal) -> Result<Candidates> {
    let looks = portal.clusters.iter().map(async |cluster| {
        let healthy = match site::check_up(cluster).await {
            Ok(check_up) => check_up.healthy,
            Err(why) => Err(format!("not asked: {why}")),
        };
        Ok(Seen {
            healthy,
            load: portal.store.find_load(cluster.name()).await?.resources,
            cluster: cluster.clone(),
        })
    });
    let seen: Result<Vec<_>> = join_all(looks).await.into_iter().collect();
    Ok(Candidates {
        seen: seen?,
        waited_for: HashSet::new(),
    })
}

impl Candidates {
    pub fn choose(&self, spec: &JobSpec, dice: f64) -> Choice {
        let size = spec.size();
        let all: Vec<Candidate> = self
            .seen
            .iter()
            .map(|seen| Candidate {
                name: seen.cluster.name().clone(),
                healthy: seen.healthy.clone(),
                offers: seen.cluster.offers(&spec.spark_version),
                capacity: seen.cluster.capacity(),
                load: seen.load,
                asks: seen.cluster.asks(&size),
                waited_for: self.waited_for.contains(seen.cluster.name()),
                weight: seen.cluster.weight(),
            })
            .collect();
        choose(&all, spec.cluster.as_ref(), &spec.spark_version, dice)
    }

    /// What a job takes on a cluster.
    pub fn asks(&self, cluster: &ClusterName, spec: &JobSpec) -> Resources {
        self.seen
            .iter()
            .find(|seen| seen.cluster.name() == cluster)
            .map_or_else(Resources::default, |seen| seen.cluster.asks(&spec.size()))
    }

    /// A job was placed there.
    pub fn take(&mut self, cluster: &ClusterName, asks: Resources) {
        for seen in &mut self.seen {
            if seen.cluster.name() == cluster {
                seen.load.cores += asks.cores;
                seen.load.memory = seen.load.memory.saturating_add(asks.memory);
            }
        }
    }

    /// Another queue is looked at: what one waits for keeps no other from its turn.
    pub fn begin_queue(&mut self) {
        self.waited_for.clear();
    }

    /// Jobs further back in the queue must not take the room that one waits for there.
    pub fn wait_for(&mut self, cluster: ClusterName) {
        self.waited_for.insert(cluster);
    }

    /// Whether no job further back in the queue can be placed, whatever it asks for.
    pub fn take_no_more(&self) -> bool {
        self.seen
            .iter()
            .all(|seen| seen.healthy.is_err() || self.waited_for.contains(seen.cluster.name()))
    }
}

/// The choice as it would be now, for people.
pub async fn placement(portal: &Portal, spec: &JobSpec) -> Result<Choice> {
    Ok(candidates(portal).await?.choose(spec, 0.5))
}

/// The clusters that a job may go to: all of them, or the one that it is pinned to.
pub(super) fn eligible<'a>(
    portal: &'a Portal,
    pinned: Option<&'a ClusterName>,
) -> impl Iterator<Item = &'a Cluster> {
    let all = portal.clusters.iter();
    all.filter(move |cluster| pinned.is_none_or(|pinned| pinned == cluster.name()))
}

/// What of a job's wishes would be overridden wherever it may run, so that nobody takes it for done.
pub(super) fn overridden(portal: &Portal, parts: &Parts) -> Vec<(String, String)> {
    eligible(portal, parts.cluster.as_ref())
        .map(|cluster| cluster.overrides(&parts.conf, &parts.env))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// The field and the sentence where no cluster could ever hold this job.
pub(super) fn never_fits(
    portal: &Portal,
    pinned: Option<&ClusterName>,
    size: &Size,
) -> Option<(&'static str, String)> {
    let mut why = None;
    for cluster in eligible(portal, pinned) {
        let (asks, Some(capacity)) = (cluster.asks(size), cluster.capacity()) else {
            return None;
        };
        if asks.cores > capacity.cores {
            why = Some((
                "/executor/instances",
                format!(
                    "The job asks for {} cores in all; the most that can be had is {}. Ask for fewer executors or fewer cores in each.",
                    asks.cores, capacity.cores
                ),
            ));
        } else if asks.memory > capacity.memory {
            why = Some((
                "/executor/memory",
                format!(
                    "The job asks for {} of memory in all; the most that can be had is {}.",
                    human_bytes(asks.memory),
                    human_bytes(capacity.memory)
                ),
            ));
        } else {
            return None;
        }
    }
    why
}
