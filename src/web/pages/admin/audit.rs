//! Who did what.
use crate::{
    domain::ids::AuditId,
    services::site,
    store::AuditEntry,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{extract::State, response::Html};
use serde::Deserialize;

/// Rows of one page.
const PAGE: u32 = 100;

pub fn routes() -> Vec<Route> {
    vec![Route::page("/admin/audit", Right::SiteAdmin, list)]
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct ListPage {
    view: View,
    rows: Vec<AuditEntry>,
    first: &'static str,
    next: String,
}

#[derive(Deserialize)]
struct After {
    after: Option<AuditId>,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Query(query): Query<After>,
) -> Result<Html<String>> {
    let mut rows = site::list_audit(&app.portal, &actor, query.after, PAGE + 1).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let page = ListPage {
        view,
        next: match rows.last() {
            Some(last) if more => format!("/admin/audit?after={}", last.id),
            _ => String::new(),
        },
        first: query.after.map_or("", |_| "/admin/audit"),
        rows,
    };
    Ok(Html(page.render()?))
}

/// An action in words; one without words here is shown as it is kept.
fn words(action: &str) -> &str {
    match action {
        "elevation.begin" => "opened private projects to themselves",
        "elevation.end" => "closed private projects again",
        "job.delete" => "deleted a job",
        "member.delete" => "removed a member",
        "member.put" => "set a member's role",
        "project.create" => "made a project",
        "project.delete" => "deleted a project",
        "project.update" => "changed a project",
        "token.create" => "made an API token",
        "token.revoke" => "revoked an API token",
        "user.create" => "added a user",
        "user.password" => "changed the password",
        "user.restore" => "restored a user",
        "user.suspend" => "suspended a user",
        other => other,
    }
}
