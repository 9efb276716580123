//! The header `Idempotency-Key` of requests that create.
use crate::services::{
    Result,
    idempotency::{Key, Made},
};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

/// The request's key, if it has one. `route` is method and path; the body counts by its value, not by its spaces.
pub fn key(headers: &HeaderMap, route: &str, body: &Value) -> Result<Option<Key>> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    // What is no text is refused by the key's own rule.
    let text = value.to_str().unwrap_or_default();
    Key::parse(route, text, body.to_string().as_bytes()).map(Some)
}

/// 201 with the address of what was made; 200 where it was made before.
pub fn answer<T>(made: &Made<T>, location: String, body: impl IntoResponse) -> Response {
    let status = match made {
        Made::New(_) => StatusCode::CREATED,
        Made::Again(_) => StatusCode::OK,
    };
    (status, [(header::LOCATION, location)], body).into_response()
}
