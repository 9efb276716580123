//! `JobSpec` + placement + addresses + the site's conf → `SparkApplication`, and where each conf value came from.
use super::{
    ANNOTATION_MAX_RUN_SECONDS, ANNOTATION_TITLE, ANNOTATION_USER, Addresses, LABEL_ATTEMPT,
    LABEL_INSTALLATION, LABEL_JOB, LABEL_PROJECT, SparkApplication, resolve, secret_object,
    spark_application as object,
};
use crate::domain::{
    ids::{JobId, ProjectId},
    job::{EnvValue, JobSpec},
    names::{ClusterName, ObjectName},
    quantity::Memory,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One attempt of a job and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    pub job: JobId,
    pub project: ProjectId,
    pub attempt: u32,
    /// The object's name; the attempt's number is already in it.
    pub object: ObjectName,
    pub cluster: ClusterName,
    pub namespace: String,
    /// The short id of the portal's installation.
    pub installation: String,
    /// The image of the job's Spark version there; the job's own image goes before it.
    pub image: Option<String>,
    /// The sign-in name of who submitted.
    pub user: String,
}

/// What the site and the cluster add to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConf {
    /// Spark conf where neither cluster nor job says otherwise.
    pub defaults: BTreeMap<String, String>,
    /// The cluster's own.
    pub cluster: BTreeMap<String, String>,
    /// Stands whatever the job says.
    pub fixed: BTreeMap<String, String>,
    /// Of drivers and executors.
    pub service_account: Option<String>,
    /// Kubernetes' own default if absent.
    pub image_pull_policy: Option<String>,
    pub image_pull_secrets: Vec<String>,
    /// How long an ended object stays by itself. The portal deletes it earlier, once all is kept.
    pub time_to_live_seconds: i64,
}

impl Default for SiteConf {
    fn default() -> Self {
        Self {
            defaults: BTreeMap::new(),
            cluster: BTreeMap::new(),
            fixed: BTreeMap::new(),
            service_account: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            time_to_live_seconds: 7 * 24 * 3600,
        }
    }
}

/// Where a Spark conf value came from; later ones go before earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    SiteDefault,
    Cluster,
    Job,
    Fixed,
}

impl Origin {
    /// In words, for the manifest's view.
    pub fn words(self) -> &'static str {
        match self {
            Self::SiteDefault => "default of the site",
            Self::Cluster => "from the cluster",
            Self::Job => "from the job",
            Self::Fixed => "fixed by the site",
        }
    }
}

/// The very object that is created, and the origin of each of its conf values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Populated {
    pub app: SparkApplication,
    pub origins: BTreeMap<String, Origin>,
}

impl Populated {
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(&self.app)
    }

    /// Indented, for people.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&self.app)
    }
}

pub fn populate(
    spec: &JobSpec,
    placement: &Placement,
    addresses: &Addresses,
    site: &SiteConf,
) -> Populated {
    let (spark_conf, origins) = conf(spec, addresses, site);
    let ids = ids(placement);
    let mut labels = spec.labels.clone();
    labels.extend(ids.clone());
    let code = |paths: &[_]| paths.iter().map(|path| addresses.of(path)).collect();
    let app = SparkApplication {
        api_version: object::API_VERSION.into(),
        kind: object::KIND.into(),
        metadata: object::Metadata {
            name: placement.object.to_string(),
            namespace: placement.namespace.clone(),
            labels,
            annotations: annotations(spec, placement),
        },
        spec: object::Spec {
            application_type: spec.language.into(),
            mode: object::Mode::Cluster,
            image: spec.image.clone().or_else(|| placement.image.clone()),
            image_pull_policy: site.image_pull_policy.clone(),
            image_pull_secrets: site.image_pull_secrets.clone(),
            main_class: spec.main_class.clone(),
            main_application_file: addresses.of(&spec.main_file),
            arguments: spec
                .arguments
                .iter()
                .map(|text| resolve(text, addresses))
                .collect(),
            spark_version: spec.spark_version.clone(),
            spark_conf,
            hadoop_conf: BTreeMap::new(),
            deps: object::Dependencies {
                jars: code(&spec.jars),
                py_files: code(&spec.py_files),
                packages: spec.packages.clone(),
            },
            driver: driver(spec, placement, site, &ids),
            executor: executor(spec, placement, site, ids),
            dynamic_allocation: dynamic_allocation(spec),
            restart_policy: object::RestartPolicy {
                kind: object::RestartPolicyType::Never,
            },
            time_to_live_seconds: Some(site.time_to_live_seconds),
            suspend: None,
        },
    };
    Populated { app, origins }
}

fn conf(
    spec: &JobSpec,
    addresses: &Addresses,
    site: &SiteConf,
) -> (BTreeMap<String, String>, BTreeMap<String, Origin>) {
    let mut values = BTreeMap::new();
    let mut origins = BTreeMap::new();
    for (origin, layer) in [
        (Origin::SiteDefault, &site.defaults),
        (Origin::Cluster, &site.cluster),
        (Origin::Job, &spec.spark_conf),
        (Origin::Fixed, &site.fixed),
    ] {
        for (key, value) in layer {
            values.insert(key.clone(), resolve(value, addresses));
            origins.insert(key.clone(), origin);
        }
    }
    (values, origins)
}

fn ids(placement: &Placement) -> BTreeMap<String, String> {
    BTreeMap::from([
        (LABEL_JOB.into(), placement.job.to_string()),
        (LABEL_ATTEMPT.into(), placement.attempt.to_string()),
        (LABEL_PROJECT.into(), placement.project.to_string()),
        (LABEL_INSTALLATION.into(), placement.installation.clone()),
    ])
}

fn annotations(spec: &JobSpec, placement: &Placement) -> BTreeMap<String, String> {
    BTreeMap::from([
        (
            ANNOTATION_MAX_RUN_SECONDS.into(),
            spec.max_run_seconds.to_string(),
        ),
        (ANNOTATION_TITLE.into(), spec.name.to_string()),
        (ANNOTATION_USER.into(), placement.user.clone()),
    ])
}

fn driver(
    spec: &JobSpec,
    placement: &Placement,
    site: &SiteConf,
    ids: &BTreeMap<String, String>,
) -> object::Driver {
    object::Driver {
        cores: spec.driver.cores,
        core_request: None,
        memory: jvm(&spec.driver.memory),
        memory_overhead: spec.driver.memory_overhead.as_ref().map(jvm),
        env: env(spec, placement),
        service_account: site.service_account.clone(),
        labels: ids.clone(),
    }
}

fn executor(
    spec: &JobSpec,
    placement: &Placement,
    site: &SiteConf,
    ids: BTreeMap<String, String>,
) -> object::Executor {
    object::Executor {
        cores: spec.executor.cores,
        core_request: None,
        memory: jvm(&spec.executor.memory),
        memory_overhead: spec.executor.memory_overhead.as_ref().map(jvm),
        // Spark begins with the most of `instances`, initial and least executors; with dynamic allocation the latter two decide.
        instances: spec
            .dynamic_allocation
            .is_none()
            .then_some(spec.executor.instances),
        env: env(spec, placement),
        service_account: site.service_account.clone(),
        labels: ids,
        delete_on_termination: Some(false),
    }
}

fn dynamic_allocation(spec: &JobSpec) -> Option<object::DynamicAllocation> {
    let asked = spec.dynamic_allocation.as_ref()?;
    Some(object::DynamicAllocation {
        enabled: true,
        initial_executors: asked.initial_executors,
        min_executors: Some(asked.min_executors),
        max_executors: Some(asked.max_executors),
    })
}

fn env(spec: &JobSpec, placement: &Placement) -> Vec<object::EnvVar> {
    spec.env
        .iter()
        .map(|(name, value)| match value {
            EnvValue::Text(text) => object::EnvVar {
                name: name.clone(),
                value: Some(text.clone()),
                value_from: None,
            },
            EnvValue::Secret { secret } => object::EnvVar {
                name: name.clone(),
                value: None,
                value_from: Some(object::EnvVarSource {
                    secret_key_ref: object::SecretKeyRef {
                        name: secret_object(placement.project),
                        key: secret.clone(),
                    },
                }),
            },
        })
        .collect()
}

/// The same amount as the JVM takes it. Spark hands the driver's memory to `-Xmx` as it stands, which knows `g` but
/// neither `gb`, `b` nor `p`.
fn jvm(memory: &Memory) -> String {
    let text = memory.as_str().to_ascii_lowercase();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    match &text[number.len()..] {
        "k" | "kb" => format!("{number}k"),
        "m" | "mb" => format!("{number}m"),
        "g" | "gb" => format!("{number}g"),
        "t" | "tb" => format!("{number}t"),
        "p" | "pb" => format!("{}t", memory.bytes() >> 40),
        _ if memory.bytes().is_multiple_of(1024) => format!("{}k", memory.bytes() >> 10),
        _ => text,
    }
}
