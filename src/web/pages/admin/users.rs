//! Users: listed, added, suspended and restored.
use crate::{
    domain::{user::User, violation::Violations},
    services::{Error, accounts, site},
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Path, Query, Who},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

/// Rows of one page.
const PAGE: u32 = 50;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/admin/users", Right::SiteAdmin, list),
        Route::page("/admin/users/new", Right::SiteAdmin, new),
        Route::action("/admin/users", Right::SiteAdmin, create),
        Route::page("/admin/users/{user}/suspend", Right::SiteAdmin, ask_suspend),
        Route::action("/admin/users/{user}/suspend", Right::SiteAdmin, suspend),
        Route::page("/admin/users/{user}/restore", Right::SiteAdmin, ask_restore),
        Route::action("/admin/users/{user}/restore", Right::SiteAdmin, restore),
    ]
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct ListPage {
    view: View,
    rows: Vec<User>,
    first: &'static str,
    next: String,
}

#[derive(Template)]
#[template(path = "admin/user_new.html")]
struct NewPage {
    view: View,
    form: NewForm,
    errors: Violations,
}

#[derive(Template)]
#[template(path = "admin/user_suspend.html")]
struct SuspendPage {
    view: View,
    user: User,
    verb: &'static str,
}

impl SuspendPage {
    fn suspends(&self) -> bool {
        self.verb == "suspend"
    }

    fn action(&self) -> String {
        format!("/admin/users/{}/{}", self.user.name, self.verb)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NewForm {
    #[serde(rename = "/name")]
    name: String,
    #[serde(rename = "/display_name")]
    display_name: String,
    #[serde(rename = "/password")]
    password: SecretString,
    #[serde(rename = "/site_admin")]
    site_admin: String,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(query): Query<After>,
) -> Result<Html<String>> {
    let mut rows = site::list_users(&app.portal, &actor, &query.after, PAGE + 1).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let page = ListPage {
        view,
        next: match rows.last() {
            Some(last) if more => format!("/admin/users?after={}", last.name),
            _ => String::new(),
        },
        first: if query.after.is_empty() {
            ""
        } else {
            "/admin/users"
        },
        rows,
    };
    Ok(Html(page.render()?))
}

async fn new(view: View) -> Result<Html<String>> {
    let page = NewPage {
        view,
        form: NewForm::default(),
        errors: Violations::default(),
    };
    Ok(Html(page.render()?))
}

async fn create(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<NewForm>,
) -> Result<Response> {
    let draft = accounts::Draft {
        name: form.name.trim().to_owned(),
        display_name: form.display_name.clone(),
        site_admin: !form.site_admin.is_empty(),
    };
    let made = app
        .auth
        .create_user(&app.portal, &actor, &draft, form.password.clone(), None);
    match made.await {
        Ok(_) => Ok(redirect_with_notice(
            "/admin/users",
            &format!("{} was added. Tell them the password.", draft.name),
        )),
        Err(Error::Invalid(errors)) => {
            let page = NewPage { view, form, errors };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn ask_suspend(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(name): Path<String>,
) -> Result<Html<String>> {
    let user = site::find_user(&app.portal, &actor, &name).await?;
    let page = SuspendPage {
        view,
        user,
        verb: "suspend",
    };
    Ok(Html(page.render()?))
}

async fn ask_restore(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(name): Path<String>,
) -> Result<Html<String>> {
    let user = site::find_user(&app.portal, &actor, &name).await?;
    let page = SuspendPage {
        view,
        user,
        verb: "restore",
    };
    Ok(Html(page.render()?))
}

async fn suspend(
    State(app): State<App>,
    Who(actor): Who,
    Path(name): Path<String>,
) -> Result<Response> {
    let site = site::permit(&actor)?;
    accounts::set_suspended(&app.portal, &site, &name, true).await?;
    Ok(redirect_with_notice(
        "/admin/users",
        &format!("{name} is suspended."),
    ))
}

async fn restore(
    State(app): State<App>,
    Who(actor): Who,
    Path(name): Path<String>,
) -> Result<Response> {
    let site = site::permit(&actor)?;
    accounts::set_suspended(&app.portal, &site, &name, false).await?;
    Ok(redirect_with_notice(
        "/admin/users",
        &format!("{name} can sign in again."),
    ))
}
