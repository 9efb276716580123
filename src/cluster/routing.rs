//! Which cluster takes a job: pure, so that the choice can be shown and tested.
use crate::domain::{job::Resources, names::ClusterName};

/// A cluster as the choice sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub name: ClusterName,
    pub healthy: Result<(), String>,
    /// Whether it offers the job's Spark version.
    pub offers: bool,
    pub capacity: Option<Resources>,
    /// What runs there takes.
    pub load: Resources,
    /// What this job would take there.
    pub asks: Resources,
    /// A job before this one in the queue waits for room there.
    pub waited_for: bool,
    pub weight: u32,
}

/// Why a cluster takes a job, or not, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Fits,
    /// Later, perhaps.
    Waits(String),
    /// For want of room alone: the next job in the queue must not take what this one waits for.
    Full(String),
    /// Never as it is.
    Never(String),
}

/// The choice, with a verdict for every cluster.
#[derive(Debug, Clone)]
pub struct Choice {
    pub placed: Option<ClusterName>,
    pub verdicts: Vec<(ClusterName, Verdict)>,
}

impl Choice {
    /// Why the job waits, in one sentence.
    pub fn reason(&self) -> String {
        if self.verdicts.is_empty() {
            return "There is no cluster here that takes jobs.".into();
        }
        let say = |(name, verdict): &(ClusterName, Verdict)| match verdict {
            Verdict::Fits => format!("{name} has room"),
            Verdict::Waits(why) | Verdict::Full(why) | Verdict::Never(why) => {
                format!("{name}: {why}")
            }
        };
        self.verdicts.iter().map(say).collect::<Vec<_>>().join("; ")
    }
}

/// Among the clusters that fit, one by weight: each with the probability weight / sum of weights. `dice` is from 0 to 1.
pub fn choose(
    candidates: &[Candidate],
    pinned: Option<&ClusterName>,
    version: &str,
    dice: f64,
) -> Choice {
    let verdicts: Vec<_> = candidates
        .iter()
        .map(|candidate| (candidate.name.clone(), judge(candidate, pinned, version)))
        .collect();
    let fitting: Vec<_> = candidates
        .iter()
        .zip(&verdicts)
        .filter(|(_, (_, verdict))| *verdict == Verdict::Fits)
        .map(|(candidate, _)| candidate)
        .collect();
    let total: u32 = fitting.iter().map(|c| c.weight).sum();
    let mut left = dice * f64::from(total);
    let placed = fitting
        .iter()
        .find(|candidate| {
            left -= f64::from(candidate.weight);
            left < 0.0
        })
        .or(fitting.last())
        .map(|candidate| candidate.name.clone());
    Choice { placed, verdicts }
}

fn judge(candidate: &Candidate, pinned: Option<&ClusterName>, version: &str) -> Verdict {
    if pinned.is_some_and(|pinned| *pinned != candidate.name) {
        return Verdict::Never("the job asks for another cluster".into());
    }
    if let Err(why) = &candidate.healthy {
        return Verdict::Waits(why.clone());
    }
    if !candidate.offers {
        return Verdict::Waits(format!("it does not offer Spark {version}"));
    }
    let Some(capacity) = candidate.capacity else {
        return Verdict::Fits;
    };
    let asks = candidate.asks;
    if asks.cores > capacity.cores || asks.memory > capacity.memory {
        return Verdict::Never(too_large(asks, capacity));
    }
    if candidate.waited_for {
        return Verdict::Full("a job before this one waits for room".into());
    }
    let free = Resources {
        cores: capacity.cores.saturating_sub(candidate.load.cores),
        memory: capacity.memory.saturating_sub(candidate.load.memory),
    };
    if asks.cores > free.cores {
        return Verdict::Full(format!(
            "{} of {} cores are free, {} are needed",
            free.cores, capacity.cores, asks.cores
        ));
    }
    if asks.memory > free.memory {
        return Verdict::Full(format!(
            "{} of {} memory are free, {} are needed",
            crate::domain::quantity::human_bytes(free.memory),
            crate::domain::quantity::human_bytes(capacity.memory),
            crate::domain::quantity::human_bytes(asks.memory)
        ));
    }
    Verdict::Fits
}

fn too_large(asks: Resources, capacity: Resources) -> String {
    if asks.cores > capacity.cores {
        format!(
            "it has {} cores, the job needs {}",
            capacity.cores, asks.cores
        )
    } else {
        format!(
            "it has {} of memory, the job needs {}",
            crate::domain::quantity::human_bytes(capacity.memory),
            crate::domain::quantity::human_bytes(asks.memory)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str) -> Candidate {
        Candidate {
            name: ClusterName::parse(name).expect("name"),
            healthy: Ok(()),
            offers: true,
            capacity: Some(Resources {
                cores: 4,
                memory: 8 << 30,
            }),
            load: Resources::default(),
            asks: Resources {
                cores: 2,
                memory: 2 << 30,
            },
            waited_for: false,
            weight: 1,
        }
    }

    #[test]
    fn weights_are_probabilities() {
        let all = [
            candidate("a"),
            Candidate {
                weight: 3,
                ..candidate("b")
            },
        ];
        let at = |dice| {
            choose(&all, None, "3.5", dice)
                .placed
                .expect("placed")
                .to_string()
        };
        assert_eq!(
            (at(0.0), at(0.24), at(0.26), at(0.999)),
            ("a".into(), "a".into(), "b".into(), "b".into())
        );
    }

    #[test]
    fn every_refusal_says_why() {
        let sick = Candidate {
            healthy: Err("no Java".into()),
            ..candidate("sick")
        };
        let old = Candidate {
            offers: false,
            ..candidate("old")
        };
        let full = Candidate {
            load: Resources {
                cores: 3,
                memory: 0,
            },
            ..candidate("full")
        };
        let small = Candidate {
            capacity: Some(Resources {
                cores: 1,
                memory: 8 << 30,
            }),
            ..candidate("small")
        };
        let choice = choose(&[sick, old, full, small], None, "3.5", 0.5);
        assert_eq!(choice.placed, None);
        assert_eq!(
            choice.reason(),
            "sick: no Java; old: it does not offer Spark 3.5; full: 1 of 4 cores are free, 2 are needed; \
             small: it has 1 cores, the job needs 2"
        );
        assert_eq!(
            choose(&[candidate("a")], Some(&ClusterName::local()), "3.5", 0.5).placed,
            None
        );
    }
}
