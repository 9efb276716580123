//! `[database]`.
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host/database`; default an SQLite file in the data folder.
    #[serde(serialize_with = "hidden")]
    pub url: Option<SecretString>,
    /// Connections kept to PostgreSQL; default 10.
    pub connections: u32,
    /// Longest that one statement may take on PostgreSQL, in seconds; default 30.
    pub statement_timeout_seconds: u64,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            connections: 10,
            statement_timeout_seconds: 30,
        }
    }
}

/// Settings are serialised only to be merged with a file; a default holds no secret.
#[expect(clippy::ref_option, reason = "serde's signature")]
fn hidden<S: Serializer>(_: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

impl Database {
    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        if let Some(url) = &self.url {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                wrong.push("database.url: must begin with postgres:// (without it the portal keeps an SQLite file)".into());
            }
        }
        if !(2..=500).contains(&self.connections) {
            wrong.push(format!(
                "database.connections: {} must be 2 to 500",
                self.connections
            ));
        }
        if self.statement_timeout_seconds == 0 {
            wrong.push("database.statement_timeout_seconds: must be at least 1".into());
        }
    }
}
