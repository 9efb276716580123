//! Settings: defaults, then a TOML file, then `TOURMALINE_SECTION__KEY` from the environment. One file per section.
//!
//! [`load`] reads, [`Config::validate`] says everything that is wrong at once, by key. Nothing here opens or connects.
mod clusters;
mod database;
#[cfg(test)]
mod example;
mod local;
mod provider;
mod server;
mod sign_in;
mod storage;
mod work;

pub use clusters::Kubernetes;
pub use database::Database;
pub use local::Local;
pub use provider::{ClaimPath, Claims, FirstLogin, Provider};
pub use server::{LogFormat, Network, Server};
pub use sign_in::SignIn;
pub use storage::{LARGEST_OBJECT, Storage};
pub use work::Work;

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub storage: Storage,
    pub sign_in: SignIn,
    pub local: Local,
    pub clusters: Vec<Kubernetes>,
    pub work: Work,
}

/// Reads the settings. The error names the key and the value.
pub fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = file {
        anyhow::ensure!(
            file.is_file(),
            "there is no settings file at {}",
            file.display()
        );
        figment = figment.merge(Toml::file_exact(file));
    }
    // Variables of tests and of the jobs' own environment share the prefix but have no section.
    let env = Env::prefixed("TOURMALINE_")
        .filter(|key| key.as_str().contains("__"))
        .split("__");
    let config: Config = figment.merge(env).extract()?;
    let wrong = config.validate();
    anyhow::ensure!(
        wrong.is_empty(),
        "the settings do not fit:\n  {}",
        wrong.join("\n  ")
    );
    Ok(config)
}

impl Config {
    /// Everything that is wrong, each beginning with its key.
    pub fn validate(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        self.server.validate(&mut wrong);
        self.database.validate(&mut wrong);
        self.storage.validate(&mut wrong);
        self.sign_in.validate(&mut wrong);
        self.local.validate(&mut wrong);
        clusters::validate(&self.clusters, &mut wrong);
        self.work.validate(&mut wrong);
        if self.storage.is_s3() {
            self.validate_with_s3(&mut wrong);
        }
        wrong
    }

    /// What does not go together with a store that is S3.
    fn validate_with_s3(&self, wrong: &mut Vec<String>) {
        // Spark as it comes from PyPI has no S3A, and a local job would read the portal's own keys.
        if self.local.enabled {
            wrong.push(
                "local.enabled: jobs on this machine need the store in a folder; set it to false, or leave storage.endpoint out".into(),
            );
        }
        if self.server.upload_limit > LARGEST_OBJECT {
            wrong.push(format!(
                "server.upload_limit: {} must be at most {LARGEST_OBJECT} with S3",
                self.server.upload_limit
            ));
        }
    }
}

/// The data folder where none was named: by the platform's convention, such as `~/.local/share/tourmaline`.
pub fn default_data_folder() -> anyhow::Result<PathBuf> {
    directories::ProjectDirs::from("", "", "tourmaline")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or_else(|| {
            anyhow::anyhow!("this user has no home folder; name the data folder with --data DIR")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::Memory;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
    }

    #[test]
    fn a_machine_without_cores_or_memory_is_none() {
        let mut config = Config::default();
        config.local.cores = Some(0);
        config.local.memory = Memory::parse("1m").ok();
        config.local.run_as = Some(String::new());
        config.local.spark_home = Some("spark".into());
        config.local.stop_grace_seconds = 100_000;
        let wrong = config.validate();
        let keys: Vec<_> = wrong
            .iter()
            .filter_map(|why| why.split(':').next())
            .collect();
        let expected = [
            "cores",
            "memory",
            "spark_home",
            "run_as",
            "stop_grace_seconds",
        ];
        assert_eq!(
            keys,
            expected.map(|key| format!("local.{key}")),
            "{wrong:?}"
        );
    }

    #[test]
    fn jobs_on_this_machine_need_the_folder() {
        let mut config = Config {
            storage: Storage {
                endpoint: Some("http://s3.example".into()),
                bucket: Some("bucket".into()),
                access_key: Some("key".into()),
                secret_key: Some("secret".into()),
                ..Storage::default()
            },
            ..Config::default()
        };
        config.server.upload_limit = u64::MAX;
        let wrong = config.validate();
        assert!(wrong[0].starts_with("local.enabled"), "{wrong:?}");
        assert!(wrong[1].starts_with("server.upload_limit"), "{wrong:?}");
        config.local.enabled = false;
        config.server.upload_limit = 100 << 30;
        assert!(config.validate().is_empty());
    }

    #[test]
    fn another_address_needs_https() {
        let mut config = Config::default();
        config.server.listen = "0.0.0.0:80".parse().expect("address");
        assert!(config.validate()[0].starts_with("server.listen"));
        config.server.public_url = Some("https://portal.example".into());
        assert!(config.validate().is_empty());
    }
}
