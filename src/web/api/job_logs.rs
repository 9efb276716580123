//! Events and logs of jobs, whole, in ranges, or as they come.
use super::{
    List,
    input::{PAGING, Paging},
    openapi::doc,
};
use crate::{
    domain::{access::Action, ids::JobId, names::StreamName},
    services::{Error, OpenJob, jobs, logs},
    web::{
        App, Kind, Right, Route,
        answer::Answer,
        conditions,
        error::Result,
        extract::{Path, Query, Who},
        stream::{self, Beside, Listener, Position},
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};

pub fn routes() -> Vec<Route> {
    let see = Right::Project(Action::See);
    vec![
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/events",
            see,
            events,
            doc("What happened to a job; as text/event-stream it goes on")
                .query(PAGING)
                .json::<List<EventView>>(200, "Events"),
        )
        .kind(Kind::ApiStream),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/attempts/{n}/logs",
            see,
            list,
            doc("The log streams of an attempt").json::<List<StreamView>>(200, "Streams"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/attempts/{n}/logs/{stream}",
            see,
            show,
            doc("A log as text; honours Range. With follow=true server-sent events {offset, text}")
                .query(&[
                    ("tail", "The last so many lines"),
                    ("follow", "true: as it comes"),
                    ("after", "With follow: from this byte on"),
                ])
                .raw(200, "The log", "text/plain"),
        )
        .kind(Kind::ApiStream),
        Route::api(
            Method::GET,
            "/api/v1/jobs/{job}/attempts/{n}/logs/{stream}/search",
            see,
            search,
            doc("Lines that match")
                .query(&[
                    ("q", "What to find"),
                    ("regex", "true: q is a regular expression"),
                    ("after", "From this byte on"),
                ])
                .json::<FoundView>(200, "Lines"),
        ),
    ]
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct EventView {
    id: i64,
    at: String,
    kind: String,
    text: String,
    actor: Option<String>,
    attempt: Option<u32>,
}

impl From<crate::domain::event::Event> for EventView {
    fn from(event: crate::domain::event::Event) -> Self {
        Self {
            id: event.id,
            at: event.at.to_string(),
            kind: event.kind.to_string(),
            text: event.text,
            actor: event.actor,
            attempt: event.attempt,
        }
    }
}

async fn events(
    State(app): State<App>,
    listener: Listener,
    Path(id): Path<JobId>,
    position: Position,
    Query(paging): Query<Paging>,
    headers: HeaderMap,
) -> Result<Response> {
    let open = jobs::find(&app.portal, &listener.actor, id).await?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let after = i64::try_from(position.after()).unwrap_or(i64::MAX);
    if accept.contains("text/event-stream") {
        return Ok(stream::events(app, listener, id, after)?.into_response());
    }
    let limit = paging.limit()?;
    let found = jobs::events(&app.portal, &open, after, limit + 1).await?;
    let items = found.into_iter().map(EventView::from).collect();
    let page = List::of_one_more(items, limit, |event: &EventView| event.id.to_string());
    Ok(Answer(page).into_response())
}

#[derive(Serialize, utoipa::ToSchema)]
struct StreamView {
    stream: String,
    size: u64,
    /// `archive`: all that there is lies in the store; `both`: it still grows.
    source: &'static str,
    complete: bool,
    sha256: Option<String>,
}

async fn list(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, attempt)): Path<(JobId, u32)>,
) -> Result<Response> {
    let open = jobs::find(&app.portal, &actor, id).await?;
    let rows = logs::streams(&app.portal, &open, attempt).await?;
    let items = rows
        .into_iter()
        .map(|row| StreamView {
            stream: row.stream.to_string(),
            size: row.size,
            source: if row.complete { "archive" } else { "both" },
            complete: row.complete,
            sha256: row.sha256,
        })
        .collect();
    Ok(Answer(List { items, next: None }).into_response())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LogQuery {
    tail: Option<u32>,
    follow: bool,
}

async fn open(app: &App, actor: &crate::domain::access::Actor, id: JobId) -> Result<OpenJob> {
    Ok(jobs::find(&app.portal, actor, id).await?)
}

async fn show(
    State(app): State<App>,
    listener: Listener,
    Path((id, attempt, name)): Path<(JobId, u32, String)>,
    Query(query): Query<LogQuery>,
    position: Position,
    headers: HeaderMap,
) -> Result<Response> {
    let job = open(&app, &listener.actor, id).await?;
    let name = StreamName::parse(&name).map_err(|_| Error::NotFound("log"))?;
    let row = logs::find(&app.portal, &job, attempt, &name).await?;
    if query.follow {
        let log = stream::log(app, listener, row, position.after(), Beside::Nothing)?;
        return Ok(log.into_response());
    }
    let (status, range) = match query.tail {
        Some(lines @ 1..=10_000) => (
            StatusCode::OK,
            logs::tail_offset(&app.portal, &row, lines).await?..row.size,
        ),
        Some(_) => {
            return Err(Error::field("/tail", "Give a whole number from 1 to 10000.", None).into());
        }
        None => match conditions::range(&headers, row.sha256.as_deref().unwrap_or_default()) {
            Some(range) => (StatusCode::PARTIAL_CONTENT, range.within(row.size)?),
            None => (StatusCode::OK, 0..row.size),
        },
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, range.end - range.start)
        .header(header::CONTENT_SECURITY_POLICY, "sandbox");
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        response = response.header(
            header::CONTENT_RANGE,
            format!("bytes {}-{last}/{}", range.start, row.size),
        );
    }
    let body = logs::range(&app.portal, id, attempt, name, range);
    Ok(response
        .body(Body::from_stream(body))
        .map_err(anyhow::Error::from)?)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SearchQuery {
    q: String,
    regex: bool,
    after: u64,
}

/// Lines that matched.
#[derive(Serialize, utoipa::ToSchema)]
struct FoundView {
    items: Vec<HitView>,
    /// Search on from this byte; null where the end was reached.
    next: Option<u64>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct HitView {
    offset: u64,
    line: String,
}

async fn search(
    State(app): State<App>,
    Who(actor): Who,
    Path((id, attempt, name)): Path<(JobId, u32, String)>,
    Query(query): Query<SearchQuery>,
) -> Result<Response> {
    let job = open(&app, &actor, id).await?;
    app.limits.search(actor.user.id)?;
    if query.q.is_empty() || query.q.len() > 500 {
        return Err(
            Error::field("/q", "Say what to find, in 1 to 500 bytes.", Some(&query.q)).into(),
        );
    }
    let name = StreamName::parse(&name).map_err(|_| Error::NotFound("log"))?;
    let row = logs::find(&app.portal, &job, attempt, &name).await?;
    let found = logs::search(&app.portal, &row, &query.q, query.regex, query.after, 200).await?;
    let items = found
        .hits
        .into_iter()
        .map(|hit| HitView {
            offset: hit.offset,
            line: hit.line,
        })
        .collect();
    Ok(Answer(FoundView {
        items,
        next: found.next,
    })
    .into_response())
}
