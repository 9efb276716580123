//! The form of a job: empty, or filled from an old job, with a panel that says what it asks for as one types.
use super::{
    form::{Choice, JobForm},
    manifest::{Line, marked},
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        names::FilePath,
        quantity::human_bytes,
        violation::Violations,
    },
    services::{
        Error, Portal,
        files::{self, Depth, OUTPUTS},
        idempotency::Key,
        jobs, site,
    },
    storage::{Entry, Kind as EntryKind},
    store::QueueState,
    validate::Draft,
    web::{
        App, Kind, Right, Route,
        error::Result,
        extract::{Form, Path, Query, Who},
        pages::project_frame::{ProjectFrame, Tab},
        view::{View, opened},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;

const RUN: Right = Right::Project(Action::RunJobs);
const PREVIEW: &str = "/projects/{project}/jobs/preview";

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/projects/{project}/jobs/new", RUN, new),
        Route::action("/projects/{project}/jobs", RUN, create),
        Route::new(Method::POST, PREVIEW, Kind::Fragment, RUN, preview),
    ]
}

#[derive(Template)]
#[template(path = "jobs/new.html")]
struct NewPage {
    view: View,
    frame: ProjectFrame,
    form: JobForm,
    panel: Panel,
    /// The project's files that the main file may be.
    files: Vec<String>,
    /// The job that is run again: its id and its name.
    from: Option<(JobId, String)>,
    /// What the form was opened with, so that sending it twice is once.
    opened: String,
    /// Why it was not taken, where that is no field's fault.
    trouble: String,
}

#[derive(Template)]
#[template(path = "jobs/panel.html")]
struct PanelPage {
    view: View,
    panel: Panel,
}

/// What stands beside the form.
#[derive(Default)]
struct Panel {
    /// How much is missing or wrong.
    problems: usize,
    cores: u64,
    memory: String,
    place: String,
    object: Vec<Line>,
    is_rerun: bool,
    /// Against the old job: label, old and new value.
    differences: Vec<(String, String, String)>,
}

impl NewPage {
    fn types(&self) -> Vec<(String, String, &'static str)> {
        let field = self.form.field("/type");
        let plain = |(value, words): Choice| (value, words, "");
        field.options.into_iter().map(plain).collect()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    from: Option<JobId>,
    main_file: String,
}

async fn new(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let portal = &app.portal;
    portal
        .open_project(&actor, project, Action::RunJobs)
        .await?;
    let rules = portal.rules.now();
    let old = old(portal, &actor, project, wanted.from).await?;
    let draft = match &old {
        Some((_, _, draft)) => draft.clone(),
        None => {
            let mut draft = rules.empty_form();
            draft.set("/type", language(&wanted.main_file));
            draft.set("/main_file", &wanted.main_file);
            draft
        }
    };
    let sent = Sent {
        draft,
        opened: opened(),
        from: wanted.from,
        body: Vec::new(),
    };
    let page = page(&app, view, &actor, project, sent).await?;
    Ok(Html(page.render()?))
}

/// By the end of a file's name; most programs here are Python.
fn language(file: &str) -> &'static str {
    match file.rsplit_once('.').map_or("", |(_, end)| end) {
        "r" | "R" => "r",
        "jar" => "java",
        _ => "python",
    }
}

/// A form as it was sent.
struct Sent {
    draft: Draft,
    opened: String,
    from: Option<JobId>,
    /// Its inputs without what differs from one opening of the page to the next.
    body: Vec<u8>,
}

impl Sent {
    fn of(pairs: &[(String, String)]) -> Self {
        let value = |wanted: &str| {
            pairs
                .iter()
                .find(|(name, _)| name == wanted)
                .map_or("", |(_, value)| value.as_str())
        };
        let inputs: Vec<&(String, String)> = pairs
            .iter()
            .filter(|(name, _)| name.starts_with('/'))
            .collect();
        Self {
            draft: Draft::from_form(pairs),
            opened: value("opened").to_owned(),
            from: value("from").parse().ok(),
            body: serde_json::to_vec(&inputs).unwrap_or_default(),
        }
    }
}

async fn create(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let portal = &app.portal;
    let sent = Sent::of(&pairs);
    let route = format!("POST /projects/{project}/jobs of a page");
    let key = match sent.opened.as_str() {
        "" => None,
        opened => Some(Key::of_form(&route, opened, &sent.body)?),
    };
    let made = jobs::submit(portal, &actor, project, &sent.draft, key.as_ref()).await;
    let (status, errors, trouble) = match made {
        Ok(accepted) => {
            return Ok(Redirect::to(&format!("/jobs/{}", accepted.id)).into_response());
        }
        Err(Error::Invalid(errors)) => (StatusCode::UNPROCESSABLE_ENTITY, errors, String::new()),
        Err(Error::TooMany { why, .. }) => {
            (StatusCode::TOO_MANY_REQUESTS, Violations::default(), why)
        }
        Err(other) => return Err(other.into()),
    };
    let mut page = page(&app, view, &actor, project, sent).await?;
    page.form.errors = errors;
    page.trouble = trouble;
    Ok((status, Html(page.render()?)).into_response())
}

async fn preview(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Html<String>> {
    let sent = Sent::of(&pairs);
    let old = old(&app.portal, &actor, project, sent.from).await?;
    let old = old.map(|(_, _, draft)| draft);
    let panel = panel(&app.portal, &actor, project, &sent.draft, old.as_ref()).await?;
    Ok(Html(PanelPage { view, panel }.render()?))
}

/// The job that is run again, with its name and what to type for it.
async fn old(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    from: Option<JobId>,
) -> Result<Option<(JobId, String, Draft)>, Error> {
    let Some(id) = from else {
        return Ok(None);
    };
    let (open, draft) = jobs::again(portal, actor, id).await?;
    if open.job().project != project {
        return Err(Error::NotFound("job"));
    }
    Ok(Some((id, open.job().spec.name.to_string(), draft)))
}

async fn panel(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    draft: &Draft,
    old: Option<&Draft>,
) -> Result<Panel, Error> {
    let rules = portal.rules.now();
    let differences = old.map_or_else(Vec::new, |old| old.differences(draft));
    let mut panel = Panel {
        is_rerun: old.is_some(),
        differences: differences
            .into_iter()
            .map(|(field, before, after)| {
                let label = rules.input(&field, draft).label;
                let label = if label.is_empty() {
                    field.rsplit('/').next().unwrap_or(&field).to_owned()
                } else {
                    label
                };
                (label, before, after)
            })
            .collect(),
        ..Panel::default()
    };
    match jobs::preview(portal, actor, project, draft).await {
        Ok(preview) => {
            let yaml = preview.populated.to_yaml().map_err(anyhow::Error::from)?;
            let origins = preview.populated.origins.iter();
            let origins = origins
                .map(|(key, origin)| (key.as_str(), origin.words()))
                .collect();
            panel.cores = preview.asks.cores;
            panel.memory = human_bytes(preview.asks.memory);
            panel.place = preview.cluster_says;
            panel.object = marked(&yaml, &origins);
        }
        Err(Error::Invalid(wrong)) => panel.problems = wrong.len(),
        Err(other) => return Err(other),
    }
    Ok(panel)
}

async fn page(
    app: &App,
    view: View,
    actor: &Actor,
    project: ProjectId,
    sent: Sent,
) -> Result<NewPage, Error> {
    let portal = &app.portal;
    let frame = ProjectFrame::open(portal, actor, project, Tab::Jobs).await?;
    let old = old(portal, actor, project, sent.from).await?;
    let before = old.as_ref().map(|(_, _, draft)| draft);
    Ok(NewPage {
        panel: panel(portal, actor, project, &sent.draft, before).await?,
        form: JobForm {
            rules: portal.rules.now(),
            draft: sent.draft,
            errors: Violations::default(),
            queues: queues(portal).await?,
            clusters: clusters(portal),
        },
        files: programs(portal, actor, project).await,
        from: old.map(|(id, name, _)| (id, name)),
        opened: sent.opened,
        trouble: String::new(),
        view,
        frame,
    })
}

async fn queues(portal: &Portal) -> Result<Vec<Choice>, Error> {
    let of = |queue: crate::store::Queue| {
        let note = match (queue.state, queue.waiting) {
            (QueueState::Drain, _) => " (takes no new jobs at present)".to_owned(),
            (QueueState::Hold, _) => " (starts no jobs at present)".to_owned(),
            (QueueState::Open, 0) => String::new(),
            (QueueState::Open, 1) => " (1 job waits)".to_owned(),
            (QueueState::Open, n) => format!(" ({n} jobs wait)"),
        };
        (queue.name.to_string(), format!("{}{note}", queue.name))
    };
    Ok(portal
        .store
        .list_queues()
        .await?
        .into_iter()
        .map(of)
        .collect())
}

fn clusters(portal: &Portal) -> Vec<Choice> {
    let mut all = vec![(String::new(), "Any that fits".to_owned())];
    let names = site::cluster_names(portal).map(ToString::to_string);
    all.extend(names.map(|name| (name.clone(), name)));
    all
}

/// Files that a datalist offers: those at the top and those of the first folders, as far as a second reaches.
async fn programs(portal: &Portal, actor: &Actor, project: ProjectId) -> Vec<String> {
    const MOST: usize = 200;
    const FOLDERS: usize = 10;
    let is_file = |entry: &&Entry| entry.kind == EntryKind::File;
    let mut found = Vec::new();
    let all = async {
        let top = files::list(portal, actor, project, None, Depth::One, None, MOST).await?;
        found.extend(top.entries.iter().filter(is_file).map(|e| e.name.clone()));
        let folders = top.entries.iter().filter(|entry| {
            entry.kind == EntryKind::Folder && entry.name.trim_end_matches('/') != OUTPUTS
        });
        for folder in folders.take(FOLDERS) {
            let Ok(path) = FilePath::parse(&folder.name) else {
                continue;
            };
            let below = files::list(portal, actor, project, Some(&path), Depth::All, None, MOST);
            let below = below.await?;
            let names = below.entries.iter().filter(is_file);
            found.extend(names.map(|entry| format!("{path}/{}", entry.name)));
        }
        Ok::<_, Error>(())
    };
    // A store that does not answer offers nothing; a path can be typed all the same.
    if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), all).await {
        tracing::debug!(%error, "a project's files were not listed for the form");
    }
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_openings_is_no_part_of_what_was_sent() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = Sent::of(&[pair("opened", "a"), pair("/name", "x")]);
        let two = Sent::of(&[pair("/name", "x"), pair("opened", "b")]);
        assert_eq!((one.opened.as_str(), two.opened.as_str()), ("a", "b"));
        assert_eq!(one.body, two.body);
        assert_ne!(one.body, Sent::of(&[pair("/name", "y")]).body);
        assert_eq!(language("code/a.R"), "r");
        assert_eq!(language("code/a"), "python");
    }
}
