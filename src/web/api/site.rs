//! The portal itself: who am I, its health, its own description.
use super::openapi::{self, doc};
use crate::{
    services::site::{self, Readiness},
    web::{App, Kind, Right, Route, answer::Answer, extract::Who, routes::routes as all_routes},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::api(
            Method::GET,
            "/api/v1/openapi.json",
            Right::Visitor,
            describe,
            doc("This description").raw(200, "The OpenAPI document", "application/json"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/user",
            Right::User,
            user,
            doc("Who am I").json::<User>(200, "The caller"),
        ),
        Route::new(
            Method::GET,
            "/healthz",
            Kind::Api,
            Right::Visitor,
            || async { "ok\n" },
        ),
        Route::new(Method::GET, "/readyz", Kind::Api, Right::Visitor, ready),
    ]
}

async fn describe() -> Response {
    Answer(openapi::document(&all_routes())).into_response()
}

/// The caller.
#[derive(Serialize, utoipa::ToSchema)]
struct User {
    id: String,
    name: String,
    display_name: String,
    site_admin: bool,
    /// What this token may do.
    scope: String,
}

async fn user(Who(actor): Who) -> Response {
    Answer(User {
        id: actor.user.id.to_string(),
        name: actor.user.name.to_string(),
        display_name: actor.user.display_name.clone(),
        site_admin: actor.user.site_admin,
        scope: actor.scope.to_string(),
    })
    .into_response()
}

/// Whether everything that the portal needs answers; names what does not.
async fn ready(State(app): State<App>) -> Response {
    let Readiness { down, warnings } = site::readiness(&app.portal).await;
    let status = if down.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({ "ready": down.is_empty(), "down": down, "warnings": warnings });
    (status, Answer(body)).into_response()
}
