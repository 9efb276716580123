//! What the choice of a cluster looks at, and the choice shown to people.
use crate::{
    cluster::{
        Cluster,
        routing::{Candidate, Choice, choose},
    },
    domain::{
        job::{JobSpec, Resources},
        names::ClusterName,
        quantity::human_bytes,
    },
    services::{Portal, Result, site},
};
use futures::future::join_all;
use std::collections::HashMap;

/// Every cluster's health and load at one moment; a placement adds to the load. A cluster that is slow to answer holds up
/// neither a person nor the jobs that others can take.
pub struct Candidates {
    seen: Vec<Seen>,
    waited_for: HashMap<ClusterName, bool>,
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
        waited_for: HashMap::new(),
    })
}

impl Candidates {
    pub fn choose(&self, spec: &JobSpec, dice: f64) -> Choice {
        let all: Vec<Candidate> = self
            .seen
            .iter()
            .map(|seen| Candidate {
                name: seen.cluster.name().clone(),
                healthy: seen.healthy.clone(),
                offers: seen.cluster.offers(&spec.spark_version),
                capacity: seen.cluster.capacity(),
                load: seen.load,
                asks: seen.cluster.asks(spec),
                waited_for: self.waited_for.contains_key(seen.cluster.name()),
                weight: 1,
            })
            .collect();
        choose(&all, spec.cluster.as_ref(), &spec.spark_version, dice)
    }

    /// What a job takes on a cluster, which is now taken.
    pub fn take(&mut self, cluster: &ClusterName, spec: &JobSpec) -> Resources {
        for seen in &mut self.seen {
            if seen.cluster.name() == cluster {
                let asks = seen.cluster.asks(spec);
                seen.load.cores += asks.cores;
                seen.load.memory = seen.load.memory.saturating_add(asks.memory);
                return asks;
            }
        }
        Resources::default()
    }

    /// Jobs further back must not take the room that one waits for there.
    pub fn wait_for(&mut self, cluster: ClusterName) {
        self.waited_for.insert(cluster, true);
    }
}

/// The choice as it would be now, for people.
pub async fn placement(portal: &Portal, spec: &JobSpec) -> Result<Choice> {
    Ok(candidates(portal).await?.choose(spec, 0.5))
}

/// What of a job's wishes would be overridden wherever it may run, so that nobody takes it for done.
pub(super) fn overridden(portal: &Portal, spec: &JobSpec) -> Vec<(String, String)> {
    let pinned = |cluster: &&Cluster| {
        spec.cluster
            .as_ref()
            .is_none_or(|name| name == cluster.name())
    };
    let all = portal.clusters.iter().filter(pinned);
    all.map(|cluster| cluster.overrides(spec))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

/// The field and the sentence where no cluster could ever hold this job.
pub(super) fn never_fits(portal: &Portal, spec: &JobSpec) -> Option<(&'static str, String)> {
    let mut why = None;
    for cluster in portal.clusters.iter() {
        if spec
            .cluster
            .as_ref()
            .is_some_and(|pinned| pinned != cluster.name())
        {
            continue;
        }
        let (asks, Some(capacity)) = (cluster.asks(spec), cluster.capacity()) else {
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
