//! Server-sent events: woken by changes, with a look of their own every two seconds. Each minute session or token and
//! right are checked again; when the portal stops, streams end first.
use super::{App, error::WebError, extract::Query};
use crate::{
    domain::{
        access::{Action, Actor},
        event::Change,
        ids::JobId,
    },
    services::logs,
    store::LogStream,
};
use axum::{
    extract::FromRequestParts,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;
use http::request::Parts;
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio::{sync::broadcast, time::Instant};

/// From where on: `Last-Event-ID` of a reconnect, else `?after=`.
pub struct Position(u64);

impl Position {
    pub fn after(&self) -> u64 {
        self.0
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: u64,
}

impl FromRequestParts<App> for Position {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        let last = parts
            .headers
            .get("last-event-id")
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.parse().ok());
        if let Some(last) = last {
            return Ok(Self(last));
        }
        let Query(query) = Query::<After>::from_request_parts(parts, app).await?;
        Ok(Self(query.after))
    }
}

/// What all streams of one job share.
struct Follower {
    app: App,
    actor: Actor,
    job: JobId,
    changes: broadcast::Receiver<Change>,
    checked: Instant,
}

impl Follower {
    fn new(app: App, actor: Actor, job: JobId) -> Self {
        Self {
            changes: app.portal.store.changes().subscribe(),
            checked: Instant::now(),
            app,
            actor,
            job,
        }
    }

    /// Waits until this job may have changed; false when the stream is to end.
    async fn wait(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(2);
        loop {
            let change = tokio::select! {
                () = self.app.stop.cancelled() => return false,
                () = tokio::time::sleep_until(until) => break,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(Change::Job(_, job) | Change::Log(job)) if job != self.job => {}
                Ok(Change::Task(_)) => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                Err(broadcast::error::RecvError::Closed) => return false,
            }
        }
        self.still_may().await
    }

    async fn still_may(&mut self) -> bool {
        if self.checked.elapsed() < Duration::from_secs(60) {
            return true;
        }
        self.checked = Instant::now();
        match self.app.portal.store.find_user(self.actor.user.id).await {
            Ok(Some(user)) if user.suspended_at.is_none() => self.actor.user = user,
            _ => return false,
        }
        self.app
            .portal
            .open_job(&self.actor, self.job, Action::See)
            .await
            .is_ok()
    }
}

fn end() -> Event {
    Event::default().event("end").data("end")
}

/// A job's events after an id, and on.
pub fn events(
    app: App,
    actor: Actor,
    job: JobId,
    after: i64,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let follower = Follower::new(app, actor, job);
    let stream = futures::stream::unfold((Some(follower), after), |(follower, after)| async move {
        let mut follower = follower?;
        loop {
            let portal = &follower.app.portal;
            let found = portal.store.list_events(follower.job, after, 1).await;
            match found.as_deref() {
                Ok([event]) => {
                    let data = serde_json::json!({
                        "id": event.id, "at": event.at.to_string(), "kind": event.kind.as_str(), "text": event.text,
                        "actor": event.actor, "attempt": event.attempt,
                    });
                    let sent = Event::default()
                        .event("changed")
                        .id(event.id.to_string())
                        .data(data.to_string());
                    return Some((Ok(sent), (Some(follower), event.id)));
                }
                Ok(_) => match portal.store.find_job(follower.job).await {
                    Ok(Some(place))
                        if place.job.phase.is_terminal() && place.job.last_event <= after =>
                    {
                        return Some((Ok(end()), (None, after)));
                    }
                    Ok(None) => return Some((Ok(end()), (None, after))),
                    _ => {}
                },
                // The database is away: the browser comes again by itself.
                Err(_) => return None,
            }
            if !follower.wait().await {
                return None;
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// A log from an offset, and on, as `{offset, text}`; an event's id is the offset after its text.
pub fn log(
    app: App,
    actor: Actor,
    row: LogStream,
    after: u64,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let follower = Follower::new(app, actor, row.job);
    let stream = futures::stream::unfold(
        (Some(follower), row, after),
        |(follower, row, at)| async move {
            let mut follower = follower?;
            loop {
                let portal = &follower.app.portal;
                let _ = logs::follow(portal, &row).await;
                let Ok(piece) =
                    logs::bytes(portal, row.job, row.attempt, &row.stream, at, 64 << 10).await
                else {
                    return None;
                };
                if !piece.is_empty() {
                    let whole = whole_characters(&piece);
                    let next = at + whole as u64;
                    let text = String::from_utf8_lossy(&piece[..whole]);
                    let data = serde_json::json!({ "offset": at, "text": text });
                    let event = Event::default().id(next.to_string()).data(data.to_string());
                    return Some((Ok(event), (Some(follower), row, next)));
                }
                let now = portal
                    .store
                    .find_log_stream(row.job, row.attempt, &row.stream)
                    .await;
                match now {
                    Ok(Some(now)) if now.complete && now.size <= at => {
                        return Some((Ok(end()), (None, row, at)));
                    }
                    Ok(Some(_)) => {}
                    _ => return None,
                }
                if !follower.wait().await {
                    return None;
                }
            }
        },
    );
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// How many bytes end with a whole character; a broken one of four bytes or more is given as it is.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}
