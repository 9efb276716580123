//! axum's extractors, rejecting with our error, and the callers' own.
#![expect(
    clippy::disallowed_types,
    reason = "what others use instead is made here"
)]
use super::{
    App,
    error::{Result, WebError},
    guard::Caller,
};
use crate::{
    auth::sessions::SignedIn,
    domain::{access::Actor, quantity::human_bytes},
    services::Error,
};
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Request, multipart::MultipartError,
    rejection,
};
use http::{header, request::Parts};

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(WebError))]
pub struct Path<T>(pub T);

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(WebError))]
pub struct Query<T>(pub T);

#[derive(FromRequest)]
#[from_request(via(axum::Form), rejection(WebError))]
pub struct Form<T>(pub T);

/// What a form with files may bring in all: its parser holds what arrives faster than it is taken. Larger files come by
/// themselves, without a form around them.
pub const FORM_LIMIT: usize = 64 << 20;

/// A form with files; asked for once it is known that the caller may send them.
pub async fn files(mut request: Request) -> Result<Multipart> {
    DefaultBodyLimit::max(FORM_LIMIT).apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    form.map_err(|_| {
        WebError::UnsupportedMediaType("Send a form with files: multipart/form-data.".into())
    })
}

impl From<MultipartError> for WebError {
    fn from(error: MultipartError) -> Self {
        if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
            let most = human_bytes(FORM_LIMIT as u64);
            return Error::TooLarge(format!(
                "These files are larger than the {most} that one form may bring. Send fewer at once, or use the API."
            ))
            .into();
        }
        Self::BadRequest(error.body_text())
    }
}

/// An id or a name that cannot be is not found.
impl From<rejection::PathRejection> for WebError {
    fn from(_: rejection::PathRejection) -> Self {
        Error::NotFound("page").into()
    }
}

impl From<rejection::QueryRejection> for WebError {
    fn from(rejection: rejection::QueryRejection) -> Self {
        Self::BadRequest(rejection.body_text())
    }
}

impl From<rejection::FormRejection> for WebError {
    fn from(rejection: rejection::FormRejection) -> Self {
        match rejection {
            rejection::FormRejection::InvalidFormContentType(_) => {
                Self::UnsupportedMediaType("Send a form: application/x-www-form-urlencoded.".into())
            }
            rejection::FormRejection::BytesRejection(bytes) => bytes.into(),
            other => Self::BadRequest(other.body_text()),
        }
    }
}

impl From<rejection::BytesRejection> for WebError {
    fn from(rejection: rejection::BytesRejection) -> Self {
        if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
            return Error::TooLarge(
                "This is larger than 2 MiB, the most that is taken here.".into(),
            )
            .into();
        }
        Self::BadRequest(rejection.body_text())
    }
}

/// Whoever calls, by session or token; the route's right has made sure that somebody does.
impl FromRequestParts<App> for Caller {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(WebError::NotSignedIn)
    }
}

/// Who acts.
pub struct Who(pub Actor);

impl FromRequestParts<App> for Who {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Ok(Self(
            Caller::from_request_parts(parts, app)
                .await?
                .actor()
                .clone(),
        ))
    }
}

/// Who is signed in with a cookie, and the session.
pub struct Browser(pub SignedIn);

impl FromRequestParts<App> for Browser {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match Caller::from_request_parts(parts, app).await? {
            Caller::Browser(signed_in) => Ok(Self(signed_in)),
            Caller::Token(_) => Err(WebError::NotSignedIn),
        }
    }
}

/// JSON, or YAML where the content type says so, as one value of any shape.
pub struct Structured(pub serde_json::Value);

impl FromRequest<App> for Structured {
    type Rejection = WebError;
    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let bytes = bytes::Bytes::from_request(request, app).await?;
        match kind.as_str() {
            "application/json" | "application/merge-patch+json" => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|e| WebError::BadRequest(format!("This is not JSON: {e}"))),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| WebError::BadRequest("This is not UTF-8 text.".into()))?;
                serde_saphyr::from_str(text)
                    .map(Self)
                    .map_err(|e| WebError::BadRequest(format!("This is not YAML: {e}")))
            }
            _ => Err(WebError::UnsupportedMediaType(
                "Send JSON (Content-Type: application/json) or YAML (application/yaml).".into(),
            )),
        }
    }
}
