//! Sign in by an identity provider: there and back.
use super::sign_in::{begin_session, beginning, here};
use crate::{
    auth::{
        oidc::{Answer, Fault, PENDING_SECONDS, Pending, Place, Provider},
        sessions::{Beginning, ByProvider},
    },
    services::{Error, accounts},
    web::{
        App, Right, Route,
        error::{Result, WebError},
        extract::{Form, Path, Query},
        guard::Caller,
        headers::ClientAddress,
    },
};
use axum::{
    Extension,
    extract::State,
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/login/{provider}", Right::Visitor, begin),
        Route::page("/login/{provider}/callback", Right::Visitor, complete),
        Route::action("/login/{provider}/logout", Right::Visitor, depart),
    ]
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Next {
    next: String,
}

/// A cookie has 4 KB; who asked for a longer page comes to the start page.
const LONGEST_NEXT: usize = 1000;

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Provider> {
    let found = app.auth.providers.find(name);
    Ok(found.ok_or(Error::NotFound("identity provider"))?)
}

fn told(provider: &Provider, fault: &Fault) -> WebError {
    match provider.told(fault) {
        // It is nobody's fault there.
        Error::Provider { why, advice, .. } if fault.place == Place::Browser => {
            WebError::BadRequest(format!("{why} {advice}"))
        }
        other => other.into(),
    }
}

/// One cookie for each sign-in that was begun: people have several tabs.
fn cookie_name(app: &App, mark: &str) -> String {
    format!("{}-login-{mark}", app.cookie)
}

async fn begin(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(Next { next }): Query<Next>,
) -> Result<Response> {
    let provider = find(&app, &name)?;
    let next = if next.len() > LONGEST_NEXT {
        "/"
    } else {
        here(&next)
    };
    let begun = provider.begin(next, app.portal.clock.now()).await;
    let (address, pending) = begun.map_err(|fault| told(provider, &fault))?;
    let name = cookie_name(&app, &pending.own_mark());
    let cookie = app.set_cookie(&name, &pending.sealed(), PENDING_SECONDS);
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to(&address),
    )
        .into_response())
}

async fn complete(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(answer): Query<Answer>,
    caller: Option<Extension<Caller>>,
    Extension(address): Extension<ClientAddress>,
    jar: CookieJar,
    headers: HeaderMap,
) -> Response {
    let cookie = cookie_name(&app, &Pending::mark(&answer.state));
    let pending = jar.get(&cookie).and_then(|c| Pending::parse(c.value()));
    // Once, whatever comes of it.
    let used = app.set_cookie(&cookie, "", 0);
    let begin = beginning(caller.as_ref(), &address, &headers);
    let answered = async {
        let provider = find(&app, &name)?;
        let next = pending.as_ref().map(|pending| pending.next.clone());
        let done = provider.complete(pending, answer, app.portal.clock.now());
        let done = done.await.map_err(|fault| told(provider, &fault))?;
        let (user, identity) = accounts::arrive(&app.portal, &done.arrival).await?;
        accounts::check_not_suspended(&user)?;
        let begin = Beginning {
            provider: Some(ByProvider {
                identity,
                sid: done.sid,
                tokens: done.tokens,
            }),
            ..begin
        };
        let cookie = begin_session(&app, &user, begin).await?;
        let next = next.as_deref().map_or("/", here);
        Ok::<_, WebError>((
            AppendHeaders([(header::SET_COOKIE, cookie)]),
            Redirect::to(next),
        ))
    };
    let answered = answered.await.into_response();
    (AppendHeaders([(header::SET_COOKIE, used)]), answered).into_response()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Departing {
    logout_token: String,
}

/// A provider tells that somebody has signed out there (back-channel logout).
async fn depart(
    State(app): State<App>,
    Path(name): Path<String>,
    Form(form): Form<Departing>,
) -> Result<StatusCode> {
    let provider = find(&app, &name)?;
    let departure = provider.departure(&form.logout_token, app.portal.clock.now());
    let departure = departure.await.map_err(|fault| {
        // The standard's answer to all that is wrong with it. The provider logs it; so does this portal.
        let why = provider.told(&fault).to_string();
        WebError::BadRequest(why)
    })?;
    match accounts::depart(&app.portal, &departure).await {
        Ok(_) => Ok(StatusCode::OK),
        Err(Error::Conflict(why)) => Err(WebError::BadRequest(why)),
        Err(other) => Err(other.into()),
    }
}
