//! Strings → [`crate::domain::job::JobSpec`], or every problem at once, by field and in the form's order, under the
//! operator's rules. It looks nothing up: what exists is `services`' to know.
mod areas;
mod check;
mod checks;
mod draft;
mod form;
mod inputs;
mod job;
mod json;
mod rules;
mod rules_file;
mod section;
#[cfg(test)]
mod tests;

pub use draft::{Difference, Draft};
pub use form::Input;
pub use job::{Checked, Parts, job, sort};
pub use rules::{Presence, Rules, SparkVersion};
