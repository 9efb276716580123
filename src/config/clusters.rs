//! `[[clusters]]`: Kubernetes clusters that run the Spark Operator. One section each; without any, jobs run on this machine
//! alone.
use crate::domain::names::ClusterName;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kubernetes {
    /// What people and rows call it: 1 to 63 lower-case letters, digits and dashes. Not `local`, which is this machine.
    pub name: String,
    /// A kubeconfig file. It, `in_cluster` or `url` says how the cluster is reached.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default its current one.
    pub context: Option<String>,
    /// Whether the portal runs in this cluster and uses its pod's service account; default false.
    pub in_cluster: bool,
    /// The API server's address, `https://host:port`.
    pub url: Option<String>,
    /// The certificates that its own must come from, in PEM; default those of the system. Only with `url`; read again when
    /// it changes.
    pub ca_file: Option<PathBuf>,
    /// The portal's bearer token there. Only with `url`; read again each minute.
    pub token_file: Option<PathBuf>,
    /// A proxy on the way, `http://…` or `socks5://…`; default none.
    pub proxy: Option<String>,
    /// Where jobs run; a project's jobs all run in one of them. The operator must watch each.
    pub namespaces: Vec<String>,
    /// The service account of drivers, which may make pods, services and config maps in these namespaces.
    pub service_account: String,
    /// The Spark versions that it offers, each with its image, such as `"3.5" = "registry.example/spark:3.5.9"`.
    pub spark_versions: BTreeMap<String, String>,
    /// `Always`, `IfNotPresent` or `Never`; default Kubernetes' own choice.
    pub image_pull_policy: Option<String>,
    /// Secrets in each namespace with which images are pulled; default none.
    pub image_pull_secrets: Vec<String>,
    /// Spark conf of jobs here; a job may say otherwise.
    pub spark_conf: BTreeMap<String, String>,
    /// How often it is chosen among clusters that fit, against theirs; default 1. With 0 it takes only jobs that name it.
    pub weight: u32,
    /// Longest that one answer of the API server may take, in seconds; default 10.
    pub timeout_seconds: u64,
    /// How long a driver's image may be impossible to pull before the attempt is ended, in seconds; default 300.
    pub image_patience_seconds: u64,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            name: String::new(),
            kubeconfig: None,
            context: None,
            in_cluster: false,
            url: None,
            ca_file: None,
            token_file: None,
            proxy: None,
            namespaces: Vec::new(),
            service_account: "spark".into(),
            spark_versions: BTreeMap::new(),
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            spark_conf: BTreeMap::new(),
            weight: 1,
            timeout_seconds: 10,
            image_patience_seconds: 300,
        }
    }
}

const MOST_CLUSTERS: usize = 50;
const MOST_NAMESPACES: usize = 100;

pub(super) fn validate(clusters: &[Kubernetes], wrong: &mut Vec<String>) {
    if clusters.len() > MOST_CLUSTERS {
        wrong.push(format!(
            "clusters: there are {}, at most {MOST_CLUSTERS} are taken",
            clusters.len()
        ));
    }
    let mut names = BTreeSet::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let mut say = |key: &str, why: String| {
            wrong.push(format!("clusters[{index}].{key}: {why}"));
        };
        if let Err(why) = ClusterName::parse(&cluster.name) {
            say("name", format!("`{}` {why}", cluster.name));
        } else if cluster.name == ClusterName::local().as_str() {
            say("name", "`local` is this machine; give another".into());
        } else if !names.insert(&cluster.name) {
            say("name", format!("`{}` is there twice", cluster.name));
        }
        cluster.validate_access(&mut say);
        cluster.validate_place(&mut say);
        cluster.validate_bounds(&mut say);
    }
}

impl Kubernetes {
    fn validate_access(&self, say: &mut impl FnMut(&str, String)) {
        let ways = [
            self.kubeconfig.is_some(),
            self.in_cluster,
            self.url.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() != 1 {
            say(
                "url",
                "give one of kubeconfig, in_cluster = true, or url (with ca_file and token_file)"
                    .into(),
            );
        }
        if self.context.is_some() && self.kubeconfig.is_none() {
            say("context", "only a kubeconfig has contexts".into());
        }
        for (key, file) in [
            ("kubeconfig", &self.kubeconfig),
            ("ca_file", &self.ca_file),
            ("token_file", &self.token_file),
        ] {
            if let Some(file) = file
                && !file.is_absolute()
            {
                let file = file.display();
                say(key, format!("`{file}` must be a whole path, from the root"));
            }
        }
        for (key, given) in [
            ("ca_file", self.ca_file.is_some()),
            ("token_file", self.token_file.is_some()),
        ] {
            if given && self.url.is_none() {
                say(
                    key,
                    "it goes with url; a kubeconfig or a pod has its own".into(),
                );
            }
        }
        if let Some(url) = &self.url {
            if !url.starts_with("https://") || url.parse::<http::Uri>().is_err() {
                say("url", format!("`{url}` must be https://HOST:PORT"));
            }
            if self.token_file.is_none() {
                say(
                    "token_file",
                    "url needs it: name the file with the token".into(),
                );
            }
        }
        if let Some(proxy) = &self.proxy {
            let known = proxy.starts_with("http://") || proxy.starts_with("socks5://");
            if !known || proxy.parse::<http::Uri>().is_err() {
                // Not repeated: it may hold a password.
                say(
                    "proxy",
                    "it must be http://HOST:PORT or socks5://HOST:PORT".into(),
                );
            }
        }
    }

    fn validate_place(&self, say: &mut impl FnMut(&str, String)) {
        if self.namespaces.is_empty() || self.namespaces.len() > MOST_NAMESPACES {
            say("namespaces", format!("give 1 to {MOST_NAMESPACES}"));
        }
        let mut seen = BTreeSet::new();
        for namespace in &self.namespaces {
            // A namespace is a DNS label, as a cluster's name is.
            if let Err(why) = ClusterName::parse(namespace) {
                say("namespaces", format!("`{namespace}` {why}"));
            }
            if !seen.insert(namespace) {
                say("namespaces", format!("`{namespace}` is there twice"));
            }
        }
        for (key, name) in [("service_account", &self.service_account)]
            .into_iter()
            .chain(
                self.image_pull_secrets
                    .iter()
                    .map(|name| ("image_pull_secrets", name)),
            )
        {
            if !is_dns_name(name) {
                say(
                    key,
                    format!(
                        "`{name}` must be lower-case letters, digits, dashes and dots, at most 253"
                    ),
                );
            }
        }
    }

    fn validate_bounds(&self, say: &mut impl FnMut(&str, String)) {
        if self.spark_versions.is_empty() {
            say(
                "spark_versions",
                "offer at least one, such as \"3.5\" = \"registry.example/spark:3.5.9\"".into(),
            );
        }
        for (version, image) in &self.spark_versions {
            let odd = |c: char| c.is_whitespace() || c.is_control();
            if image.is_empty() || image.len() > 500 || image.contains(odd) {
                say(
                    "spark_versions",
                    format!("the image of {version} must be 1 to 500 characters without spaces"),
                );
            }
        }
        if let Some(policy) = &self.image_pull_policy
            && !["Always", "IfNotPresent", "Never"].contains(&policy.as_str())
        {
            say(
                "image_pull_policy",
                format!("`{policy}` must be Always, IfNotPresent or Never"),
            );
        }
        for (key, value, least, most) in [
            ("weight", u64::from(self.weight), 0, 1000),
            ("timeout_seconds", self.timeout_seconds, 1, 300),
            (
                "image_patience_seconds",
                self.image_patience_seconds,
                1,
                86_400,
            ),
        ] {
            if !(least..=most).contains(&value) {
                say(key, format!("{value} must be {least} to {most}"));
            }
        }
    }
}

fn is_dns_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Kubernetes {
        Kubernetes {
            name: "hpc-1-east".into(),
            kubeconfig: Some("/etc/tourmaline/kubeconfig".into()),
            namespaces: vec!["spark".into()],
            spark_versions: [("3.5".into(), "spark:3.5".into())].into(),
            ..Kubernetes::default()
        }
    }

    fn told(clusters: &[Kubernetes]) -> Vec<String> {
        let mut wrong = Vec::new();
        validate(clusters, &mut wrong);
        wrong
    }

    #[test]
    fn a_name_with_dashes_is_taken() {
        assert_eq!(told(&[good()]), Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_its_key() {
        let bad = Kubernetes {
            name: "local".into(),
            in_cluster: true,
            url: Some("http://plain".into()),
            ca_file: Some("ca.pem".into()),
            proxy: Some("ftp://user:secret@proxy".into()),
            namespaces: vec!["Spark".into(), "a".into(), "a".into()],
            service_account: "No".into(),
            spark_versions: BTreeMap::new(),
            image_pull_policy: Some("Often".into()),
            weight: 5000,
            timeout_seconds: 0,
            ..good()
        };
        let wrong = told(&[good(), bad, good()]);
        for (at, key) in [
            (1, "name"),
            (1, "url"),
            (1, "ca_file"),
            (1, "token_file"),
            (1, "proxy"),
            (1, "namespaces"),
            (1, "service_account"),
            (1, "spark_versions"),
            (1, "image_pull_policy"),
            (1, "weight"),
            (1, "timeout_seconds"),
            (2, "name"),
        ] {
            let begins = format!("clusters[{at}].{key}: ");
            assert!(
                wrong.iter().any(|why| why.starts_with(&begins)),
                "{begins} {wrong:?}"
            );
        }
        assert!(!wrong.concat().contains("secret"), "{wrong:?}");
    }
}
