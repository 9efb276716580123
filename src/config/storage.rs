//! `[storage]`: where objects lie. Without `endpoint` it is a folder in the data folder; with it, a bucket of any S3.
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// How the portal reaches the store, such as `https://s3.example`; default none, which keeps objects in a folder.
    pub endpoint: Option<String>,
    /// How jobs reach the same store; default `endpoint`.
    pub job_endpoint: Option<String>,
    /// How browsers reach the same store. With it they download straight from there, by addresses that are good for
    /// five minutes; default none: all bytes pass through the portal.
    pub browser_endpoint: Option<String>,
    /// The bucket; it is made if it is not there.
    pub bucket: Option<String>,
    /// What every key in the bucket begins with, such as `tourmaline`; default nothing.
    pub prefix: String,
    /// Default `us-east-1`, which is what Ceph and MinIO call themselves.
    pub region: String,
    /// Whether the bucket stands in the address's path (default) or in its host name, which AWS wants.
    pub path_style: bool,
    /// Certificate authorities besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The portal's access key; or `access_key_file`, which holds nothing else.
    #[serde(serialize_with = "hidden")]
    pub access_key: Option<SecretString>,
    pub access_key_file: Option<PathBuf>,
    /// The portal's secret key; or `secret_key_file`, which holds nothing else.
    #[serde(serialize_with = "hidden")]
    pub secret_key: Option<SecretString>,
    pub secret_key_file: Option<PathBuf>,
    /// The role that the portal assumes to make credentials for one attempt of a job, such as
    /// `arn:aws:iam:::role/tourmaline-jobs`; default none.
    pub job_role: Option<String>,
    /// The longest that the store lets a session of that role last, in seconds; default 43,200 (12 h).
    pub longest_session_seconds: u32,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            endpoint: None,
            job_endpoint: None,
            browser_endpoint: None,
            bucket: None,
            prefix: String::new(),
            region: "us-east-1".into(),
            path_style: true,
            ca_file: None,
            access_key: None,
            access_key_file: None,
            secret_key: None,
            secret_key_file: None,
            job_role: None,
            longest_session_seconds: 12 * 3600,
        }
    }
}

/// Settings are serialised only to be merged with a file; a default holds no secret.
#[expect(clippy::ref_option, reason = "serde's signature")]
fn hidden<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

/// The largest object that the portal can put into S3: 10,000 parts, of which two thousand each have 8, 16, 32, 64 and
/// 128 MiB, so that small uploads take little memory.
pub const LARGEST_OBJECT: u64 = (2000 * (8 + 16 + 32 + 64 + 128)) << 20;

impl Storage {
    /// Whether objects lie in a bucket.
    pub fn is_s3(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Which objects these settings mean, whatever the store's address; none for a folder.
    pub fn place(&self) -> Option<String> {
        let bucket = self.bucket.as_deref().filter(|_| self.is_s3())?;
        Some(format!("bucket {bucket}/{}", self.prefix))
    }

    /// The portal's access key and secret key, read from where the settings say.
    pub fn keys(&self) -> anyhow::Result<(SecretString, SecretString)> {
        Ok((
            secret(
                "access_key",
                self.access_key.as_ref(),
                self.access_key_file.as_deref(),
            )?,
            secret(
                "secret_key",
                self.secret_key.as_ref(),
                self.secret_key_file.as_deref(),
            )?,
        ))
    }

    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        if !self.is_s3() {
            let given = [
                ("job_endpoint", self.job_endpoint.is_some()),
                ("browser_endpoint", self.browser_endpoint.is_some()),
                ("bucket", self.bucket.is_some()),
                ("prefix", !self.prefix.is_empty()),
                ("ca_file", self.ca_file.is_some()),
                (
                    "access_key",
                    self.access_key.is_some() || self.access_key_file.is_some(),
                ),
                (
                    "secret_key",
                    self.secret_key.is_some() || self.secret_key_file.is_some(),
                ),
                ("job_role", self.job_role.is_some()),
            ];
            for (key, _) in given.iter().filter(|(_, given)| *given) {
                wrong.push(format!(
                    "storage.{key}: it is for S3, which needs storage.endpoint, such as https://s3.example"
                ));
            }
            return;
        }
        for (key, url) in [
            ("endpoint", &self.endpoint),
            ("job_endpoint", &self.job_endpoint),
            ("browser_endpoint", &self.browser_endpoint),
        ] {
            if let Some(url) = url
                && !is_address(url)
            {
                wrong.push(format!(
                    "storage.{key}: `{url}` must be http:// or https:// with a host and no path, such as https://s3.example:9000"
                ));
            }
        }
        match &self.bucket {
            None => wrong.push("storage.bucket: give the bucket's name".into()),
            Some(bucket) if !is_bucket(bucket) => wrong.push(format!(
                "storage.bucket: `{bucket}` must be 3 to 63 of a-z, 0-9, `-` and `.`, with a letter or digit at both ends"
            )),
            Some(_) => {}
        }
        if !is_prefix(&self.prefix) {
            wrong.push(format!(
                "storage.prefix: `{}` must be up to 20 of a-z, A-Z, 0-9, `-`, `_` and `/`, without a slash at either end or two in a row",
                self.prefix
            ));
        }
        if !is_word(&self.region, "-", 64) {
            wrong.push(format!(
                "storage.region: `{}` must be letters, digits and `-`",
                self.region
            ));
        }
        if let Some(file) = &self.ca_file
            && let Err(error) = std::fs::metadata(file)
        {
            wrong.push(format!("storage.ca_file: {}: {error}", file.display()));
        }
        if let Err(error) = self.keys() {
            wrong.push(format!("{error:#}"));
        }
        if let Some(role) = &self.job_role
            && !(role.starts_with("arn:") && role.contains(":role/") && role.len() <= 2048)
        {
            wrong.push(format!(
                "storage.job_role: `{role}` must be a role's ARN, such as arn:aws:iam:::role/tourmaline-jobs"
            ));
        }
        if !(900..=43_200 * 14).contains(&self.longest_session_seconds) {
            wrong.push(format!(
                "storage.longest_session_seconds: {} must be 900 to {}",
                self.longest_session_seconds,
                43_200 * 14
            ));
        }
    }
}

fn secret(
    key: &str,
    given: Option<&SecretString>,
    file: Option<&Path>,
) -> anyhow::Result<SecretString> {
    let text = match (given, file) {
        (Some(given), None) => given.expose_secret().to_owned(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| anyhow::anyhow!("storage.{key}_file: {}: {error}", file.display()))?
            .trim()
            .to_owned(),
        (None, None) => {
            anyhow::bail!("storage.{key}: give it, or a file that holds it as storage.{key}_file")
        }
        (Some(_), Some(_)) => {
            anyhow::bail!("storage.{key}: give it or storage.{key}_file, not both")
        }
    };
    anyhow::ensure!(
        !text.is_empty() && text.len() <= 1024 && text.chars().all(|c| c.is_ascii_graphic()),
        "storage.{key}: must be 1 to 1024 printable ASCII characters without spaces"
    );
    Ok(text.into())
}

fn is_address(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| {
        let host = host.strip_suffix('/').unwrap_or(host);
        !host.is_empty() && is_word(&host.replace(['[', ']', ':'], ""), "-.", 255)
    })
}

fn is_word(text: &str, also: &str, most: usize) -> bool {
    !text.is_empty()
        && text.len() <= most
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn is_bucket(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    (3..=63).contains(&name.len())
        && is_word(name, "-.", 63)
        && !name.chars().any(|c| c.is_ascii_uppercase())
        && !name.contains("..")
        && edge(name.chars().next())
        && edge(name.chars().last())
}

/// Short enough that every key still fits the 1,024 bytes of S3.
fn is_prefix(prefix: &str) -> bool {
    prefix.is_empty()
        || (prefix.len() <= 20 && prefix.split('/').all(|part| is_word(part, "-_", 20)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn s3() -> Storage {
        Storage {
            endpoint: Some("http://[::1]:9000/".into()),
            bucket: Some("science.data-1".into()),
            prefix: "portal/a_1".into(),
            access_key: Some("key".into()),
            secret_key: Some("a secret nobody sees".replace(' ', "-").into()),
            ..Storage::default()
        }
    }

    fn wrong(storage: &Storage) -> Vec<String> {
        let mut wrong = Vec::new();
        storage.validate(&mut wrong);
        wrong
    }

    #[test]
    fn a_folder_and_a_bucket_fit() {
        assert_eq!(wrong(&Storage::default()), Vec::<String>::new());
        assert_eq!(wrong(&s3()), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_named_and_no_secret_is_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let storage = Storage {
            job_endpoint: Some("s3.example".into()),
            browser_endpoint: Some("https://s3.example/bucket".into()),
            bucket: Some("Science".into()),
            prefix: "/a".into(),
            region: String::new(),
            ca_file: Some("/nowhere/ca.pem".into()),
            access_key: None,
            access_key_file: Some(file.path().into()),
            secret_key_file: Some(file.path().into()),
            job_role: Some("tourmaline-jobs".into()),
            longest_session_seconds: 1,
            ..s3()
        };
        let wrong = wrong(&storage);
        let keys: Vec<_> = wrong
            .iter()
            .filter_map(|why| why.split(':').next())
            .collect();
        let expected = [
            "job_endpoint",
            "browser_endpoint",
            "bucket",
            "prefix",
            "region",
            "ca_file",
            "access_key",
            "job_role",
            "longest_session_seconds",
        ];
        assert_eq!(
            keys,
            expected.map(|key| format!("storage.{key}")),
            "{wrong:?}"
        );
        assert!(!format!("{wrong:?} {storage:?}").contains("nobody-sees"));
    }

    #[test]
    fn what_is_for_s3_needs_an_endpoint() {
        let storage = Storage {
            endpoint: None,
            ..s3()
        };
        assert!(
            wrong(&storage)
                .iter()
                .all(|why| why.contains("storage.endpoint"))
        );
        assert_eq!(wrong(&storage).len(), 4);
    }

    #[test]
    fn a_key_in_a_file_is_read_without_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-a-file\n").unwrap();
        let storage = Storage {
            secret_key: None,
            secret_key_file: Some(file.path().into()),
            ..s3()
        };
        assert_eq!(storage.keys().unwrap().1.expose_secret(), "from-a-file");
    }
}
