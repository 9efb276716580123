//! What can go wrong, by meaning. Only `web::error` turns these into status codes.
use crate::{
    domain::{access::Denied, quantity::human_bytes, violation::Violations},
    storage, store,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or this caller may not see it.
    #[error("There is no such {0}, or it is not yours to see.")]
    NotFound(&'static str),
    /// Seen, but not to be done by this caller. Says who may.
    #[error("{0}")]
    Forbidden(String),
    /// The thing is in a state in which this cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// It was changed since the caller read it (`If-Match`).
    #[error("{0}")]
    Outdated(String),
    #[error("Some fields need mending.")]
    Invalid(Violations),
    #[error("{0}")]
    TooLarge(String),
    #[error("the range cannot be satisfied")]
    Range { size: u64 },
    /// Too many at once or too fast; the same later will do.
    #[error("{why}")]
    TooMany { why: String, retry_seconds: u64 },
    /// What is down, by name, such as `cluster/local`.
    #[error("Not available now: {}.", .0.join(", "))]
    Unavailable(Vec<String>),
    /// An identity provider does not answer, or not as it should.
    #[error("{why}")]
    Provider {
        name: String,
        why: String,
        /// What an administrator can do.
        advice: String,
    },
    #[error("Something went wrong here.")]
    Internal(#[source] anyhow::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>, value: Option<&str>) -> Self {
        Self::Invalid(Violations::one(field, message, value))
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the database does not answer");
                Self::Unavailable(vec!["database".into()])
            }
            store::Error::Stale(what) => Self::Conflict(format!(
                "Somebody changed {what} just now. Load the page again and look before you repeat this."
            )),
            store::Error::Collided => Self::TooMany {
                why: "Others changed the same thing at the same moment. Try again.".into(),
                retry_seconds: 1,
            },
            other => Self::Internal(other.into()),
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NotFound => Self::NotFound("file"),
            storage::Error::Conflict(why) => Self::Conflict(why),
            storage::Error::TooLarge { limit } => Self::TooLarge(format!(
                "This is larger than {}, the most that is taken here.",
                human_bytes(limit)
            )),
            storage::Error::RangeNotSatisfiable { size } => Self::Range { size },
            storage::Error::Body(cause) => {
                tracing::info!(error = %cause, "a transfer broke off");
                Self::Conflict(
                    "The transfer broke off before its end; nothing was kept. Send it again."
                        .into(),
                )
            }
            storage::Error::Full(_) | storage::Error::Unavailable(_) => {
                tracing::warn!(%error, "the store does not take or give");
                Self::Unavailable(vec!["storage".into()])
            }
            storage::Error::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

/// A refusal, about a thing of this name.
pub(super) fn denied(what: &'static str) -> impl Fn(Denied) -> Error {
    move |denied| match denied {
        Denied::NotFound => Error::NotFound(what),
        Denied::Forbidden(why) => Error::Forbidden(why),
    }
}
