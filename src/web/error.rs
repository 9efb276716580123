//! From errors to answers: the one place that picks status codes.
//!
//! An error does not know who asked. It puts a [`Problem`] on the response; the routers of pages and of the API write it
//! as HTML or as problem+json.
use super::{App, guard, headers::RequestId, view::View};
use crate::{domain::violation::Violations, services::Error};
use askama::Template;
use axum::{
    Extension,
    extract::{Request, State},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// RFC 9457.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    pub request_id: String,
    #[serde(skip_serializing_if = "Violations::is_empty")]
    pub violations: Violations,
    /// What is down, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<String>,
    #[serde(skip)]
    pub hint: Option<String>,
}

/// What the web adds to the services' meanings.
#[derive(Debug)]
pub enum WebError {
    Service(Error),
    /// It cannot be parsed.
    BadRequest(String),
    NotSignedIn,
    NotAcceptable(String),
    UnsupportedMediaType(String),
    MethodNotAllowed,
    TimedOut,
}

pub type Result<T, E = WebError> = std::result::Result<T, E>;

impl<E: Into<Error>> From<E> for WebError {
    fn from(error: E) -> Self {
        Self::Service(error.into())
    }
}

impl From<askama::Error> for WebError {
    fn from(error: askama::Error) -> Self {
        Self::Service(Error::Internal(error.into()))
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let (status, title) = self.status();
        let mut headers = http::HeaderMap::new();
        let mut problem = Problem {
            kind: "about:blank".into(),
            title: title.into(),
            status: status.as_u16(),
            detail: String::new(),
            instance: String::new(),
            request_id: String::new(),
            violations: Violations::default(),
            unavailable: Vec::new(),
            hint: None,
        };
        let number = |n: u64| HeaderValue::from(n);
        problem.detail = match self {
            Self::Service(error) => {
                let detail = error.to_string();
                match error {
                    Error::Internal(cause) => tracing::error!(error = ?cause, "a request failed"),
                    Error::Invalid(violations) => problem.violations = violations,
                    Error::Unavailable(what) => {
                        headers.insert(header::RETRY_AFTER, number(5));
                        problem.hint = Some("Everything else works. Try again in a moment.".into());
                        problem.unavailable = what;
                    }
                    Error::Provider { name, advice, .. } => {
                        problem.hint = Some(advice);
                        problem.unavailable = vec![format!("provider/{name}")];
                    }
                    Error::TooMany { retry_seconds, .. } => {
                        headers.insert(header::RETRY_AFTER, number(retry_seconds));
                    }
                    Error::Range { size } => {
                        if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                            headers.insert(header::CONTENT_RANGE, value);
                        }
                    }
                    _ => {}
                }
                detail
            }
            Self::BadRequest(why) | Self::NotAcceptable(why) | Self::UnsupportedMediaType(why) => {
                why
            }
            Self::NotSignedIn => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                "Send a token: `Authorization: Bearer tml_…`. Tokens are made on the account page."
                    .into()
            }
            Self::MethodNotAllowed => "This address does not take this method.".into(),
            Self::TimedOut => "This took too long and was given up. Try again.".into(),
        };
        let detail = problem.detail.clone();
        (status, headers, Extension(problem), detail).into_response()
    }
}

impl WebError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Service(error) => match error {
                Error::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
                Error::Forbidden(_) => (StatusCode::FORBIDDEN, "Not allowed"),
                Error::Conflict(_) => (StatusCode::CONFLICT, "Not possible now"),
                Error::Outdated(_) => (StatusCode::PRECONDITION_FAILED, "Changed meanwhile"),
                Error::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Some fields need mending"),
                Error::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
                Error::Range { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "No such range"),
                Error::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
                Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not available now"),
                Error::Provider { .. } => (StatusCode::BAD_GATEWAY, "You are not signed in"),
                Error::Internal(_) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong here",
                ),
            },
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "Not understood"),
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "Sign in first"),
            Self::NotAcceptable(_) => (StatusCode::NOT_ACCEPTABLE, "Not offered in this form"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not taken in this form")
            }
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Not this way"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "Took too long"),
        }
    }
}

pub async fn no_such_page() -> WebError {
    Error::NotFound("page").into()
}

pub async fn no_such_method() -> WebError {
    WebError::MethodNotAllowed
}

pub fn cross_origin(_: tower_http::csrf::ProtectionError) -> Response {
    WebError::from(Error::Forbidden(
        "This request came from another site and was not carried out. Open the page here and send it again.".into(),
    ))
    .into_response()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    view: View,
    problem: Problem,
}

/// Fills in what only the request knows.
fn complete(response: &mut Response, instance: &str, id: Option<&RequestId>) -> Option<Problem> {
    let mut problem = response.extensions_mut().remove::<Problem>()?;
    instance.clone_into(&mut problem.instance);
    problem.request_id = id.map(|id| id.0.clone()).unwrap_or_default();
    Some(problem)
}

pub async fn problems_as_html(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let id = request.extensions().get::<RequestId>().cloned();
    let caller = guard::caller(&app, &mut request).await.unwrap_or(None);
    let view = View::of(&app, request.headers(), request.uri(), caller.as_ref());
    let mut response = next.run(request).await;
    let Some(problem) = complete(&mut response, &path, id.as_ref()) else {
        return response;
    };
    match (ErrorPage { view, problem }).render() {
        Ok(html) => {
            let mut page = Html(html).into_response();
            *page.status_mut() = response.status();
            for name in [header::RETRY_AFTER, header::CONTENT_RANGE, header::ALLOW] {
                if let Some(value) = response.headers().get(&name) {
                    page.headers_mut().insert(name, value.clone());
                }
            }
            page
        }
        Err(error) => {
            tracing::error!(%error, "the error page could not be rendered");
            response
        }
    }
}

pub async fn problems_as_json(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = complete(&mut response, &path, id.as_ref()) else {
        return response;
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    *response.body_mut() = body.into();
    response
}
