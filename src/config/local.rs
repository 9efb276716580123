//! `[local]`: jobs on this machine, by Spark's own local mode.
use crate::domain::quantity::Memory;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// Whether this machine takes jobs; default true.
    pub enabled: bool,
    /// Where Spark is; default: `SPARK_HOME`, `DATA/spark`, `spark-submit` on the path, python3's pyspark.
    pub spark_home: Option<PathBuf>,
    /// Cores that jobs may use at once; default all of this machine.
    pub cores: Option<u32>,
    /// Memory that jobs may use at once, such as `16g`; default all of this machine.
    pub memory: Option<Memory>,
    /// The user that jobs run as (Linux, needs a portal that runs as root); default the portal's own.
    pub run_as: Option<String>,
    /// How long a stopped job may take to end before it is killed, in seconds; default 10.
    pub stop_grace_seconds: u64,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            enabled: true,
            spark_home: None,
            cores: None,
            memory: None,
            run_as: None,
            stop_grace_seconds: 10,
        }
    }
}

/// A driver and an executor need more than this to begin.
const LEAST_MEMORY: u64 = 512 << 20;

impl Local {
    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        if self.cores == Some(0) {
            wrong.push(
                "local.cores: 0 would take no job; give at least 1, or set local.enabled to false"
                    .into(),
            );
        }
        if let Some(memory) = &self.memory
            && memory.bytes() < LEAST_MEMORY
        {
            wrong.push(format!(
                "local.memory: `{memory}` is too little for any job; give at least 512m"
            ));
        }
        if let Some(home) = &self.spark_home
            && !home.is_absolute()
        {
            wrong.push(format!(
                "local.spark_home: `{}` must be a whole path, from the root",
                home.display()
            ));
        }
        if self.run_as.as_ref().is_some_and(String::is_empty) {
            wrong.push("local.run_as: it is empty; name a user, or leave it out".into());
        }
        if self.stop_grace_seconds > 3600 {
            wrong.push(format!(
                "local.stop_grace_seconds: {} must be at most 3600",
                self.stop_grace_seconds
            ));
        }
    }
}
