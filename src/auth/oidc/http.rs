//! How the portal calls identity providers: bounded in time and size, and never sent elsewhere. `openidconnect` without
//! the HTTP client of its own.
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use std::{pin::Pin, sync::Arc, time::Duration};

/// The most that one answer may bring: the userinfo of somebody in 1,000 groups has 85 KB.
const MOST: usize = 2 << 20;

#[derive(Clone, Debug)]
pub struct Http(reqwest::Client);

/// Shared, since a failure is remembered for those who wait behind.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    #[error("it did not answer in time")]
    Slow,
    #[error("it cannot be reached: {0}")]
    Away(Arc<str>),
    #[error("its answer is larger than {} MiB", MOST >> 20)]
    Huge,
    #[error("it answered {0}, which the portal does not follow")]
    Redirects(u16),
    #[error("it answered {0}")]
    Broken(u16),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Slow;
        }
        // Without the address, which may hold what is nobody's business; the innermost cause says most.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::Away(cause.to_string().into())
    }
}

impl Http {
    /// `timeout` is the longest that one call may take.
    pub fn new(timeout: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            // The code, the secret and the tokens go where discovery said and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .build()?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(HttpError::Redirects(status.as_u16()));
        }
        if status.is_server_error() {
            return Err(HttpError::Broken(status.as_u16()));
        }
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = status;
        *answer.headers_mut() = response.headers().clone();
        while let Some(piece) = response.chunk().await? {
            let body = answer.body_mut();
            if body.len() + piece.len() > MOST {
                return Err(HttpError::Huge);
            }
            body.extend_from_slice(&piece);
        }
        Ok(answer)
    }

    /// JSON from an address that takes a bearer token.
    pub async fn get_json(&self, address: &str, token: &str) -> Result<HttpResponse, HttpError> {
        let request = http::Request::get(address)
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new());
        let request = request.map_err(|error| HttpError::Away(error.to_string().into()))?;
        self.send(request).await
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
