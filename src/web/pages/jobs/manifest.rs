//! The very object that a cluster was given, or would be, with where each conf value came from.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{access::Action, ids::JobId},
    services::jobs,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Path, Query, Who},
        view::View,
    },
};
use askama::Template;
use axum::{extract::State, response::Html};
use std::collections::BTreeMap;

pub fn routes() -> Vec<Route> {
    vec![Route::page(
        "/jobs/{job}/manifest",
        Right::Project(Action::SeeJobInner),
        show,
    )]
}

#[derive(Template)]
#[template(path = "jobs/manifest.html")]
struct ManifestPage {
    view: View,
    frame: JobFrame,
    yaml: String,
    lines: Vec<Line>,
}

/// A line of YAML, and where its value came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    pub from: Option<&'static str>,
}

/// Marks the entries of `sparkConf`; `origins` says in words where each key came from.
pub(super) fn marked(yaml: &str, origins: &BTreeMap<&str, &'static str>) -> Vec<Line> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut section = None;
    let mut lines = Vec::new();
    for line in yaml.lines() {
        let depth = indent(line);
        if line.trim() == "sparkConf:" {
            section = Some(depth);
        } else if section.is_some_and(|section| depth <= section) {
            section = None;
        }
        let from = section
            .filter(|section| depth == section + 2)
            .and_then(|_| {
                let (key, _) = line.split_once(": ").or(line.split_once(':'))?;
                let key = key.trim().trim_matches(['"', '\'']);
                origins.get(key).copied()
            });
        lines.push(Line {
            text: line.to_owned(),
            from,
        });
    }
    lines
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(wanted): Query<super::show::Wanted>,
) -> Result<Html<String>> {
    let frame = JobFrame::open(&app.portal, &actor, id, Tab::Manifest, wanted.attempt).await?;
    let attempt = frame.shown().map(|attempt| attempt.number);
    let populated = jobs::manifest(&app.portal, &actor, id, attempt).await?;
    let yaml = populated.to_yaml().map_err(anyhow::Error::from)?;
    let origins = populated
        .origins
        .iter()
        .map(|(key, origin)| (key.as_str(), origin.words()))
        .collect();
    let page = ManifestPage {
        lines: marked(&yaml, &origins),
        view,
        frame,
        yaml,
    };
    Ok(Html(page.render()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conf_is_marked() {
        let yaml = "spec:\n  sparkConf:\n    spark.a: \"1\"\n    \"spark.b\": x: y\n  driver:\n    spark.a: 2\n";
        let origins = BTreeMap::from([("spark.a", "from the job"), ("spark.b", "fixed")]);
        let from: Vec<_> = marked(yaml, &origins)
            .iter()
            .map(|line| line.from)
            .collect();
        assert_eq!(
            from,
            [None, None, Some("from the job"), Some("fixed"), None, None]
        );
    }
}
