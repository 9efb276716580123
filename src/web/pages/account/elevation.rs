//! A site administrator's look into other people's private projects: for a time, with a reason, on record.
use crate::{
    domain::{user::Elevation, violation::Violations},
    services::{Error, accounts},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Who},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/account/elevation", Right::SiteAdmin, show),
        Route::action("/account/elevation", Right::SiteAdmin, begin),
        Route::action("/account/elevation/end", Right::SiteAdmin, end),
    ]
}

#[derive(Template)]
#[template(path = "account/elevation.html")]
struct ShowPage {
    view: View,
    /// What goes on now.
    elevation: Option<Elevation>,
    minutes: u64,
    reason: String,
    errors: Violations,
}

#[derive(Deserialize)]
struct ElevationForm {
    #[serde(rename = "/reason", default)]
    reason: String,
}

impl ShowPage {
    fn new(app: &App, view: View, elevation: Option<Elevation>) -> Self {
        Self {
            elevation: elevation.filter(|_| view.elevated()),
            view,
            minutes: app.portal.config.sign_in.elevation_seconds.div_ceil(60),
            reason: String::new(),
            errors: Violations::default(),
        }
    }
}

async fn show(State(app): State<App>, view: View, Who(actor): Who) -> Result<Html<String>> {
    let page = ShowPage::new(&app, view, actor.user.elevation);
    Ok(Html(page.render()?))
}

async fn begin(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<ElevationForm>,
) -> Result<Response> {
    match accounts::elevate(&app.portal, &actor, &form.reason).await {
        Ok(()) => Ok(redirect_with_notice(
            "/account/elevation",
            "Other people's private projects are open to you now.",
        )),
        Err(Error::Invalid(errors)) => {
            let page = ShowPage {
                reason: form.reason,
                errors,
                ..ShowPage::new(&app, view, actor.user.elevation)
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn end(State(app): State<App>, Who(actor): Who) -> Result<Response> {
    accounts::end_elevation(&app.portal, &actor).await?;
    Ok(redirect_with_notice(
        "/account/elevation",
        "Other people's private projects are closed to you again.",
    ))
}
