//! What a store's answer means for who called.
use super::super::Error;
use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
};

/// What an S3 said, as far as anybody acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It did not answer, or said that it cannot now.
    Nothing,
    Missing,
    NoBucket,
    Range,
    /// What was to be the same as before is not.
    Changed,
    Full,
    Refused,
    NoUpload,
    Other,
}

pub(super) fn said<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Said {
    let SdkError::ServiceError(answer) = error else {
        return match error {
            SdkError::ConstructionFailure(_) => Said::Other,
            _ => Said::Nothing,
        };
    };
    let status = answer.raw().status().as_u16();
    match (answer.err().code().unwrap_or_default(), status) {
        ("NoSuchBucket", _) => Said::NoBucket,
        ("NoSuchUpload", _) => Said::NoUpload,
        ("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage", _) | (_, 507) => Said::Full,
        (_, 404) => Said::Missing,
        (_, 416) => Said::Range,
        (_, 412) => Said::Changed,
        (_, 401 | 403) => Said::Refused,
        (_, 429 | 500..) => Said::Nothing,
        _ => Said::Other,
    }
}

impl super::S3 {
    /// The error that a call becomes; `what` was being done.
    pub(super) fn failed<E>(&self, what: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let name = &self.0.name;
        let code = match error {
            SdkError::ServiceError(answer) => answer
                .err()
                .code()
                .map_or_else(|| answer.raw().status().to_string(), str::to_owned),
            SdkError::TimeoutError(_) => "no answer in time".into(),
            SdkError::DispatchFailure(_) => "no connection".into(),
            _ => "its answer cannot be read".into(),
        };
        match said(error) {
            Said::Missing => Error::NotFound,
            Said::Full => Error::Full(format!("{name} ({code})")),
            Said::NoBucket => {
                Error::Unavailable(format!("{name} has no bucket `{}`", self.0.bucket))
            }
            Said::Refused => Error::Unavailable(format!("{name} refuses {what}: {code}")),
            Said::Nothing => {
                tracing::debug!(store = name, what, error = %DisplayErrorContext(error), "the store failed");
                Error::Unavailable(format!("{name} failed at {what}: {code}"))
            }
            Said::NoUpload => Error::Unavailable(format!("{name} gave up {what}: {code}")),
            Said::Changed => Error::Conflict("the object changed meanwhile".into()),
            Said::Range | Said::Other => Error::Internal(anyhow::anyhow!(
                "{name} at {what}: {}",
                DisplayErrorContext(error)
            )),
        }
    }
}
