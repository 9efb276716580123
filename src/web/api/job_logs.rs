//! Events and logs of jobs, whole, in ranges, or as they come.
use super::{List, openapi::doc};
use crate::{
    domain::{access::Action, ids::JobId, names::StreamName},
    services::{Error, OpenJob, jobs, logs},
    web::{
        App, Kind, Right, Route,
        answer::Answer,
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
                .query(&[("after", "Only events after this id")])
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
    headers: HeaderMap,
) -> Result<Response> {
    let open = jobs::find(&app.portal, &listener.actor, id).await?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let after = i64::try_from(position.after()).unwrap_or(i64::MAX);
    if accept.contains("text/event-stream") {
        return Ok(stream::events(app, listener, id, after).into_response());
    }
    let all = jobs::events(&app.portal, &open, after, 200).await?;
    let next = (all.len() == 200)
        .then(|| all.last().map(|e| e.id.to_string()))
        .flatten();
    Ok(Answer(List {
        items: all.into_iter().map(EventView::from).collect(),
        next,
    })
    .into_response())
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
        return Ok(
            stream::log(app, listener, row, position.after(), Beside::Nothing).into_response(),
        );
    }
    let (status, range) = match query.tail {
        Some(lines @ 1..=10_000) => (
            StatusCode::OK,
            logs::tail_offset(&app.portal, &row, lines).await?..row.size,
        ),
        Some(_) => {
            return Err(Error::field("/tail", "Give a whole number from 1 to 10000.", None).into());
        }
        None => byte_range(&headers, row.size)?,
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

/// One range of bytes, or all.
fn byte_range(headers: &HeaderMap, size: u64) -> Result<(StatusCode, std::ops::Range<u64>)> {
    let Some(text) = headers
        .get(header::RANGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|t| t.strip_prefix("bytes="))
    else {
        return Ok((StatusCode::OK, 0..size));
    };
    let Some((from, to)) = text.split_once('-').filter(|_| !text.contains(',')) else {
        return Ok((StatusCode::OK, 0..size));
    };
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(size),
        (Ok(from), Err(_)) if to.is_empty() => from..size,
        (Err(_), Ok(last)) if from.is_empty() => size.saturating_sub(last)..size,
        _ => return Ok((StatusCode::OK, 0..size)),
    };
    if range.start >= range.end {
        return Err(Error::Range { size }.into());
    }
    Ok((StatusCode::PARTIAL_CONTENT, range))
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
