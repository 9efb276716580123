//! The rules by which identity providers' groups give roles here, and a place to try them.
use crate::{
    auth::oidc::Provider,
    domain::{
        grants::{Grants, Rule, Source},
        ids::ProjectId,
        project::Role,
        violation::Violations,
    },
    services::{
        Error,
        accounts::{self, Reason},
    },
    web::{
        App, Right, Route,
        error::Result,
        extract::{Form, Who},
        view::View,
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/admin/rules", Right::SiteAdmin, show),
        Route::action("/admin/rules", Right::SiteAdmin, try_out),
    ]
}

#[derive(Template)]
#[template(path = "admin/rules.html")]
struct ShowPage {
    view: View,
    rules: Vec<Rule>,
    providers: Vec<(String, String)>,
    form: TryForm,
    tried: Option<(Grants, Vec<Reason>)>,
    errors: Violations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TryForm {
    #[serde(rename = "/provider")]
    provider: String,
    #[serde(rename = "/claims")]
    claims: String,
    #[serde(rename = "/user")]
    user: String,
}

impl ShowPage {
    fn new(app: &App, view: View, form: TryForm) -> Self {
        let providers = app.auth.providers.all().iter();
        Self {
            view,
            rules: app.portal.config.sign_in.rules.clone(),
            providers: providers
                .map(|p| (p.name().to_owned(), p.title().to_owned()))
                .collect(),
            form,
            tried: None,
            errors: Violations::default(),
        }
    }

    /// Whom a rule fits: `a group equals /biology`.
    fn whom(&self, rule: &Rule) -> String {
        let what = match rule.claim {
            Source::Groups => "a group",
            Source::Entitlements => "an entitlement",
        };
        let how = match (&rule.equals, &rule.prefix, &rule.group) {
            (Some(text), ..) => format!("{what} is {text}"),
            (_, Some(text), _) => format!("{what} begins with {text}"),
            (.., Some(text)) => format!("{what} names the group {text}"),
            _ => "nobody".into(),
        };
        match &rule.provider {
            Some(provider) => format!("{how}, at {provider}"),
            None => how,
        }
    }

    fn gives(&self, rule: &Rule) -> Vec<String> {
        let member = rule.project.zip(rule.role);
        words(rule.site_administrator, member)
    }

    /// What all rules together give.
    fn outcome(&self, given: &Grants) -> Vec<String> {
        let members = given
            .projects
            .iter()
            .map(|(project, role)| (*project, *role));
        words(given.site_administrator, members)
    }

    /// Rules are counted from 1 for people.
    fn number(&self, from_zero: usize) -> usize {
        from_zero + 1
    }
}

/// What is given, a line each.
fn words(
    site_administrator: bool,
    members: impl IntoIterator<Item = (ProjectId, Role)>,
) -> Vec<String> {
    let site = site_administrator.then(|| "site administrator".to_owned());
    let members = members
        .into_iter()
        .map(|(project, role)| format!("{role} of {project}"));
    site.into_iter().chain(members).collect()
}

async fn show(State(app): State<App>, view: View) -> Result<Html<String>> {
    Ok(Html(
        ShowPage::new(&app, view, TryForm::default()).render()?,
    ))
}

/// What a provider's claims, or those of a user that were kept, would give.
async fn try_out(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Form(form): Form<TryForm>,
) -> Result<Response> {
    let tried = if form.user.trim().is_empty() {
        read(&app, &form).and_then(|(provider, groups, entitlements)| {
            accounts::try_rules(&app.portal, &actor, provider.id(), groups, entitlements)
        })
    } else {
        accounts::try_rules_for(&app.portal, &actor, &form.user).await
    };
    let mut page = ShowPage::new(&app, view, form);
    match tried {
        Ok(tried) => {
            page.tried = Some(tried);
            Ok(Html(page.render()?).into_response())
        }
        Err(Error::Invalid(errors)) => {
            page.errors = errors;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

type Read<'a> = (&'a Provider, Vec<String>, Vec<String>);

fn read<'a>(app: &'a App, form: &TryForm) -> crate::services::Result<Read<'a>> {
    let provider = app.auth.providers.find(&form.provider).ok_or_else(|| {
        Error::field(
            "/provider",
            "Choose a provider of the settings.",
            Some(&form.provider),
        )
    })?;
    let claims = serde_json::from_str(&form.claims).map_err(|_| {
        let message = "Paste one JSON object, such as {\"groups\": [\"/biology\"]}.";
        Error::field("/claims", message, Some(&form.claims))
    })?;
    let (groups, entitlements) = provider
        .read(&claims)
        .map_err(|fault| Error::field("/claims", format!("This will not do: {fault}."), None))?;
    Ok((provider, groups, entitlements))
}
