//! The portal itself: who am I, its health, its own description.
use super::{
    input::Fields,
    openapi::{self, doc},
};
use crate::{
    domain::{access::Actor, user::Theme},
    services::{
        accounts,
        site::{self, Readiness},
    },
    web::{
        App, Kind, Right, Route,
        answer::Answer,
        error::Result,
        extract::{Structured, Who},
        routes::routes as all_routes,
    },
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
        Route::api(
            Method::PATCH,
            "/api/v1/user",
            Right::User,
            update_user,
            doc("Change how I am called and how pages look (merge patch)")
                .structured::<Profile>()
                .json::<User>(200, "The caller as they are now"),
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
    /// An IANA zone; null follows the browser.
    time_zone: Option<String>,
    /// `auto`, `light` or `dark`.
    theme: String,
    site_admin: bool,
    /// Until when a site administrator sees other people's private projects; null: they do not.
    elevated_until: Option<String>,
    /// What this token may do.
    scope: String,
}

impl User {
    fn of(app: &App, actor: &Actor) -> Self {
        let user = &actor.user;
        let now = app.portal.clock.now();
        let elevation = user.elevation.as_ref().filter(|e| e.until > now);
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            display_name: user.display_name.clone(),
            time_zone: user.time_zone.clone(),
            theme: user.theme.to_string(),
            site_admin: user.site_admin,
            elevated_until: elevation.map(|e| e.until.to_string()),
            scope: actor.scope.to_string(),
        }
    }
}

async fn user(State(app): State<App>, Who(actor): Who) -> Answer<User> {
    Answer(User::of(&app, &actor))
}

/// What may change; absent fields stay, null takes them back.
#[derive(Serialize, utoipa::ToSchema)]
struct Profile {
    display_name: Option<String>,
    time_zone: Option<String>,
    theme: Option<String>,
}

async fn update_user(
    State(app): State<App>,
    Who(mut actor): Who,
    Structured(patch): Structured,
) -> Result<Answer<User>> {
    let mut fields = Fields::of_patch(patch);
    let text = |value: Option<String>, before: &str| value.unwrap_or_else(|| before.to_owned());
    let user = &actor.user;
    let name = text(fields.text_if("display_name"), &user.display_name);
    let zone = text(
        fields.text_if("time_zone"),
        user.time_zone.as_deref().unwrap_or(""),
    );
    let theme = match fields.text_if("theme").as_deref() {
        None => user.theme.to_string(),
        Some("") => Theme::Auto.to_string(),
        Some(theme) => theme.to_owned(),
    };
    fields.finish()?;
    accounts::set_profile(&app.portal, &actor, &name, &zone, &theme).await?;
    actor.user = accounts::find(&app.portal, actor.user.id).await?;
    Ok(Answer(User::of(&app, &actor)))
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
