//! How the portal does, at a glance.
use crate::{
    cluster::FindingState,
    services::site::{self, ClusterHealth, Overview},
    web::{App, Right, Route, error::Result, extract::Who, view::View},
};
use askama::Template;
use axum::{extract::State, response::Html};

pub fn routes() -> Vec<Route> {
    vec![Route::page("/admin", Right::SiteAdmin, show)]
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct ShowPage {
    view: View,
    site: Overview,
}

impl ShowPage {
    fn waiting(&self) -> i64 {
        self.site.queues.iter().map(|queue| queue.waiting).sum()
    }

    fn unhealthy(&self) -> usize {
        let sick = |cluster: &&ClusterHealth| cluster.check_up.healthy.is_err();
        self.site.clusters.iter().filter(sick).count()
    }
}

/// Why a cluster is unhealthy, where none of its findings says that already.
fn unsaid(cluster: &ClusterHealth) -> Option<&str> {
    let why = cluster.check_up.healthy.as_ref().err()?;
    let said = cluster.check_up.findings.iter().any(|f| f.text == *why);
    (!said).then_some(why)
}

/// A finding's icon, the tone of its colour, and what the icon says.
fn mark(state: FindingState) -> (&'static str, &'static str, &'static str) {
    match state {
        FindingState::Fine => ("check-circle-fill", "phase-succeeded", "fine"),
        FindingState::Warning => ("exclamation-triangle-fill", "phase-cancelled", "warning"),
        FindingState::Failed => ("x-circle-fill", "phase-failed", "failed"),
    }
}

async fn show(State(app): State<App>, view: View, Who(actor): Who) -> Result<Html<String>> {
    let site = site::overview(&app.portal, &actor).await?;
    Ok(Html(ShowPage { view, site }.render()?))
}
