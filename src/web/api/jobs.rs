//! Jobs.
use super::{
    List,
    dry_run::{DRY_RUN, DryRun},
    idempotency,
    input::Paging,
    openapi::doc,
    tasks,
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        job::{Card, Job, JobSpec, Phase},
    },
    services::{
        Error,
        files::{self, Depth, Started},
        jobs::{self, Outputs},
    },
    store::Place,
    validate::Draft,
    web::{
        App, Right, Route,
        answer::Answer,
        conditions,
        error::{Result, WebError},
        extract::{Path, Query, Structured, Who},
        job_query::JobQuery,
    },
};
use axum::{
    extract::State,
    response::{AppendHeaders, IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

const FILTERS: &[(&str, &str)] = &[
    ("phase", "One or more phases, separated by commas"),
    ("user", "The name of who submitted it"),
    ("queue", "A queue"),
    ("name", "The whole name"),
    ("type", "python, java, scala or r"),
    ("created_after", "RFC 3339; from this moment on"),
    ("created_before", "RFC 3339; before this moment"),
    (
        "q",
        "Text of three characters or more in name, id or main file",
    ),
    ("limit", "1 to 200, default 50"),
    ("after", "`next` of the page before"),
];

pub fn routes() -> Vec<Route> {
    let mut all = routes_of_all();
    all.extend(routes_of_one());
    all
}

fn routes_of_all() -> Vec<Route> {
    let run = Right::Project(Action::RunJobs);
    let see = Right::Project(Action::See);
    vec![
        Route::api(
            Method::GET,
            "/api/v1/projects/{project}/jobs",
            see,
            list,
            doc("The jobs of a project, newest first")
                .query(FILTERS)
                .json::<List<JobView>>(200, "Jobs"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/projects/{project}/jobs",
            run,
            create,
            doc("Submit a job")
                .query(DRY_RUN)
                .structured::<JobSpec>()
                .json::<JobView>(201, "Accepted")
                .json::<JobView>(200, "Accepted earlier with this Idempotency-Key"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs",
            Right::User,
            list_mine,
            doc("The jobs of all my projects, newest first")
                .query(FILTERS)
                .json::<List<JobView>>(200, "Jobs"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}",
            see,
            show,
            doc("One job").json::<JobView>(200, "The job"),
        ),
        Route::api(
            Method::DELETE,
            "/api/v1/jobs/{job}",
            run,
            delete,
            doc("Delete an ended job")
                .query(&[("outputs", "keep (default) or delete")])
                .empty(204, "Deleted")
                .empty(202, "A task deletes it; Location is the task"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/jobs/{job}/cancel",
            run,
            cancel,
            doc("Cancel a job; again is no error").json::<JobView>(202, "Asked for"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/jobs/{job}/rerun",
            run,
            rerun,
            doc("Submit a job again, changed by a merge patch of its fields")
                .query(DRY_RUN)
                .structured::<JobSpec>()
                .json::<JobView>(201, "Accepted"),
        ),
    ]
}

/// What is known of one job besides itself.
fn routes_of_one() -> Vec<Route> {
    let see = Right::Project(Action::See);
    vec![
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/attempts",
            see,
            attempts,
            doc("The attempts of a job").json::<List<AttemptView>>(200, "Attempts"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/attempts/{n}",
            see,
            attempt,
            doc("One attempt").json::<AttemptView>(200, "The attempt"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/outputs",
            see,
            outputs,
            doc("The files that a job wrote")
                .query(&[
                    ("after", "`next` of the page before"),
                    ("limit", "1 to 200, default 50"),
                ])
                .json::<List<OutputView>>(200, "Files"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/manifest",
            Right::Project(Action::SeeJobInner),
            manifest,
            doc("The object that was, or would be, created; YAML or JSON by Accept").raw(
                200,
                "The object",
                "application/yaml",
            ),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/placement",
            see,
            placement,
            doc("Why this cluster, why not the others").json::<PlacementView>(200, "Per cluster"),
        ),
    ]
}

/// A job as it is now. The fields of what was submitted stand beside these.
#[derive(Serialize, utoipa::ToSchema)]
pub struct JobView {
    #[serde(flatten)]
    spec: JobSpec,
    id: String,
    project: String,
    user: String,
    /// The folder of its outputs among the project's files.
    folder: String,
    phase: Phase,
    phase_since: String,
    /// Why it waits, in words.
    reason: Option<String>,
    /// How many jobs of its queue are before it, while it waits; not counted for a list or the answer to a submission.
    queue_position: Option<i64>,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// How many attempts there have been.
    attempts: u32,
    cause: Option<String>,
    card: Option<Card>,
    placed_on: Option<PlacedOn>,
    spark_app_id: Option<String>,
    rules_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_requested: Option<CancelView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct PlacedOn {
    cluster: String,
    namespace: String,
}

#[derive(Serialize, utoipa::ToSchema)]
struct CancelView {
    /// A user's name.
    by: String,
    at: String,
}

impl JobView {
    /// `inner` says whether the caller may see environment values.
    pub fn of(place: Place, inner: bool) -> Self {
        let Place {
            job,
            user_name,
            cancelled_by,
            placed_on,
            ..
        } = place;
        let mut spec = job.spec.clone();
        if !inner {
            spec.env.clear();
        }
        Self {
            id: job.id.to_string(),
            project: job.project.to_string(),
            user: user_name.to_string(),
            folder: job.folder(),
            phase: job.phase,
            phase_since: job.phase_since.to_string(),
            queue_position: None,
            created_at: job.created_at.to_string(),
            started_at: text(job.started_at),
            ended_at: text(job.ended_at),
            attempts: job.attempts,
            cause: job.cause.map(|c| c.to_string()),
            spark_app_id: placed_on.as_ref().and_then(|on| on.spark_app_id.clone()),
            placed_on: placed_on.map(|on| PlacedOn {
                cluster: on.cluster.to_string(),
                namespace: on.namespace,
            }),
            cancel_requested: job.cancel_requested.map(|c| CancelView {
                by: cancelled_by.map_or_else(|| c.by.to_string(), |name| name.to_string()),
                at: c.at.to_string(),
            }),
            reason: job.reason,
            card: job.card,
            rules_version: job.rules_version,
            spec,
        }
    }
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

async fn list(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(query): Query<JobQuery>,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    let (after, limit) = (paging.after::<i64>()?, paging.limit()?);
    let (membership, _) = app
        .portal
        .open_project(&actor, project, Action::See)
        .await?;
    let inner = app.portal.may(&actor, Action::SeeJobInner, &membership);
    let Some(filter) = query.filter(&app.portal, TimeZone::UTC).await? else {
        return Ok(answer_list(
            jobs::Page {
                jobs: Vec::new(),
                next: None,
            },
            inner,
        ));
    };
    let page = jobs::list(&app.portal, &actor, project, &filter, after, limit).await?;
    Ok(answer_list(page, inner))
}

async fn list_mine(
    State(app): State<App>,
    Who(actor): Who,
    Query(query): Query<JobQuery>,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    let (after, limit) = (paging.after::<i64>()?, paging.limit()?);
    let Some(filter) = query.filter(&app.portal, TimeZone::UTC).await? else {
        return Ok(answer_list(
            jobs::Page {
                jobs: Vec::new(),
                next: None,
            },
            true,
        ));
    };
    let page = jobs::list_mine(&app.portal, &actor, &filter, after, limit).await?;
    Ok(answer_list(page, true))
}

fn answer_list(page: jobs::Page, inner: bool) -> Response {
    Answer(List {
        items: page
            .jobs
            .into_iter()
            .map(|place| JobView::of(place, inner))
            .collect(),
        next: page.next.map(|next| next.to_string()),
    })
    .into_response()
}

async fn create(
    State(app): State<App>,
    Who(actor): Who,
    Path(project): Path<ProjectId>,
    Query(query): Query<DryRun>,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let draft = Draft::from_json(&body);
    if query.dry_run {
        return would_be(&app, &actor, project, &draft).await;
    }
    let key = idempotency::key(&headers, &format!("POST /projects/{project}/jobs"), &body)?;
    let accepted = jobs::submit(&app.portal, &actor, project, &draft, key.as_ref()).await?;
    answer_accepted(&app, &actor, accepted).await
}

/// What a dry run of a job answers.
async fn would_be(app: &App, actor: &Actor, project: ProjectId, draft: &Draft) -> Result<Response> {
    let preview = jobs::preview(&app.portal, actor, project, draft).await?;
    let manifest = serde_json::to_value(&preview.populated.app).map_err(anyhow::Error::from)?;
    let answer = serde_json::json!({
        "cores": preview.asks.cores, "memory": preview.asks.memory, "cluster": preview.cluster_says, "manifest": manifest,
    });
    Ok(Answer(answer).into_response())
}

async fn answer_accepted(app: &App, actor: &Actor, accepted: jobs::Accepted) -> Result<Response> {
    let (status, view) = match accepted.new {
        // Who may submit may see all of it, and nothing has happened to it yet.
        Some(place) => (StatusCode::CREATED, JobView::of(*place, true)),
        None => (StatusCode::OK, view(app, actor, accepted.id).await?),
    };
    let location = format!("/api/v1/jobs/{}", accepted.id);
    Ok((
        status,
        AppendHeaders([(header::LOCATION, location)]),
        Answer(view),
    )
        .into_response())
}

async fn view(app: &App, actor: &Actor, id: JobId) -> Result<JobView> {
    let portal = &app.portal;
    let open = jobs::find(portal, actor, id).await?;
    let ahead = jobs::ahead(portal, &open).await?;
    let inner = jobs::may_see_inner(portal, actor, &open).await?;
    let mut view = JobView::of(open.place, inner);
    view.queue_position = ahead;
    Ok(view)
}

async fn show(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    headers: HeaderMap,
) -> Result<Response> {
    let view = view(&app, &actor, id).await?;
    Ok(conditions::tagged(&headers, view)?)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DeleteQuery {
    outputs: String,
}

async fn delete(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(query): Query<DeleteQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let read = view(&app, &actor, id).await?;
    conditions::if_match(&headers, Some(&conditions::tag_of(&read)?))?;
    let outputs = match query.outputs.as_str() {
        "" | "keep" => Outputs::Keep,
        "delete" => Outputs::Delete,
        other => {
            return Err(Error::field("/outputs", "Give `keep` or `delete`.", Some(other)).into());
        }
    };
    Ok(
        match jobs::delete(&app.portal, &actor, id, outputs).await? {
            Started::Done => StatusCode::NO_CONTENT.into_response(),
            Started::Task(task) => tasks::goes_on(task),
        },
    )
}

async fn cancel(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    jobs::cancel(&app.portal, &actor, id).await?;
    let view = view(&app, &actor, id).await?;
    Ok((StatusCode::ACCEPTED, Answer(view)).into_response())
}

async fn rerun(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(query): Query<DryRun>,
    headers: HeaderMap,
    Structured(patch): Structured,
) -> Result<Response> {
    let (open, _) = jobs::again(&app.portal, &actor, id).await?;
    let project = open.job().project;
    let mut body = serde_json::to_value(&open.job().spec).map_err(anyhow::Error::from)?;
    json_patch::merge(&mut body, &patch);
    let draft = Draft::from_json(&body);
    if query.dry_run {
        return would_be(&app, &actor, project, &draft).await;
    }
    let key = idempotency::key(&headers, &format!("POST /jobs/{id}/rerun"), &patch)?;
    let accepted = jobs::submit(&app.portal, &actor, project, &draft, key.as_ref()).await?;
    answer_accepted(&app, &actor, accepted).await
}

/// One try at running a job.
#[derive(Serialize, utoipa::ToSchema)]
struct AttemptView {
    number: u32,
    phase: String,
    cluster: String,
    namespace: String,
    object: String,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    cause: Option<String>,
    card: Option<Card>,
    spark_app_id: Option<String>,
}

impl From<crate::domain::job::Attempt> for AttemptView {
    fn from(a: crate::domain::job::Attempt) -> Self {
        Self {
            number: a.number,
            phase: a.phase.to_string(),
            cluster: a.cluster.to_string(),
            namespace: a.namespace,
            object: a.object.to_string(),
            created_at: a.created_at.to_string(),
            started_at: text(a.started_at),
            ended_at: text(a.ended_at),
            cause: a.cause.map(|c| c.to_string()),
            card: a.card,
            spark_app_id: a.spark_app_id,
        }
    }
}

async fn attempts(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    let open = jobs::find(&app.portal, &actor, id).await?;
    let all = jobs::attempts(&app.portal, &open).await?;
    Ok(Answer(List {
        items: all.into_iter().map(AttemptView::from).collect(),
        next: None,
    })
    .into_response())
}

async fn attempt(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, number)): Path<(JobId, u32)>,
) -> Result<Response> {
    let open = jobs::find(&app.portal, &actor, id).await?;
    let attempt = app
        .portal
        .store
        .find_attempt(open.job().id, number)
        .await?
        .ok_or(Error::NotFound("attempt"))?;
    Ok(Answer(AttemptView::from(attempt)).into_response())
}

/// A file that a job wrote.
#[derive(Serialize, utoipa::ToSchema)]
struct OutputView {
    path: String,
    size: u64,
    modified: Option<String>,
    url: String,
}

async fn outputs(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    let (after, limit) = (paging.after.clone(), paging.limit()?);
    let open = jobs::find(&app.portal, &actor, id).await?;
    let job: &Job = open.job();
    let folder = jobs::folder(job)?;
    let page = files::list(
        &app.portal,
        &actor,
        job.project,
        Some(&folder),
        Depth::All,
        after.as_deref(),
        limit as usize,
    )
    .await?;
    let items = page
        .entries
        .into_iter()
        .filter(|entry| entry.kind == crate::storage::Kind::File)
        .map(|entry| {
            let path = format!("{folder}/{}", entry.name);
            OutputView {
                url: super::files::address(job.project, &path),
                path,
                size: entry.size,
                modified: text(entry.modified),
            }
        })
        .collect();
    Ok(Answer(List {
        items,
        next: page.next,
    })
    .into_response())
}

async fn manifest(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    headers: HeaderMap,
) -> Result<Response> {
    let populated = jobs::manifest(&app.portal, &actor, id, None).await?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("*/*");
    if accept.contains("json") {
        let body = populated.to_json().map_err(anyhow::Error::from)?;
        return Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response());
    }
    if accept.contains("yaml") || accept.contains("*/*") || accept.contains("text/") {
        let body = populated.to_yaml().map_err(anyhow::Error::from)?;
        return Ok(([(header::CONTENT_TYPE, "application/yaml")], body).into_response());
    }
    Err(WebError::NotAcceptable(
        "This is offered as application/yaml and application/json.".into(),
    ))
}

/// What the choice of a cluster would be now.
#[derive(Serialize, utoipa::ToSchema)]
struct PlacementView {
    /// Where its latest attempt was placed.
    placed_on: Option<String>,
    /// Per cluster, why it takes the job or not.
    clusters: Vec<ClusterVerdict>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ClusterVerdict {
    cluster: String,
    verdict: String,
}

async fn placement(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
) -> Result<Response> {
    use crate::cluster::routing::Verdict;
    let open = jobs::find(&app.portal, &actor, id).await?;
    let choice = jobs::placement(&app.portal, &open.job().spec).await?;
    let latest = app
        .portal
        .store
        .find_attempt(id, open.job().attempts)
        .await?;
    Ok(Answer(PlacementView {
        placed_on: latest.map(|a| a.cluster.to_string()),
        clusters: choice
            .verdicts
            .into_iter()
            .map(|(cluster, verdict)| ClusterVerdict {
                cluster: cluster.to_string(),
                verdict: match verdict {
                    Verdict::Fits => "it would take the job now".into(),
                    Verdict::Waits(why) | Verdict::Full(why) | Verdict::Never(why) => why,
                },
            })
            .collect(),
    })
    .into_response())
}
