//! The `SparkApplication` as it is read: its metadata and status, and of its spec only whether it waits. What is written is
//! [`crate::manifest::SparkApplication`].
use super::state::Wished;
use crate::{
    cluster::Object,
    manifest::{
        ANNOTATION_MAX_RUN_SECONDS, LABEL_INSTALLATION, SparkApplication,
        spark_application::{
            API_VERSION, ApplicationType, Dependencies, Driver, Executor, KIND, Metadata, Mode,
            RestartPolicy, RestartPolicyType, Spec,
        },
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::borrow::Cow;

/// An object that bars its name, and is never run.
pub const LABEL_BARRED: &str = "tourmaline.science/barred";
/// Why the portal ended it.
const ANNOTATION_ENDED: &str = "tourmaline.science/ended";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub metadata: ObjectMeta,
    #[serde(default)]
    spec: SpecSeen,
    #[serde(default, deserialize_with = "or_default")]
    pub status: Status,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct SpecSeen {
    suspend: Option<bool>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub spark_application_id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub application_state: ApplicationState,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationState {
    /// Empty until the operator has submitted it.
    pub state: String,
    pub error_message: Option<String>,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl kube::Resource for Application {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "sparkoperator.k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1beta2".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "sparkapplications".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Application {
    /// Whether the operator knew what `suspend` is.
    pub fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// Whether the operator has not said anything of it.
    pub fn is_new(&self) -> bool {
        self.status.application_state.state.is_empty()
    }

    /// Why the portal ended it, if it did.
    pub fn wished(&self) -> Option<Wished> {
        self.annotations()
            .get(ANNOTATION_ENDED)
            .map(|text| Wished::from_text(text))
    }

    /// The longest that it may run, as its job says.
    pub fn max_run_seconds(&self) -> Option<i64> {
        let seconds = self.annotations().get(ANNOTATION_MAX_RUN_SECONDS)?;
        seconds.parse().ok()
    }

    /// The patch that writes down why it is ended, and keeps the operator from submitting it where it has not begun;
    /// `None` when that is written already.
    pub fn ended_for(&self, why: &Wished) -> Option<serde_json::Value> {
        if self.wished().is_some() {
            return None;
        }
        let mut patch = json!({"metadata": {"annotations": {ANNOTATION_ENDED: why.to_text()}}});
        // Of one that was submitted the operator would delete the pods, and their logs with them.
        if self.is_new() {
            patch["spec"] = json!({"suspend": true});
        }
        Some(patch)
    }
}

/// An object that takes the name and does nothing: suspended from its beginning.
pub fn barring(object: &Object, installation: &str) -> SparkApplication {
    let text = |text: &str| text.to_owned();
    SparkApplication {
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        metadata: Metadata {
            name: object.name.to_string(),
            namespace: object.namespace.clone(),
            labels: [
                (text(LABEL_INSTALLATION), text(installation)),
                (text(LABEL_BARRED), text("true")),
            ]
            .into(),
            annotations: [(text(ANNOTATION_ENDED), Wished::Cancelled.to_text())].into(),
        },
        spec: Spec {
            application_type: ApplicationType::Python,
            mode: Mode::Cluster,
            image: None,
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            main_class: None,
            main_application_file: "local:///barred".into(),
            arguments: Vec::new(),
            spark_version: "3.5".into(),
            spark_conf: [].into(),
            hadoop_conf: [].into(),
            deps: Dependencies::default(),
            driver: Driver {
                cores: 1,
                memory: "512m".into(),
                ..Driver::default()
            },
            executor: Executor {
                cores: 1,
                memory: "512m".into(),
                ..Executor::default()
            },
            dynamic_allocation: None,
            restart_policy: RestartPolicy {
                kind: RestartPolicyType::Never,
            },
            time_to_live_seconds: None,
            suspend: Some(true),
        },
    }
}
