//! Sign in with a name and a password, sign out, and the first administrator's link.
use crate::{
    auth::oidc::Provider,
    auth::{first_start, passwords, sessions::Beginning},
    domain::{user::User, violation::Violations},
    services::{Error, accounts},
    web::{
        App, Right, Route,
        error::{Result, WebError},
        extract::{Browser, Form, Path, Query},
        guard::Caller,
        headers::ClientAddress,
        view::View,
    },
};
use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{AppendHeaders, Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use percent_encoding::NON_ALPHANUMERIC;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/login", Right::Visitor, new),
        Route::action("/login", Right::Visitor, create),
        Route::action("/logout", Right::User, delete),
        Route::page("/first-start/{secret}", Right::Visitor, first),
        Route::action("/first-start/{secret}", Right::Visitor, create_first),
    ]
}

#[derive(Template)]
#[template(path = "sign_in/new.html")]
struct NewPage {
    view: View,
    local_accounts: bool,
    providers: Vec<Button>,
    name: String,
    next: String,
    errors: Violations,
}

/// Leads to an identity provider.
struct Button {
    title: String,
    address: String,
}

impl NewPage {
    fn new(app: &App, view: View, name: String, next: String, errors: Violations) -> Self {
        let encoded = percent_encoding::utf8_percent_encode(here(&next), NON_ALPHANUMERIC);
        let button = |provider: &Provider| Button {
            title: provider.title().to_owned(),
            address: format!("/login/{}?next={encoded}", provider.name()),
        };
        Self {
            view,
            local_accounts: app.portal.config.sign_in.local_accounts,
            providers: app.auth.providers.all().iter().map(button).collect(),
            name,
            next,
            errors,
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in/first.html")]
struct FirstPage {
    view: View,
    name: String,
    display_name: String,
    errors: Violations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Next {
    next: String,
}

/// A path of this portal, or the start page: a link must not lead elsewhere. Browsers drop tabs and ends of lines, and
/// take a backslash for a slash.
pub(super) fn here(next: &str) -> &str {
    let odd = |c: char| c == '\\' || c.is_control();
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains(odd);
    if inside { next } else { "/" }
}

async fn new(
    State(app): State<App>,
    view: View,
    caller: Option<Extension<Caller>>,
    Query(query): Query<Next>,
) -> Result<Response> {
    if caller.is_some() {
        return Ok(Redirect::to(here(&query.next)).into_response());
    }
    let page = NewPage::new(&app, view, String::new(), query.next, Violations::default());
    Ok(Html(page.render()?).into_response())
}

#[derive(Deserialize)]
struct SignInForm {
    #[serde(rename = "/name", default)]
    name: String,
    #[serde(rename = "/password", default)]
    password: SecretString,
    #[serde(default)]
    next: String,
}

async fn create(
    State(app): State<App>,
    view: View,
    caller: Option<Extension<Caller>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response> {
    if !app.portal.config.sign_in.local_accounts {
        return Err(Error::Forbidden(
            "This portal keeps no passwords. Sign in by one of its identity providers.".into(),
        )
        .into());
    }
    let user = match app
        .auth
        .sign_in(&app.portal, &form.name, form.password, &address.0)
        .await
    {
        Ok(user) => user,
        Err(Error::Invalid(errors)) => {
            let page = NewPage::new(&app, view, form.name, form.next, errors);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
        }
        Err(other) => return Err(other.into()),
    };
    signed_in(&app, &user, caller, &address, &headers, here(&form.next)).await
}

async fn signed_in(
    app: &App,
    user: &User,
    caller: Option<Extension<Caller>>,
    address: &ClientAddress,
    headers: &HeaderMap,
    to: &str,
) -> Result<Response> {
    let begin = beginning(caller.as_ref(), address, headers);
    let cookie = begin_session(app, user, begin).await?;
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to(to),
    )
        .into_response())
}

/// A session in this browser, after the one that it had.
pub(super) fn beginning<'a>(
    caller: Option<&'a Extension<Caller>>,
    address: &'a ClientAddress,
    headers: &'a HeaderMap,
) -> Beginning<'a> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok());
    Beginning {
        agent: agent.unwrap_or_default(),
        address: &address.0,
        old: match caller {
            Some(Extension(Caller::Browser(signed_in))) => Some(signed_in),
            _ => None,
        },
        ..Beginning::default()
    }
}

/// Begins it; its cookie.
pub(super) async fn begin_session(app: &App, user: &User, begin: Beginning<'_>) -> Result<String> {
    let secret = app.auth.begin_session(&app.portal, user, begin).await?;
    let lasts = app.portal.config.sign_in.absolute_seconds;
    Ok(app.set_cookie(&app.cookie, secret.expose_secret(), lasts))
}

async fn delete(State(app): State<App>, Browser(signed_in): Browser) -> Result<Response> {
    let id = signed_in.session.id;
    let there = app.auth.goodbye(&app.portal, id).await?;
    accounts::end_session(&app.portal, &signed_in.actor, id).await?;
    let gone = app.set_cookie(&app.cookie, "", 0);
    Ok((
        AppendHeaders([(header::SET_COOKIE, gone)]),
        Redirect::to(there.as_deref().unwrap_or("/login")),
    )
        .into_response())
}

async fn first(
    State(app): State<App>,
    view: View,
    Path(secret): Path<SecretString>,
) -> Result<Html<String>> {
    first_start::check(&app.portal, &secret).await?;
    let page = FirstPage {
        view,
        name: "admin".into(),
        display_name: String::new(),
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct FirstForm {
    #[serde(rename = "/name", default)]
    name: String,
    #[serde(rename = "/display_name", default)]
    display_name: String,
    #[serde(rename = "/password", default)]
    password: SecretString,
}

async fn create_first(
    State(app): State<App>,
    view: View,
    Path(secret): Path<SecretString>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    Form(form): Form<FirstForm>,
) -> Result<Response> {
    let link = first_start::check(&app.portal, &secret).await?;
    let draft = accounts::Draft {
        name: form.name.trim().to_owned(),
        display_name: form.display_name.clone(),
        site_admin: true,
    };
    let made = async {
        passwords::check_new("/password", &form.password, &draft.name).into_result(())?;
        let hash = app.auth.hash(&app.portal, form.password).await?;
        accounts::create_first(&app.portal, &draft, &hash, &link).await
    };
    match made.await {
        Ok(user) => {
            first_start::forget(&app.portal);
            signed_in(&app, &user, None, &address, &headers, "/").await
        }
        Err(Error::Invalid(errors)) => {
            let page = FirstPage {
                view,
                name: form.name,
                display_name: form.display_name,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(WebError::from(other)),
    }
}
