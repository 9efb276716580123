//! Where jobs run: one interface, an enum of the kinds of cluster. It speaks of objects and drivers only: which job, whose,
//! and what follows from an end is the services' business.
use crate::{
    domain::{
        ids::ProjectId,
        job::{Attempt, EnvValue, Exit, Resources, Size},
        names::{ClusterName, ObjectName, StreamName},
    },
    manifest::SparkApplication,
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt};

pub mod kubernetes;
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
    Kubernetes(kubernetes::Kubernetes),
}

/// What a cluster was given for an attempt, by where it stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub namespace: String,
    pub name: ObjectName,
}

impl Object {
    pub fn of(attempt: &Attempt) -> Self {
        Self {
            namespace: attempt.namespace.clone(),
            name: attempt.object.clone(),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
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

/// What a cluster's operator says of every job there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    pub service_account: Option<String>,
    pub image_pull_policy: Option<String>,
    pub image_pull_secrets: Vec<String>,
    /// Spark conf, which a job may overrule.
    pub conf: BTreeMap<String, String>,
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

/// How far a log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Bytes from its beginning.
    pub offset: u64,
    /// What the piece before said of its end.
    pub cursor: Option<String>,
}

/// Some bytes of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    pub bytes: Bytes,
    /// What the cluster needs to find the end of these bytes again, where an offset does not tell it.
    pub cursor: Option<String>,
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
            Self::Kubernetes(kubernetes) => kubernetes.name(),
        }
    }

    /// Where a project's objects stand there.
    pub fn namespace(&self, project: ProjectId) -> &str {
        match self {
            Self::Local(_) => local::NAMESPACE,
            Self::Kubernetes(kubernetes) => kubernetes.namespace(project),
        }
    }

    /// The image that a Spark version has there, where the site's rules do not decide.
    pub fn image(&self, spark_version: &str) -> Option<&str> {
        match self {
            Self::Local(_) => None,
            Self::Kubernetes(kubernetes) => kubernetes.image(spark_version),
        }
    }

    /// What else is said of each object there.
    pub fn site(&self) -> Site {
        match self {
            Self::Local(_) => Site::default(),
            Self::Kubernetes(kubernetes) => kubernetes.site(),
        }
    }

    /// How often it is chosen among those that fit, against theirs.
    pub fn weight(&self) -> u32 {
        match self {
            Self::Local(_) => 1,
            Self::Kubernetes(kubernetes) => kubernetes.weight(),
        }
    }

    /// All that it has for jobs; `None` when that is not known or grows by itself.
    pub fn capacity(&self) -> Option<Resources> {
        match self {
            Self::Local(local) => local.capacity(),
            Self::Kubernetes(_) => None,
        }
    }

    /// What a job would take here, which need not be what it asks for elsewhere.
    pub fn asks(&self, size: &Size) -> Resources {
        match self {
            Self::Local(_) => local::asks(size),
            Self::Kubernetes(_) => size.resources(),
        }
    }

    /// Whether an environment variable of a job here can take its value from a secret.
    pub fn takes_secrets(&self) -> bool {
        match self {
            Self::Local(_) | Self::Kubernetes(_) => false,
        }
    }

    /// Spark conf that stands there whatever a job says.
    pub fn fixed_conf(&self) -> BTreeMap<String, String> {
        match self {
            Self::Local(_) => local::fixed_conf(),
            Self::Kubernetes(_) => BTreeMap::new(),
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
            Self::Kubernetes(_) => Vec::new(),
        }
    }

    /// Whether it runs this Spark, such as `3.5`, as its settings say or the latest check-up found.
    pub fn offers(&self, spark_version: &str) -> bool {
        match self {
            Self::Local(local) => local.offers(spark_version),
            Self::Kubernetes(kubernetes) => kubernetes.offers(spark_version),
        }
    }

    /// Creates the object, which starts its driver. An object of that name that stands already is success.
    pub async fn create(&self, application: &SparkApplication) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.create(application).await,
            Self::Kubernetes(kubernetes) => kubernetes.create(application).await,
        }
    }

    /// Whether it would take this object, without making it; `None` where there is nobody to ask.
    pub async fn dry_run(&self, application: &SparkApplication) -> Option<Result<(), Error>> {
        match self {
            Self::Local(_) => None,
            Self::Kubernetes(kubernetes) => Some(kubernetes.dry_run(application).await),
        }
    }

    /// What became of it. Where its runner died this also clears away what it left, and says `Gone` only then.
    pub async fn observe(&self, object: &Object) -> Result<Observation, Error> {
        match self {
            Self::Local(local) => local.observe(&object.name).await,
            Self::Kubernetes(kubernetes) => kubernetes.observe(object).await,
        }
    }

    /// The logs that can be read now.
    pub async fn streams(&self, object: &Object) -> Result<Vec<StreamName>, Error> {
        match self {
            Self::Local(local) => local.streams(&object.name).await,
            Self::Kubernetes(kubernetes) => kubernetes.streams(object).await,
        }
    }

    /// At most `max` bytes of a log, from where it was read to. Of an object that does not exist: nothing, and that at its end.
    pub async fn read_log(
        &self,
        object: &Object,
        stream: &StreamName,
        from: &LogPosition,
        max: usize,
    ) -> Result<LogPiece, Error> {
        match self {
            Self::Local(local) => local.read_log(&object.name, stream, from.offset, max).await,
            Self::Kubernetes(kubernetes) => kubernetes.read_log(object, stream, from, max).await,
        }
    }

    /// A wish that its driver ends; `observe` tells when it has. Again is no error, and an object that was never started never
    /// will be after this.
    pub async fn stop(&self, object: &Object) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.stop(&object.name).await,
            Self::Kubernetes(kubernetes) => kubernetes.stop(object).await,
        }
    }

    /// Removes the object and its logs; refused while its driver is not gone. Again is no error.
    pub async fn delete(&self, object: &Object) -> Result<(), Error> {
        match self {
            Self::Local(local) => local.delete(&object.name).await,
            Self::Kubernetes(kubernetes) => kubernetes.delete(object).await,
        }
    }

    /// All objects of this portal that stand there.
    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        match self {
            Self::Local(local) => {
                let names = local.objects().await?.into_iter();
                Ok(names.map(local::object).collect())
            }
            Self::Kubernetes(kubernetes) => kubernetes.objects().await,
        }
    }

    /// Looks whether it can take jobs; the answer is at most 30 seconds old.
    pub async fn check_up(&self) -> CheckUp {
        match self {
            Self::Local(local) => local.check_up().await,
            Self::Kubernetes(kubernetes) => kubernetes.check_up().await,
        }
    }
}
