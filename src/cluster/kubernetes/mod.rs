//! A Kubernetes cluster with the Spark Operator. An attempt is a `SparkApplication`; the operator submits it once, and Spark
//! makes the driver's pod. What became of it is judged by the pod first, for the operator is late and never says why a pod waits.
//!
//! A driver is ended by a deadline on its pod, not by deleting anything: the kubelet then ends it in good order, and its log
//! stays. The name of an attempt that must never start is barred by an object that is suspended from its beginning.
use super::{Error, LogPiece, LogPosition, Object, Observation, Site};
use crate::{
    config,
    domain::{
        clock::Clock,
        ids::ProjectId,
        names::{ClusterName, ObjectName, StreamName},
    },
    manifest::{LABEL_INSTALLATION, SparkApplication},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use serde_json::json;
use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

mod application;
mod check_up;
mod connect;
mod errors;
mod logs;
mod state;

use application::{Application, LABEL_BARRED, barring};
use state::{Wish, Wished};

/// The role that Spark gives a pod.
const LABEL_ROLE: &str = "spark-role";
/// An object with which the check-up tries the operator.
const LABEL_PROBE: &str = "tourmaline.science/probe";
const LABEL_EXECUTOR: &str = "spark-exec-id";
/// The operator's label on all pods of an object.
const LABEL_APPLICATION: &str = "sparkoperator.k8s.io/app-name";
/// Of more executors than this the logs are not kept.
const MOST_EXECUTOR_LOGS: usize = 1000;
/// Objects that are listed in one answer.
const PAGE: u32 = 500;

/// One cluster; cheap to clone.
#[derive(Clone)]
pub struct Kubernetes(Arc<Inner>);

struct Inner {
    name: ClusterName,
    settings: config::Kubernetes,
    installation: String,
    clock: Clock,
    /// Made at the first call: what it needs from files may come later than the portal's start.
    client: tokio::sync::Mutex<Option<Client>>,
    /// The latest check-up, and who makes the next one.
    looked: Mutex<Option<check_up::Look>>,
    looking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubernetes({})", self.0.name)
    }
}

/// An object and its driver's pod, as they stand there at one moment.
struct Seen {
    application: Option<Application>,
    driver: Option<Pod>,
}

/// Whose object has a name.
enum Named {
    Ours,
    Stranger,
}

impl Kubernetes {
    pub fn new(
        settings: &config::Kubernetes,
        installation: &str,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let name = ClusterName::parse(&settings.name);
        Ok(Self(Arc::new(Inner {
            name: name.map_err(|why| anyhow::anyhow!("its name {why}"))?,
            settings: settings.clone(),
            installation: installation.to_owned(),
            clock,
            client: tokio::sync::Mutex::default(),
            looked: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        })))
    }

    pub fn name(&self) -> &ClusterName {
        &self.0.name
    }

    /// A project's jobs are all in one namespace, so that what they share need stand in one.
    pub fn namespace(&self, project: ProjectId) -> &str {
        let all = &self.0.settings.namespaces;
        all.get(project.one_of(all.len()))
            .map_or("default", String::as_str)
    }

    pub fn image(&self, spark_version: &str) -> Option<&str> {
        let images = &self.0.settings.spark_versions;
        images.get(spark_version).map(String::as_str)
    }

    pub fn offers(&self, spark_version: &str) -> bool {
        self.image(spark_version).is_some()
    }

    pub fn site(&self) -> Site {
        let settings = &self.0.settings;
        Site {
            service_account: Some(settings.service_account.clone()),
            image_pull_policy: settings.image_pull_policy.clone(),
            image_pull_secrets: settings.image_pull_secrets.clone(),
            conf: settings.spark_conf.clone(),
        }
    }

    pub fn weight(&self) -> u32 {
        self.0.settings.weight
    }

    pub async fn create(&self, application: &SparkApplication) -> Result<(), Error> {
        let name = &application.metadata.name;
        let name = ObjectName::parse(name)
            .map_err(|why| Error::Refused(format!("the object's name {name:?} {why}")))?;
        let object = Object {
            namespace: application.metadata.namespace.clone(),
            name,
        };
        match self.post(&object, application).await? {
            Named::Ours => Ok(()),
            Named::Stranger => Err(Error::Refused(format!(
                "in namespace {} of {} there is already a SparkApplication named {} that is not of this portal",
                object.namespace, self.0.name, object.name
            ))),
        }
    }

    /// Whose object has the name afterwards. One of ours that had it already is as good as this one.
    async fn post(&self, object: &Object, application: &SparkApplication) -> Result<Named, Error> {
        match self
            .within(self.send(&object.namespace, application, false))
            .await?
        {
            Ok(_) => Ok(Named::Ours),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let ours = self.seen(object).await?.application.is_some();
                Ok(if ours { Named::Ours } else { Named::Stranger })
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn send(
        &self,
        namespace: &str,
        application: &SparkApplication,
        dry_run: bool,
    ) -> kube::Result<Application> {
        let body = serde_json::to_vec(application).map_err(kube::Error::SerdeError)?;
        let options = PostParams {
            dry_run,
            ..PostParams::default()
        };
        let path = Application::url_path(&(), Some(namespace));
        let request = Request::new(path).create(&options, body);
        let request = request.map_err(kube::Error::BuildRequest)?;
        self.client().await?.request(request).await
    }

    /// All that a create goes through, without making anything.
    pub async fn dry_run(&self, application: &SparkApplication) -> Result<(), Error> {
        self.try_out(application).await.map(|_| ())
    }

    async fn try_out(&self, application: &SparkApplication) -> Result<Application, Error> {
        let namespace = &application.metadata.namespace;
        self.ask(self.send(namespace, application, true)).await
    }

    pub async fn observe(&self, object: &Object) -> Result<Observation, Error> {
        let seen = self.seen(object).await?;
        let patience = self.0.settings.image_patience_seconds;
        let state = state::of(&seen, self.0.clock.now(), patience);
        if let Some(wish) = &state.wish {
            self.wish(object, &seen, wish).await?;
        }
        Ok(Observation {
            state: state.driver,
            spark_app_id: seen
                .application
                .and_then(|app| app.status.spark_application_id),
        })
    }

    pub async fn stop(&self, object: &Object) -> Result<(), Error> {
        let seen = self.seen(object).await?;
        let Some(application) = &seen.application else {
            // A stranger's object bars the name as well.
            let barring = barring(object, &self.0.installation);
            return self.post(object, &barring).await.map(|_| ());
        };
        if application.labels().contains_key(LABEL_BARRED) || state::is_gone(&seen) {
            return Ok(());
        }
        self.wish(object, &seen, &Wish::End(Wished::Cancelled))
            .await
    }

    /// Writes down why first: whoever looks afterwards must know whose doing the end was.
    async fn wish(&self, object: &Object, seen: &Seen, wish: &Wish) -> Result<(), Error> {
        let plain = PatchParams::default();
        if let Wish::End(why) = wish
            && let Some(application) = &seen.application
            && let Some(patch) = application.ended_for(why)
        {
            let applications = self.applications(&object.namespace).await?;
            let patch = Patch::Merge(patch);
            self.ask(applications.patch(object.name.as_str(), &plain, &patch))
                .await?;
        }
        let Some(pod) = &seen.driver else {
            return Ok(());
        };
        let pods = self.pods(&object.namespace).await?;
        let name = pod.name_any();
        let done = match state::deadline(pod, wish) {
            state::Deadline::Stands => return Ok(()),
            state::Deadline::Seconds(seconds) => {
                let patch = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": seconds}}));
                ok_if_gone(self.within(pods.patch(&name, &plain, &patch)).await?)
            }
            // No node has it, so that no kubelet would see a deadline, and nothing was printed.
            state::Deadline::Delete => {
                let options = DeleteParams::default();
                ok_if_gone(self.within(pods.delete(&name, &options)).await?)
            }
        };
        done.map_err(|error| self.failed(error))
    }

    pub async fn streams(&self, object: &Object) -> Result<Vec<StreamName>, Error> {
        let mut streams = Vec::new();
        if self.driver(object).await?.is_some() {
            streams.push(StreamName::driver());
        }
        let executors = self.executors(object).await?;
        let mut numbers: Vec<u32> = executors.iter().filter_map(logs::executor).collect();
        numbers.sort_unstable();
        numbers.truncate(MOST_EXECUTOR_LOGS);
        streams.extend(numbers.into_iter().filter_map(logs::stream_of));
        Ok(streams)
    }

    pub async fn read_log(
        &self,
        object: &Object,
        stream: &StreamName,
        from: &LogPosition,
        max: usize,
    ) -> Result<LogPiece, Error> {
        let pod = if *stream == StreamName::driver() {
            self.driver(object).await?
        } else {
            let executors = self.executors(object).await?;
            executors
                .into_iter()
                .find(|pod| logs::executor(pod).and_then(logs::stream_of).as_ref() == Some(stream))
        };
        match pod {
            Some(pod) => self.read_pod(object, &pod, from, max).await,
            None => Ok(logs::nothing_more(from)),
        }
    }

    pub async fn delete(&self, object: &Object) -> Result<(), Error> {
        let seen = self.seen(object).await?;
        let Some(application) = &seen.application else {
            return Ok(());
        };
        if !state::is_gone(&seen) {
            return Err(Error::Refused(format!(
                "{object} still runs: stop it first"
            )));
        }
        let applications = self.applications(&object.namespace).await?;
        // Of this very object: another may have its name by now.
        let preconditions = kube::api::Preconditions {
            uid: application.uid(),
            ..kube::api::Preconditions::default()
        };
        let options = DeleteParams::background().preconditions(preconditions);
        let deleted = applications.delete(object.name.as_str(), &options);
        ok_if_gone(self.within(deleted).await?).map_err(|error| self.failed(error))
    }

    pub async fn objects(&self) -> Result<Vec<Object>, Error> {
        let mut objects = Vec::new();
        for namespace in &self.0.settings.namespaces {
            let applications = self.applications(namespace).await?;
            let ours = format!(
                "{LABEL_INSTALLATION}={},!{LABEL_PROBE}",
                self.0.installation
            );
            let mut page = ListParams::default().labels(&ours).limit(PAGE);
            loop {
                let list = self.ask(applications.list_metadata(&page)).await?;
                let names = list.items.iter().map(ResourceExt::name_any);
                objects.extend(names.filter_map(|name| {
                    Some(Object {
                        namespace: namespace.clone(),
                        name: ObjectName::parse(&name).ok()?,
                    })
                }));
                match list.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => page = page.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(objects)
    }

    /// What is not of this portal is not seen.
    async fn seen(&self, object: &Object) -> Result<Seen, Error> {
        let applications = self.applications(&object.namespace).await?;
        // The object first: a driver that is seen afterwards cannot have been made for one that was absent.
        let application = self.ask(applications.get_opt(object.name.as_str())).await?;
        Ok(Seen {
            application: application.filter(|app| self.is_ours(app)),
            driver: self.driver(object).await?,
        })
    }

    async fn driver(&self, object: &Object) -> Result<Option<Pod>, Error> {
        let pods = self.pods(&object.namespace).await?;
        let name = format!("{}-driver", object.name);
        let pod = self.ask(pods.get_opt(&name)).await?;
        Ok(pod.filter(|pod| self.is_ours(pod)))
    }

    async fn executors(&self, object: &Object) -> Result<Vec<Pod>, Error> {
        let pods = self.pods(&object.namespace).await?;
        let of = format!("{LABEL_APPLICATION}={},{LABEL_ROLE}=executor", object.name);
        let page = ListParams::default().labels(&of);
        let list = self.ask(pods.list(&page)).await?;
        Ok(list
            .items
            .into_iter()
            .filter(|pod| self.is_ours(pod))
            .collect())
    }

    fn is_ours(&self, it: &impl ResourceExt) -> bool {
        it.labels().get(LABEL_INSTALLATION) == Some(&self.0.installation)
    }

    async fn applications(&self, namespace: &str) -> Result<Api<Application>, Error> {
        let client = self.client().await.map_err(|error| self.failed(error))?;
        Ok(Api::namespaced(client, namespace))
    }

    async fn pods(&self, namespace: &str) -> Result<Api<Pod>, Error> {
        let client = self.client().await.map_err(|error| self.failed(error))?;
        Ok(Api::namespaced(client, namespace))
    }

    async fn client(&self) -> Result<Client, kube::Error> {
        let mut client = self.0.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let made = connect::client(&self.0.settings).await?;
        *client = Some(made.clone());
        Ok(made)
    }

    /// One answer, in time.
    async fn ask<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        self.within(call).await?.map_err(|error| self.failed(error))
    }

    async fn within<T>(&self, call: impl Future<Output = T>) -> Result<T, Error> {
        let patience = Duration::from_secs(self.0.settings.timeout_seconds);
        let answer = tokio::time::timeout(patience, call).await;
        answer.map_err(|_| {
            let patience = patience.as_secs();
            Error::Unavailable(format!(
                "{} did not answer within {patience} s",
                self.0.name
            ))
        })
    }

    fn failed(&self, error: kube::Error) -> Error {
        errors::meaning(&self.0.name, error)
    }
}

fn ok_if_gone<T>(answer: kube::Result<T>) -> kube::Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
