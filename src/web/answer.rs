//! An answer of JSON.
use super::error::WebError;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;

pub struct Answer<T>(pub T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => WebError::from(anyhow::Error::from(error)).into_response(),
        }
    }
}
