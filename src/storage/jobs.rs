//! How a job reaches its objects: what goes into its Spark conf, and the credentials, which never do.
use super::{Result, Storage};
use crate::domain::ids::{JobId, ProjectId};
use jiff::Timestamp;
use secrecy::SecretString;
use std::{collections::BTreeMap, time::Duration};

/// The attempt that credentials are for.
#[derive(Debug, Clone, Copy)]
pub struct JobSession {
    pub project: ProjectId,
    pub job: JobId,
    pub attempt: u32,
    pub longest_run: Duration,
}

/// Credentials of one attempt. Whoever makes its object puts [`JobCredentials::env`] into a secret of the attempt's own
/// and has driver and executors take their environment from there; they are never part of the object itself.
#[derive(Debug, Clone)]
pub struct JobCredentials {
    pub access_key: SecretString,
    pub secret_key: SecretString,
    pub session_token: SecretString,
    pub expires: Timestamp,
}

impl JobCredentials {
    /// The variables from which a job's `EnvironmentVariableCredentialsProvider` takes them.
    pub fn env(&self) -> [(&'static str, &SecretString); 3] {
        [
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
            ("AWS_SESSION_TOKEN", &self.session_token),
        ]
    }
}

impl Storage {
    /// What a job's Spark needs to know to reach the store by the addresses that it is given; nothing for a folder.
    pub fn job_conf(&self) -> BTreeMap<String, String> {
        let Self::S3(s3) = self else {
            return BTreeMap::new();
        };
        let settings = s3.settings();
        let endpoint = settings
            .job_endpoint
            .as_ref()
            .or(settings.endpoint.as_ref());
        let endpoint = endpoint.map_or("", |endpoint| endpoint.trim_end_matches('/'));
        let is_tls = endpoint.starts_with("https://");
        let own = [
            ("endpoint", endpoint.to_owned()),
            ("endpoint.region", settings.region.clone()),
            ("path.style.access", settings.path_style.to_string()),
            ("connection.ssl.enabled", is_tls.to_string()),
            // Hadoop 3.4 and later take this name for the one of the newer SDK.
            (
                "aws.credentials.provider",
                "com.amazonaws.auth.EnvironmentVariableCredentialsProvider".into(),
            ),
            // Ceph refuses to delete many at once to a session that is limited to a prefix.
            ("multiobjectdelete.enable", "false".into()),
            ("attempts.maximum", "3".into()),
            ("connection.establish.timeout", "5000".into()),
        ];
        own.into_iter()
            .map(|(key, value)| (format!("spark.hadoop.fs.s3a.{key}"), value))
            .collect()
    }

    /// Makes credentials for one attempt: its project's files, its own code, and nothing else of the store. `None` where
    /// a job needs none.
    pub async fn job_credentials(&self, job: &JobSession) -> Result<Option<JobCredentials>> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::S3(s3) => s3.job_credentials(job).await.map(Some),
        }
    }

    /// How long a job may run at most for its credentials to last; `None` is for ever.
    pub fn longest_run(&self) -> Option<Duration> {
        match self {
            Self::Folder(_) => None,
            Self::S3(s3) => s3.longest_run(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{config, storage::S3};

    #[test]
    fn a_job_learns_its_own_address_and_no_key() {
        let storage = Storage::S3(
            S3::new(
                &config::Storage {
                    endpoint: Some("http://127.0.0.1:1".into()),
                    job_endpoint: Some("https://s3.cluster/".into()),
                    bucket: Some("science".into()),
                    prefix: "portal".into(),
                    access_key: Some("the-key".into()),
                    secret_key: Some("the-secret".into()),
                    ..config::Storage::default()
                },
                "http://portal.example",
            )
            .unwrap(),
        );
        insta::assert_yaml_snapshot!(storage.job_conf());
        let project = ProjectId::new();
        assert_eq!(
            storage.folder_address(&super::super::keys::files_prefix(project, None)),
            format!("s3a://science/portal/projects/{project}/files")
        );
        assert!(!format!("{storage:?}{:?}", storage.job_conf()).contains("the-"));
    }
}
