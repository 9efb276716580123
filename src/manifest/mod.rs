//! From a job and its placement to the object that a cluster is given, in full. It decides nothing and checks nothing.
use crate::domain::ids::ProjectId;

mod addresses;
mod populate;
pub mod spark_application;
#[cfg(test)]
mod tests;

pub use addresses::{Addresses, resolve};
pub use populate::{Origin, Placement, Populated, SiteConf, populate};
pub use spark_application::SparkApplication;

/// Labels of the object, its driver and its executors.
pub const LABEL_JOB: &str = "tourmaline.science/job";
pub const LABEL_ATTEMPT: &str = "tourmaline.science/attempt";
pub const LABEL_PROJECT: &str = "tourmaline.science/project";
/// Which portal's it is: several may share a namespace.
pub const LABEL_INSTALLATION: &str = "tourmaline.science/installation";
/// Annotations of the object.
pub const ANNOTATION_MAX_RUN_SECONDS: &str = "tourmaline.science/max-run-seconds";
pub const ANNOTATION_TITLE: &str = "tourmaline.science/title";
pub const ANNOTATION_USER: &str = "tourmaline.science/user";

/// The Kubernetes secret that holds a project's secrets, one key each by the secret's own name.
pub fn secret_object(project: ProjectId) -> String {
    format!("tourmaline-{project}")
}
