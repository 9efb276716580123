//! `?dry_run=true` on what creates: everything is checked, nothing is kept.
use crate::web::answer::Answer;
use serde::{Deserialize, Serialize};

/// What the description says of it.
pub const DRY_RUN: &[(&str, &str)] = &[("dry_run", "true checks everything and keeps nothing")];

#[derive(Debug, Clone, Copy, Deserialize, Default)]
#[serde(default)]
pub struct DryRun {
    pub dry_run: bool,
}

/// That the same request without `dry_run` would have made something.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Fits {
    dry_run: bool,
}

/// The answer to what fits.
pub fn fits() -> Answer<Fits> {
    Answer(Fits { dry_run: true })
}
