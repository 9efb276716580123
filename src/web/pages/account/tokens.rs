//! API tokens: listed, made and shown once, revoked.
use crate::{
    domain::{access::Actor, ids::TokenId, user::Token, violation::Violations},
    services::{Error, accounts},
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
use secrecy::ExposeSecret as _;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/account/tokens", Right::User, list),
        Route::action("/account/tokens", Right::User, create),
        Route::page("/account/tokens/{token}/revoke", Right::User, ask_revoke),
        Route::action("/account/tokens/{token}/revoke", Right::User, revoke),
    ]
}

#[derive(Template)]
#[template(path = "account/tokens.html")]
struct ListPage {
    view: View,
    rows: Vec<Token>,
    first: &'static str,
    next: String,
    form: TokenForm,
    errors: Violations,
}

/// Rows of one page.
const PAGE: u32 = 50;

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: Option<TokenId>,
}

#[derive(Template)]
#[template(path = "account/token_made.html")]
struct MadePage {
    view: View,
    token: Token,
    secret: String,
    url: String,
}

#[derive(Template)]
#[template(path = "account/token_revoke.html")]
struct RevokePage {
    view: View,
    token: Token,
}

impl RevokePage {
    fn action(&self) -> String {
        format!("/account/tokens/{}/revoke", self.token.id)
    }
}

#[derive(Deserialize)]
struct TokenForm {
    #[serde(rename = "/name", default)]
    name: String,
    #[serde(rename = "/scope", default)]
    scope: String,
    #[serde(rename = "/expires_in_days", default)]
    expires_in_days: String,
}

impl Default for TokenForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            scope: "read".into(),
            expires_in_days: "90".into(),
        }
    }
}

impl ListPage {
    fn scopes(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut all = vec![
            ("read", "Read", "See projects, files, jobs and logs."),
            (
                "write",
                "Read and write",
                "Also submit and cancel jobs, upload and delete files.",
            ),
        ];
        if self.view.site_admin() {
            all.push((
                "admin",
                "Administer",
                "Also everything that a site administrator may do.",
            ));
        }
        all
    }

    fn ends(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [
            ("7", "In 7 days"),
            ("30", "In 30 days"),
            ("90", "In 90 days"),
            ("365", "In a year"),
            ("", "Never: it counts until you revoke it"),
        ]
        .map(|(days, words)| (days.to_owned(), words.to_owned()))
        .into();
        let typed = &self.form.expires_in_days;
        if !all.iter().any(|(days, _)| days == typed) {
            all.push((typed.clone(), format!("In {typed} days")));
        }
        all
    }

    fn has_ended(&self, token: &Token) -> bool {
        token.expires_at.is_some_and(|end| end <= self.view.now())
    }
}

async fn page(app: &App, view: View, actor: &Actor, after: Option<TokenId>) -> Result<ListPage> {
    let mut rows = accounts::list_tokens(&app.portal, actor, after, PAGE + 1).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let last = rows.last().filter(|_| more);
    Ok(ListPage {
        view,
        first: after.map_or("", |_| "/account/tokens"),
        next: last.map_or_else(String::new, |token| {
            format!("/account/tokens?after={}", token.id)
        }),
        rows,
        form: TokenForm::default(),
        errors: Violations::default(),
    })
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(query): Query<After>,
) -> Result<Html<String>> {
    let page = page(&app, view, &actor, query.after).await?;
    Ok(Html(page.render()?))
}

/// Answers with the page itself, for the secret must be in no address and nowhere kept.
async fn create(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<TokenForm>,
) -> Result<Response> {
    let made = app.auth.create_token(
        &app.portal,
        &actor,
        &form.name,
        &form.scope,
        &form.expires_in_days,
    );
    match made.await {
        Ok((token, secret)) => {
            let page = MadePage {
                view,
                token,
                secret: secret.expose_secret().to_owned(),
                url: app.portal.config.server.url(),
            };
            Ok((StatusCode::CREATED, Html(page.render()?)).into_response())
        }
        Err(Error::Invalid(errors)) => {
            let page = ListPage {
                form,
                errors,
                ..page(&app, view, &actor, None).await?
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn ask_revoke(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<TokenId>,
) -> Result<Html<String>> {
    let token = accounts::find_token(&app.portal, &actor, id).await?;
    Ok(Html(RevokePage { view, token }.render()?))
}

async fn revoke(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<TokenId>,
) -> Result<Response> {
    accounts::revoke_token(&app.portal, &actor, id).await?;
    Ok(redirect_with_notice(
        "/account/tokens",
        "The token was revoked and does not count any more.",
    ))
}
