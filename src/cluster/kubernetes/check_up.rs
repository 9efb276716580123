//! Whether a cluster can take jobs: asked of the cluster itself, namespace by namespace, with no more rights than jobs need.
//!
//! That the operator is alive and watches a namespace is tried with a probe, an object that is suspended from its beginning: an
//! operator that sees it says so in its status.
use super::{
    Kubernetes, LABEL_PROBE, PAGE,
    application::{Application, barring},
};
use crate::{
    cluster::{CheckUp, Error, Finding, FindingState, Object},
    domain::names::ObjectName,
    manifest::LABEL_INSTALLATION,
};
use anyhow::Context;
use futures::future::join_all;
use jiff::{Timestamp, fmt::rfc2822};
use k8s_openapi::{
    api::{
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        },
        core::v1::{Secret, ServiceAccount},
    },
    apimachinery::pkg::version::Info,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    client::Body,
};
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

/// What is known is so old at most before it is looked at anew; until then it is still told.
const FRESH: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_secs(120);
/// How long the operator may leave a probe alone; a busy one has other things to submit.
const PROBE_PATIENCE: i64 = 180;
/// How long a look waits for its own probe.
const PROBE_WAIT: Duration = Duration::from_secs(4);
/// Clocks that differ by more are told.
const SKEW: i64 = 30;

/// What the portal must be allowed to do in each namespace: group, resource, subresource, verbs.
const RIGHTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "sparkoperator.k8s.io",
        "sparkapplications",
        "",
        &["create", "get", "list", "watch", "patch", "delete"],
    ),
    ("", "pods", "", &["get", "list", "watch", "patch", "delete"]),
    ("", "pods", "log", &["get"]),
];

#[derive(Debug, Clone)]
pub struct Look {
    at: Instant,
    check_up: CheckUp,
}

fn finding(what: &'static str, state: FindingState, text: impl Into<String>) -> Finding {
    Finding {
        what,
        state,
        text: text.into(),
    }
}

fn fine(what: &'static str, text: impl Into<String>) -> Finding {
    finding(what, FindingState::Fine, text)
}

fn warning(what: &'static str, text: impl Into<String>) -> Finding {
    finding(what, FindingState::Warning, text)
}

fn failed(what: &'static str, text: impl Into<String>) -> Finding {
    finding(what, FindingState::Failed, text)
}

impl Kubernetes {
    /// What was found last is told at once; where it grows old somebody looks anew meanwhile.
    pub async fn check_up(&self) -> CheckUp {
        let Some(look) = self.latest() else {
            return self.look_in_a_task().await;
        };
        let age = look.at.elapsed();
        if age < FRESH {
            return look.check_up;
        }
        if age < STALE {
            let this = self.clone();
            tokio::spawn(async move { this.look_once().await });
            return look.check_up;
        }
        self.look_in_a_task().await
    }

    fn latest(&self) -> Option<Look> {
        let looked = self.0.looked.lock();
        looked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// In a task of its own: what a caller who has no time leaves is found out all the same, for the next one.
    async fn look_in_a_task(&self) -> CheckUp {
        let this = self.clone();
        match tokio::spawn(async move { this.look_once().await }).await {
            Ok(check_up) => check_up,
            Err(error) => {
                tracing::error!(cluster = %self.0.name, %error, "a check-up broke off");
                told(vec![failed(
                    "Check-up",
                    "It broke off; see the portal's own log.",
                )])
            }
        }
    }

    async fn look_once(&self) -> CheckUp {
        let _one = self.0.looking.lock().await;
        let before = self.latest();
        if let Some(look) = &before
            && look.at.elapsed() < FRESH
        {
            return look.check_up.clone();
        }
        let check_up = told(self.look().await);
        let was_well = before.is_none_or(|look| look.check_up.healthy.is_ok());
        match &check_up.healthy {
            Err(why) if was_well => {
                tracing::warn!(cluster = %self.0.name, why, "a cluster cannot take jobs");
            }
            Ok(()) if !was_well => {
                tracing::info!(cluster = %self.0.name, "a cluster takes jobs again");
            }
            _ => {}
        }
        let look = Look {
            at: Instant::now(),
            check_up: check_up.clone(),
        };
        *self.0.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        check_up
    }

    async fn look(&self) -> Vec<Finding> {
        let mut findings = match self.look_at_server().await {
            Ok(findings) => findings,
            Err(error) => return vec![failed("API server", error.to_string())],
        };
        let namespaces = self.0.settings.namespaces.iter();
        let looks = join_all(namespaces.map(|namespace| self.look_at_namespace(namespace))).await;
        findings.extend(looks.into_iter().flatten());
        findings
    }

    async fn look_at_server(&self) -> Result<Vec<Finding>, Error> {
        let request = http::Request::get("/version").body(Body::empty());
        let request = request.context("a request for the version")?;
        let answer = self.within(async { self.client().await?.send(request).await });
        let answer = answer.await?.map_err(|error| self.failed(error))?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(Error::Unavailable(format!(
                "{} answers {status}",
                self.0.name
            )));
        }
        let date = answer.headers().get(http::header::DATE).cloned();
        let body = self.within(answer.into_body().collect_bytes()).await?;
        let body = body.map_err(|error| self.failed(error))?;
        let version: Info = serde_json::from_slice(&body).context("the version of Kubernetes")?;
        let mut findings = vec![fine(
            "API server",
            format!("It answers: Kubernetes {}.", version.git_version),
        )];
        let date = date.as_ref().and_then(|date| date.to_str().ok());
        findings.extend(date.and_then(|date| skew(date, self.0.clock.now())));
        Ok(findings)
    }

    async fn look_at_namespace(&self, namespace: &str) -> Vec<Finding> {
        let mut findings = match self.look_at_rights(namespace).await {
            Ok(findings) => findings,
            Err(error) => return vec![failed("Rights", error.to_string())],
        };
        if findings.iter().any(|one| one.state == FindingState::Failed) {
            return findings;
        }
        findings.extend(self.look_for_names(namespace).await);
        findings.push(self.look_at_webhook(namespace).await);
        let probed = self.probe(namespace).await;
        findings.push(probed.unwrap_or_else(|error| failed("Spark Operator", error.to_string())));
        findings
    }

    async fn look_at_rights(&self, namespace: &str) -> Result<Vec<Finding>, Error> {
        let client = self.client().await.map_err(|error| self.failed(error))?;
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client);
        let all = RIGHTS.iter().flat_map(|(group, resource, sub, verbs)| {
            verbs.iter().map(move |v| (*group, *resource, *sub, *v))
        });
        let asked = join_all(all.map(|(group, resource, sub, verb)| {
            let review = review(namespace, group, resource, sub, verb);
            let reviews = &reviews;
            async move {
                let answer = self
                    .ask(reviews.create(&PostParams::default(), &review))
                    .await?;
                let allowed = answer.status.is_some_and(|status| status.allowed);
                Ok::<_, Error>((!allowed).then(|| missing(namespace, group, resource, sub, verb)))
            }
        }));
        let mut findings = Vec::new();
        for answer in asked.await {
            findings.extend(answer?);
        }
        if findings.is_empty() {
            findings.push(fine(
                "Rights",
                format!("All that are needed in {namespace}."),
            ));
        }
        Ok(findings)
    }

    /// What jobs name and somebody else must make. Who may not read them is not told of them.
    async fn look_for_names(&self, namespace: &str) -> Vec<Finding> {
        let Ok(client) = self.client().await else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        let account = &self.0.settings.service_account;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
        if let Ok(None) = self.ask(accounts.get_metadata_opt(account)).await {
            findings.push(failed(
                "Service account",
                format!("There is no service account {account} in {namespace}; make it, or name another in service_account."),
            ));
        }
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        for secret in &self.0.settings.image_pull_secrets {
            if let Ok(None) = self.ask(secrets.get_metadata_opt(secret)).await {
                findings.push(failed(
                    "Image pull secret",
                    format!("There is no secret {secret} in {namespace}; make it, or leave it out of image_pull_secrets."),
                ));
            }
        }
        findings
    }

    /// By what only the webhook refuses: a name that begins with a digit.
    async fn look_at_webhook(&self, namespace: &str) -> Finding {
        const WHAT: &str = "Webhook";
        let Ok(name) = ObjectName::parse("probe") else {
            return failed(WHAT, "a name");
        };
        let object = Object {
            namespace: namespace.to_owned(),
            name,
        };
        let good = barring(&object, &self.0.installation);
        match self.try_out(&good).await {
            Ok(made) if made.is_suspended() => {}
            Ok(_) => {
                return failed(
                    "Spark Operator",
                    "It knows no `spec.suspend`: version 2.4 or later is needed.",
                );
            }
            Err(error) => return failed(WHAT, error.to_string()),
        }
        let mut wrong = good;
        wrong.metadata.name = "1-wrong-on-purpose".into();
        match self.try_out(&wrong).await {
            Err(Error::Refused(_)) => fine(WHAT, format!("It answers for {namespace}.")),
            Err(error) => failed(WHAT, error.to_string()),
            Ok(_) => warning(
                WHAT,
                format!(
                    "It takes a wrong name in {namespace}: it is off, or older than 2.4, so that mistakes show only when a job starts."
                ),
            ),
        }
    }

    async fn probe(&self, namespace: &str) -> Result<Finding, Error> {
        const WHAT: &str = "Spark Operator";
        let applications = self.applications(namespace).await?;
        let ours = format!(
            "{LABEL_INSTALLATION}={},{LABEL_PROBE}=true",
            self.0.installation
        );
        let page = ListParams::default().labels(&ours).limit(PAGE);
        let now = self.0.clock.now();
        let age = |probe: &Application| {
            let made = probe.metadata.creation_timestamp.as_ref();
            made.map_or(0, |made| now.as_second() - made.0.as_second())
        };
        let mut oldest = None;
        for probe in self.ask(applications.list(&page)).await?.items {
            if probe.is_new() {
                oldest = oldest.max(Some(age(&probe)));
            } else {
                self.remove(&applications, &probe.name_any()).await?;
            }
        }
        let seconds = match oldest {
            Some(seconds) => seconds,
            None if self.is_probed(&applications, namespace).await? => {
                return Ok(fine(WHAT, format!("It is alive and watches {namespace}.")));
            }
            None => 0,
        };
        let text = format!(
            "It has left a probe in {namespace} alone for {seconds} s: it is not running, is very busy, or does not watch {namespace} (spark.jobNamespaces of its chart)."
        );
        Ok(if seconds < PROBE_PATIENCE {
            warning(WHAT, text)
        } else {
            failed(WHAT, text)
        })
    }

    async fn remove(&self, applications: &Api<Application>, name: &str) -> Result<(), Error> {
        let options = DeleteParams::default();
        let removed = self.within(applications.delete(name, &options)).await?;
        super::ok_if_gone(removed).map_err(|error| self.failed(error))
    }

    /// Whether the operator takes up a new probe within a moment.
    async fn is_probed(
        &self,
        applications: &Api<Application>,
        namespace: &str,
    ) -> Result<bool, Error> {
        let name = ObjectName::parse(&format!("probe-{:016x}", rand::random::<u64>()));
        let object = Object {
            namespace: namespace.to_owned(),
            name: name.map_err(|why| anyhow::anyhow!("a probe's name {why}"))?,
        };
        let mut probe = barring(&object, &self.0.installation);
        probe
            .metadata
            .labels
            .insert(LABEL_PROBE.into(), "true".into());
        self.post(&object, &probe).await?;
        let begun = Instant::now();
        while begun.elapsed() < PROBE_WAIT {
            let seen = self.ask(applications.get_opt(object.name.as_str())).await?;
            if seen.is_none_or(|probe| !probe.is_new()) {
                self.remove(applications, object.name.as_str()).await?;
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(false)
    }
}

fn told(findings: Vec<Finding>) -> CheckUp {
    let failures = findings
        .iter()
        .filter(|one| one.state == FindingState::Failed);
    let why: Vec<_> = failures.map(|one| one.text.as_str()).collect();
    CheckUp {
        healthy: if why.is_empty() {
            Ok(())
        } else {
            Err(why.join(" "))
        },
        findings,
    }
}

fn review(
    namespace: &str,
    group: &str,
    resource: &str,
    sub: &str,
    verb: &str,
) -> SelfSubjectAccessReview {
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(sub.to_owned()).filter(|sub| !sub.is_empty()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

fn missing(namespace: &str, group: &str, resource: &str, sub: &str, verb: &str) -> Finding {
    let resource = if sub.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{sub}")
    };
    failed(
        "Rights",
        format!(
            "The portal may not {verb} {resource} in {namespace}; add to its Role there: {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]}}."
        ),
    )
}

/// By the server's own date, which is whole seconds old at most.
fn skew(date: &str, now: Timestamp) -> Option<Finding> {
    let theirs = rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    let apart = now.as_second() - theirs.as_second();
    Some(if apart.abs() <= SKEW {
        fine("Clock", "It agrees with the portal's.")
    } else {
        warning(
            "Clock",
            format!(
                "It differs from the portal's by {apart} s: times of jobs and logs will not fit."
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told() {
        let now: Timestamp = "2026-03-01T09:00:10Z".parse().expect("time");
        let state = |date: &str| skew(date, now).map(|finding| finding.state);
        assert_eq!(
            state("Sun, 01 Mar 2026 09:00:00 GMT"),
            Some(FindingState::Fine)
        );
        assert_eq!(
            state("Sun, 01 Mar 2026 08:00:00 GMT"),
            Some(FindingState::Warning)
        );
        assert_eq!(state("yesterday"), None);
    }

    #[test]
    fn a_missing_right_names_the_line_to_add() {
        let finding = missing("jobs", "", "pods", "log", "get");
        assert!(
            finding.text.ends_with("add to its Role there: {apiGroups: [\"\"], resources: [\"pods/log\"], verbs: [\"get\"]}."),
            "{}",
            finding.text
        );
        assert!(told(vec![finding, fine("a", "b")]).healthy.is_err());
        assert!(told(vec![warning("a", "b")]).healthy.is_ok());
    }
}
