//! Sign in, sign out, and the first administrator's link.
use crate::{
    auth::{first_start, passwords},
    domain::violation::Violations,
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
    name: String,
    next: String,
    errors: Violations,
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
fn here(next: &str) -> &str {
    let odd = |c: char| c == '\\' || c.is_control();
    let inside = next.starts_with('/') && !next.starts_with("//") && !next.contains(odd);
    if inside { next } else { "/" }
}

async fn new(
    view: View,
    caller: Option<Extension<Caller>>,
    Query(query): Query<Next>,
) -> Result<Response> {
    if caller.is_some() {
        return Ok(Redirect::to(here(&query.next)).into_response());
    }
    let page = NewPage {
        view,
        name: String::new(),
        next: query.next,
        errors: Violations::default(),
    };
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
    let user = match app
        .auth
        .sign_in(&app.portal, &form.name, form.password, &address.0)
        .await
    {
        Ok(user) => user,
        Err(Error::Invalid(errors)) => {
            let page = NewPage {
                view,
                name: form.name,
                next: form.next,
                errors,
            };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
        }
        Err(other) => return Err(other.into()),
    };
    signed_in(&app, &user, caller, &address, &headers, here(&form.next)).await
}

async fn signed_in(
    app: &App,
    user: &crate::domain::user::User,
    caller: Option<Extension<Caller>>,
    address: &ClientAddress,
    headers: &HeaderMap,
    to: &str,
) -> Result<Response> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let old = match &caller {
        Some(Extension(Caller::Browser(signed_in))) => Some(signed_in),
        _ => None,
    };
    let secret = app
        .auth
        .begin_session(&app.portal, user, agent, &address.0, old)
        .await?;
    let lasts = app.portal.config.sign_in.absolute_seconds;
    let cookie = app.set_cookie(&app.cookie, secret.expose_secret(), lasts);
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        Redirect::to(to),
    )
        .into_response())
}

async fn delete(State(app): State<App>, Browser(signed_in): Browser) -> Result<Response> {
    accounts::end_session(&app.portal, &signed_in.actor, signed_in.session.id).await?;
    let gone = app.set_cookie(&app.cookie, "", 0);
    Ok((
        AppendHeaders([(header::SET_COOKIE, gone)]),
        Redirect::to("/login"),
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
