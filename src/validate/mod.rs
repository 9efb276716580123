//! Strings → [`crate::domain::job::JobSpec`], or every problem at once, by field and in the form's order, under the
//! operator's rules. It looks nothing up: what exists is `services`' to know.
mod areas;
mod checks;
mod draft;
mod inputs;
mod job;
mod json;
mod rules;
mod rules_file;
mod section;
#[cfg(test)]
mod tests;

pub use draft::{Difference, Draft};
pub use job::{job, sort};
pub use rules::{Input, Presence, Rules, SparkVersion};
