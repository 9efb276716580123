//! What every request and answer gets: an id, the caller's address, bounds on time and size, and the security headers.
use super::{App, Kind, error::WebError};
use crate::auth::oidc::Providers;
use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use http::{HeaderName, HeaderValue, header};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::NotForContentType},
    trace::TraceLayer,
};

/// On every answer, in the server's log, and in what users report.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Where the request came from, behind trusted proxies.
#[derive(Debug, Clone, Default)]
pub struct ClientAddress(pub String);

/// The most that a form or an API body may bring.
const BODY_LIMIT: usize = 2 << 20;

/// What a page may load, and where its forms may lead: signing out leads on to the identity provider.
pub fn csp(providers: &Providers) -> String {
    let mut forms = String::from("'self'");
    for provider in providers.all() {
        forms.push(' ');
        forms.push_str(&provider.origin());
    }
    format!(
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    )
}

/// Bounds by what a route answers with. Transfers have none on time; their own code bounds size.
pub fn bounded(handler: MethodRouter<App>, kind: Kind) -> MethodRouter<App> {
    match kind {
        Kind::Upload | Kind::ApiUpload => handler.layer(DefaultBodyLimit::disable()),
        Kind::Download | Kind::Stream | Kind::ApiStream => {
            handler.layer(DefaultBodyLimit::max(BODY_LIMIT))
        }
        Kind::Page | Kind::Action | Kind::Fragment | Kind::Api => handler
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .layer(middleware::from_fn(in_time)),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(Duration::from_secs(30), next.run(request)).await {
        Ok(response) => response,
        Err(_) => WebError::TimedOut.into_response(),
    }
}

/// A handler that panics is a problem like another.
pub fn catch_panics() -> CatchPanicLayer<fn(Box<dyn std::any::Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| {
        let cause = anyhow::anyhow!("a handler panicked");
        WebError::from(crate::services::Error::Internal(cause)).into_response()
    })
}

/// The layers around everything.
pub fn around(router: Router<App>, app: &App) -> Router<App> {
    router
        .layer(CompressionLayer::new().compress_when(worthwhile()))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            let id = request.extensions().get::<RequestId>().map_or("", |id| id.0.as_str());
            // The path alone: a query may hold what somebody searched for.
            tracing::info_span!("request", method = %request.method(), path = redacted(request.uri().path()), id)
        }))
        .layer(middleware::from_fn_with_state(app.clone(), prepare))
}

/// Users' bytes leave as they are: compressing gigabytes would cost more than it saves, and lose their length.
fn worthwhile() -> impl Predicate {
    DefaultPredicate::new()
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::const_new("application/zip"))
}

/// The first-start link's secret is in its path and stays out of the log.
fn redacted(path: &str) -> &str {
    if path.starts_with("/first-start/") {
        "/first-start/…"
    } else {
        path
    }
}

async fn prepare(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let address = client_address(&app, &request);
    request.extensions_mut().insert(RequestId(id.clone()));
    request.extensions_mut().insert(ClientAddress(address));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    set(HeaderName::from_static("x-request-id"), &id);
    set(header::CONTENT_SECURITY_POLICY, &app.csp);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    );
    set(header::CACHE_CONTROL, "no-store");
    if app.portal.config.server.is_https() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

/// `X-Forwarded-For` counts from trusted proxies alone, read from its right end.
fn client_address(app: &App, request: &Request) -> String {
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
        return String::new();
    };
    // A socket for both versions calls an address of version 4 `::ffff:192.0.2.1`.
    let proxies = &app.portal.config.server.trusted_proxies;
    let is_trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut address = peer.ip().to_canonical();
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.iter().rev() {
        if !is_trusted(address) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(before) => address = before.to_canonical(),
            Err(_) => break,
        }
    }
    address.to_string()
}
