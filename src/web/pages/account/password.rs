//! A new password, by whoever knows the old one.
use crate::{
    auth::passwords,
    domain::violation::Violations,
    services::{Error, accounts},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Browser, Form},
        headers::ClientAddress,
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    Extension,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/account/password", Right::User, edit),
        Route::action("/account/password", Right::User, update),
    ]
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct EditPage {
    view: View,
    errors: Violations,
}

#[derive(Deserialize)]
struct PasswordForm {
    #[serde(rename = "/old", default)]
    old: SecretString,
    #[serde(rename = "/new", default)]
    new: SecretString,
    #[serde(rename = "/again", default)]
    again: SecretString,
}

async fn edit(view: View) -> Result<Html<String>> {
    let page = EditPage {
        view,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn update(
    State(app): State<App>,
    view: View,
    Browser(signed_in): Browser,
    Extension(address): Extension<ClientAddress>,
    Form(form): Form<PasswordForm>,
) -> Result<Response> {
    let user = &signed_in.actor.user;
    let mut errors = Violations::default();
    let confirmed = app
        .auth
        .confirm(&app.portal, user, "/old", form.old, &address.0);
    match confirmed.await {
        Ok(()) => {}
        Err(Error::Invalid(wrong)) => errors.extend(wrong),
        Err(other) => return Err(other.into()),
    }
    errors.extend(passwords::check_new("/new", &form.new, user.name.as_str()));
    if form.new.expose_secret() != form.again.expose_secret() {
        errors.add(
            "/again",
            "This is not the same as the new password above.",
            None,
        );
    }
    if !errors.is_empty() {
        let page = EditPage { view, errors };
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response());
    }
    let hash = app.auth.hash(&app.portal, form.new).await?;
    let keep = Some(signed_in.session.id);
    accounts::set_password(&app.portal, &signed_in.actor, &hash, keep).await?;
    Ok(redirect_with_notice(
        "/account/password",
        "Your password was changed, and your other sessions were signed out.",
    ))
}
