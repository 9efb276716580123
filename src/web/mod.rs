//! Everything HTTP, and the only users of axum, askama and status codes. A handler translates, calls, renders.
mod answer;
pub mod api;
mod assets;
mod conditions;
mod download;
mod error;
mod escape;
mod extract;
mod guard;
mod headers;
mod job_query;
mod limits;
mod pages;
pub mod routes;
mod stream;
pub mod view;

pub use error::Problem;
pub use extract::FORM_LIMIT;
pub use routes::{Kind, Right, Route, routes};

use crate::{auth::Auth, services::Portal};
use axum::{Router, middleware};
use std::sync::Arc;

/// The state of all handlers.
#[derive(Clone)]
pub struct App {
    pub portal: Portal,
    pub auth: Auth,
    /// What the session cookie is called here.
    pub cookie: Arc<str>,
    /// What a page that leads to another says there once.
    pub notice_cookie: Arc<str>,
    /// The policy of every page.
    csp: Arc<str>,
    limits: Arc<limits::Limits>,
    /// Cancelled when the portal stops: streams end first.
    pub stop: tokio_util::sync::CancellationToken,
}

impl App {
    /// `installation` is its short id: cookies ignore ports, so two portals on one machine need two names.
    pub fn new(
        portal: Portal,
        auth: Auth,
        installation: &str,
        stop: tokio_util::sync::CancellationToken,
    ) -> Self {
        let cookie = if portal.config.server.is_https() {
            "__Host-tourmaline".to_owned()
        } else {
            format!("tourmaline-{installation}")
        };
        Self {
            csp: headers::csp(&auth.providers).into(),
            limits: Arc::new(limits::Limits::new(&portal.config.server)),
            notice_cookie: format!("{cookie}-notice").into(),
            cookie: cookie.into(),
            portal,
            auth,
            stop,
        }
    }

    /// A cookie of the whole site, as `Set-Cookie` writes it; 0 seconds remove it.
    fn set_cookie(&self, name: &str, value: &str, seconds: u64) -> String {
        let secure = if self.portal.config.server.is_https() {
            "; Secure"
        } else {
            ""
        };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// The whole site, from the table of routes.
pub fn router(app: &App) -> Router {
    let mut pages = Router::new();
    let mut api = Router::new();
    for route in routes() {
        let guarded = route.handler.layer(middleware::from_fn_with_state(
            guard::Guard {
                app: app.clone(),
                right: route.right,
                kind: route.kind,
            },
            guard::guard,
        ));
        let limited = headers::bounded(guarded, route.kind);
        if route.kind.is_api() {
            api = api.route(route.path, limited);
        } else {
            pages = pages.route(route.path, limited);
        }
    }
    let pages = pages
        .fallback(error::no_such_page)
        .method_not_allowed_fallback(error::no_such_method)
        // Within the layer that writes problems as pages, so that its refusal is one.
        .layer(tower_http::csrf::CsrfLayer::new().with_rejection_response(error::cross_origin))
        .layer(headers::catch_panics())
        .layer(middleware::from_fn_with_state(
            app.clone(),
            error::problems_as_html,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), view::notices));
    let api = api
        .route("/api/{*rest}", axum::routing::any(error::no_such_page))
        .method_not_allowed_fallback(error::no_such_method)
        .layer(headers::catch_panics())
        .layer(middleware::from_fn(error::problems_as_json));
    headers::around(pages.merge(api), app).with_state(app.clone())
}
