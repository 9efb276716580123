//! Something that happened to a job; its id is the job's own counter.
use super::ids::JobId;
use super::job::words;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    EventKind {
        Accepted = "accepted",
        Placed = "placed",
        Started = "started",
        AttemptEnded = "attempt_ended",
        Retry = "retry",
        CancelRequested = "cancel_requested",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

#[derive(Debug, Clone)]
pub struct Event {
    pub job: JobId,
    pub id: i64,
    pub at: Timestamp,
    pub kind: EventKind,
    /// What happened, in a sentence.
    pub text: String,
    /// The name of the user who did it; absent where the portal did.
    pub actor: Option<String>,
    pub attempt: Option<u32>,
}

/// What is told to whoever listens: something about this job changed. It carries no history; listeners look at the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    Job(super::ids::ProjectId, JobId),
    /// More of a log can be read.
    Log(JobId),
    Task(super::ids::TaskId),
}
