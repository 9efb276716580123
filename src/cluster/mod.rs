//! Where jobs run: one interface, an enum of the kinds of cluster. It speaks of objects and drivers only: which job, whose,
//! and what follows from an end is the services' business.
use crate::{
    domain::{
        job::{EnvValue, Exit, Resources, Size},
        names::{ClusterName, ObjectName, StreamName},
    },
    manifest::SparkApplication,
};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;

pub mod local;
pub mod routing;

/// The clusters that this portal knows.
#[derive(Debug, Clone, Default)]
pub struct Clusters(Vec<Cluster>);

impl Clusters {
    pub fn new(clusters: Vec<Cluster>) -> Self {
        Self(clusters)
    }

    pub fn get(&self, name: &ClusterName) -> Option<&Cluster> {
        self.0.iter().find(|cluster| cluster.name() == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.0.iter()
    }
}

/// One cluster; cheap to clone.
#[derive(Debug, Clone)]
pub enum Cluster {
    Local(local::Local),
}

/// What a caller can act on. The messages are for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot do this now; later it may.
    #[error("{0}")]
    Unavailable(String),
    /// It will not do this, however often it is asked.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

/// What a cluster knows of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub state: DriverState,
    /// What Spark calls it, where that is known.
    pub spark_app_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverState {
    /// Nothing of it was ever started here.
    Absent,
    Starting {
        /// Why it waits, in words.
        reason: Option<String>,
    },
    Running {
        since: Timestamp,
    },
    /// Known gone, with all that it started.
    Gone(Exit),
}

/// Some bytes of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    pub bytes: Bytes,
    /// Nothing will ever follow these bytes.
    pub end: bool,
}

/// Whether a cluster can take jobs, and how that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckUp {
    /// If not, the sentence that says what is wrong and what to do.
    pub healthy: Result<(), String>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, such as `Java`.
    pub what: &'static str,
    pub state: FindingState,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingState {
    Fine,
    Warning,
    Failed,
}

impl Cluster {
    pub fn name(&self) -> &ClusterName {
        match self {
            Self::Local(local) => local.name(),
        }
    }

    pub fn namespace(&self) -> &str {
        match self {
            Self::Local(_) => "local",
        }
    }

    /// All that it has for jobs; `None` when that is not known.
    pub fn capacity(&self) -> Option<Resources> {
        match self {
            Self::Local(local) => local.capacity(),
        }
    }

    /// What a job would take here, which need not be what it asks for elsewhere.
    pub fn asks(&self, size: &Size) -> Resources {
        match self {
            Self::Local(_) => local::asks(size),
        }
    }

    /// Whether an environment variable of a job here can take its value from a secret.
    pub fn takes_secrets(&self) -> bool {
        match self {
            Self::Local(_) => false,
        }
    }

    /// Spark conf that stands there whatever a job says.
    pub fn fixed_conf(&self) -> BTreeMap<String, String> {
        match self {
            Self::Local(_) => local::fixed_conf(),
        }
    }

    /// What of a job's wishes it would override: each by its field, with the sentence that says what would be right.
    pub fn overrides(
        &self,
        conf: &BTreeMap<String, String>,
        env: &BTreeMap<String, EnvValue>,
    ) -> Vec<(String, String)> {
        match self {
            Self::Local(_) => local::overridden(conf, env),
        }
    }

    /// Whether it runs this Spark, such as `3.5`, as the latest check-up found; before the first one it runs none.
    pub fn offers(&self, spark_version: &str) -> bool {
        match self {
            Self::Local(local) => local.offers(spark_version),
        }
    }

    /// Creates the object, which starts its driver. An object of that name that stands already is success.
    pub async fn create(&self, application: &SparkApplication) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.create(application).await,
        }
    }

    /// What became of it. Where its runner died this also clears away what it left, and says `Gone` only then.
    pub async fn observe(&self, object: &ObjectName) -> Result<Observation, Error> {
        match self {
            Self::Local(local) => local.observe(object).await,
        }
    }

    /// The logs that can be read now.
    pub async fn streams(&self, object: &ObjectName) -> Result<Vec<StreamName>, Error> {
        match self {
            Self::Local(local) => local.streams(object).await,
        }
    }

    /// At most `max` bytes of a log, from offset `from`. Of an object that does not exist: nothing, and that at its end.
    pub async fn read_log(
        &self,
        object: &ObjectName,
        stream: &StreamName,
        from: u64,
        max: usize,
    ) -> Result<LogPiece, Error> {
        match self {
            Self::Local(local) => local.read_log(object, stream, from, max).await,
        }
    }

    /// A wish that its driver ends; `observe` tells when it has. Again is no error, and an object that was never started never
    /// will be after this.
    pub async fn stop(&self, object: &ObjectName) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.stop(object).await,
        }
    }

    /// Removes the object and its logs; refused while its driver is not gone. Again is no error.
    pub async fn delete(&self, object: &ObjectName) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.delete(object).await,
        }
    }

    /// All objects of this portal that stand there.
    pub async fn objects(&self) -> Result<Vec<ObjectName>, Error> {
        match self {
            Self::Local(local) => local.objects().await,
        }
    }

    /// Looks whether it can take jobs; the answer is at most 30 seconds old.
    pub async fn check_up(&self) -> CheckUp {
        match self {
            Self::Local(local) => local.check_up().await,
        }
    }
}
