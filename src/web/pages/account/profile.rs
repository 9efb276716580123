//! How one is called and how pages look.
use crate::{
    domain::{user::User, violation::Violations},
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
        Route::page("/account", Right::User, show),
        Route::action("/account", Right::User, update),
    ]
}

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ShowPage {
    view: View,
    user: User,
    form: ProfileForm,
    errors: Violations,
}

#[derive(Deserialize)]
struct ProfileForm {
    #[serde(rename = "/display_name", default)]
    display_name: String,
    #[serde(rename = "/time_zone", default)]
    time_zone: String,
    #[serde(rename = "/theme", default)]
    theme: String,
}

impl ShowPage {
    #[expect(clippy::unused_self, reason = "templates have only the page at hand")]
    fn themes(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("auto", "As the system is set"),
            ("light", "Light"),
            ("dark", "Dark"),
        ]
    }

    #[expect(clippy::unused_self, reason = "templates have only the page at hand")]
    fn zones(&self) -> Vec<String> {
        let known = jiff::tz::db();
        let mut zones: Vec<String> = known
            .available()
            .map(|zone| zone.to_string())
            .filter(|zone| is_place(zone))
            .collect();
        zones.sort_unstable();
        zones
    }
}

/// Whether people would choose it: a place or UTC, not an old alias of the database or a second copy of it.
fn is_place(zone: &str) -> bool {
    const AREAS: [&str; 10] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    ];
    zone == "UTC"
        || zone
            .split_once('/')
            .is_some_and(|(area, _)| AREAS.contains(&area))
}

async fn show(view: View, Who(actor): Who) -> Result<Html<String>> {
    let user = actor.user;
    let page = ShowPage {
        view,
        form: ProfileForm {
            display_name: user.display_name.clone(),
            time_zone: user.time_zone.clone().unwrap_or_default(),
            theme: user.theme.to_string(),
        },
        user,
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn update(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<ProfileForm>,
) -> Result<Response> {
    let zone = form.time_zone.trim();
    let set = accounts::set_profile(&app.portal, &actor, &form.display_name, zone, &form.theme);
    match set.await {
        Ok(()) => Ok(redirect_with_notice("/account", "Your profile was saved.")),
        Err(Error::Invalid(errors)) => {
            let page = ShowPage {
                view,
                user: actor.user,
                form,
                errors,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_offered_and_aliases_are_not() {
        for zone in ["Europe/Oslo", "UTC", "America/Argentina/Salta"] {
            assert!(is_place(zone), "{zone}");
        }
        for zone in ["posix/Europe/Oslo", "Etc/GMT+3", "CET", "US/Pacific"] {
            assert!(!is_place(zone), "{zone}");
        }
    }
}
