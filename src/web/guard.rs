//! Who calls, and whether the route's right lets them in: cookies on pages, bearer tokens on the API.
use super::{
    App, Kind, Right,
    error::{Result, WebError},
    headers::ClientAddress,
};
use crate::{
    auth::{proof::Proof, sessions::SignedIn},
    domain::{access::Actor, user::Scope},
    services::Error,
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use http::{HeaderValue, Method, header};

/// Who calls, and with which proof.
#[derive(Debug, Clone)]
pub enum Caller {
    Browser(SignedIn),
    Token(Actor),
}

impl Caller {
    pub fn actor(&self) -> &Actor {
        match self {
            Self::Browser(signed_in) => &signed_in.actor,
            Self::Token(actor) => actor,
        }
    }
}

#[derive(Clone)]
pub struct Guard {
    pub app: App,
    pub right: Right,
    pub kind: Kind,
}

/// Runs before every handler of the table.
pub async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    match admit(&guard, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(WebError::NotSignedIn) if !guard.kind.is_api() => to_sign_in(&guard, &request),
        Err(error) => error.into_response(),
    }
}

async fn admit(guard: &Guard, request: &mut Request) -> Result<()> {
    let caller = if guard.kind.is_api() {
        let header = request.headers().get(header::AUTHORIZATION).cloned();
        let address = request
            .extensions()
            .get::<ClientAddress>()
            .cloned()
            .unwrap_or_default();
        let found = by_token(&guard.app, header, address).await?;
        if let Some((caller, _)) = &found {
            guard.app.limits.request(caller.actor().user.id)?;
        }
        found.map(|(caller, proof)| {
            request.extensions_mut().insert(caller.clone());
            request.extensions_mut().insert(proof);
            caller
        })
    } else {
        caller(&guard.app, request).await?
    };
    match (guard.right, &caller) {
        (Right::Visitor, _) | (Right::User | Right::Project(_), Some(_)) => {}
        (_, None) => return Err(WebError::NotSignedIn),
        (Right::SiteAdmin, Some(caller)) => {
            let actor = caller.actor();
            if !actor.user.site_admin {
                return Err(Error::NotFound("page").into());
            }
            if actor.scope < Scope::Admin {
                return Err(
                    Error::Forbidden("This needs a token with the scope `admin`.".into()).into(),
                );
            }
        }
    }
    caller.map_or(Ok(()), |caller| may_send(caller.actor(), request.method()))
}

/// A token that may only read is refused before anything is made of what it sends.
fn may_send(actor: &Actor, method: &Method) -> Result<()> {
    if actor.scope < Scope::Write && !method.is_safe() {
        return Err(Error::Forbidden(format!(
            "This token has the scope `{}`; this needs `{}`.",
            actor.scope,
            Scope::Write
        ))
        .into());
    }
    Ok(())
}

/// The caller by the session cookie; looked up once a request.
pub async fn caller(app: &App, request: &mut Request) -> Result<Option<Caller>> {
    if let Some(caller) = request.extensions().get::<Caller>() {
        return Ok(Some(caller.clone()));
    }
    let jar = CookieJar::from_headers(request.headers());
    let Some(cookie) = jar.get(&app.cookie).map(|cookie| cookie.value().to_owned()) else {
        return Ok(None);
    };
    let found = app.auth.find_session(&app.portal, &cookie).await?;
    let found = found.map(Caller::Browser);
    if let Some(caller) = &found {
        request.extensions_mut().insert(caller.clone());
        request.extensions_mut().insert(Proof::session(&cookie));
    }
    Ok(found)
}

/// `header` is the request's `Authorization`.
async fn by_token(
    app: &App,
    header: Option<HeaderValue>,
    address: ClientAddress,
) -> Result<Option<(Caller, Proof)>> {
    let Some(value) = header else {
        return Ok(None);
    };
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    let Some(secret) = secret else {
        return Err(WebError::NotSignedIn);
    };
    match app.auth.find_token(&app.portal, secret, &address.0).await? {
        Some(actor) => Ok(Some((Caller::Token(actor), Proof::token(secret)))),
        None => Err(WebError::NotSignedIn),
    }
}

/// A page leads to sign-in and back; a fragment or a stream says so by its status, and the script loads the page.
fn to_sign_in(guard: &Guard, request: &Request) -> Response {
    if guard.kind == Kind::Page || guard.kind == Kind::Download {
        let asked = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let next = percent_encoding::utf8_percent_encode(asked, percent_encoding::NON_ALPHANUMERIC);
        let to = if asked == "/" {
            "/login".to_owned()
        } else {
            format!("/login?next={next}")
        };
        return Redirect::to(&to).into_response();
    }
    if guard.kind == Kind::Action {
        return Redirect::to("/login").into_response();
    }
    WebError::NotSignedIn.into_response()
}
