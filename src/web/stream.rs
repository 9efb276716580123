//! Server-sent events: woken by changes, with a look of their own every two seconds. Each minute session or token and
//! right are checked again; when the portal stops, streams end first.
use super::{
    App,
    error::WebError,
    extract::{Query, Who},
    limits::Turn,
};
use crate::{
    auth::proof::Proof,
    domain::{
        access::{Action, Actor},
        event::Change,
        ids::{JobId, ProjectId},
    },
    services::{Error, logs},
    store::LogStream,
};
use axum::{
    extract::FromRequestParts,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;
use http::request::Parts;
use serde::Deserialize;
use std::{collections::HashSet, convert::Infallible, time::Duration};
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

/// Who follows, and what they showed.
pub struct Listener {
    pub actor: Actor,
    proof: Proof,
}

impl FromRequestParts<App> for Listener {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        let Who(actor) = Who::from_request_parts(parts, app).await?;
        let proof = parts.extensions.get().cloned();
        let proof = proof.ok_or(WebError::NotSignedIn)?;
        Ok(Self { actor, proof })
    }
}

/// Whose changes a stream tells.
#[derive(Debug, Clone, Copy)]
enum Watched {
    Job(JobId),
    Project(ProjectId),
    /// All projects that the caller is a member of.
    Mine,
}

/// What all streams share.
struct Follower {
    app: App,
    _turn: Turn,
    listener: Listener,
    watched: Watched,
    /// Of [`Watched::Mine`].
    projects: HashSet<ProjectId>,
    changes: broadcast::Receiver<Change>,
    checked: Instant,
}

/// What a follower woke up for.
enum Woken {
    By(JobId),
    /// Some time passed, or too much happened: anything may have changed.
    Anyhow,
    /// The stream is to end.
    Over,
}

impl Follower {
    /// An error where the user has too many open.
    fn new(app: App, listener: Listener, watched: Watched) -> Result<Self, Error> {
        Ok(Self {
            _turn: app.limits.stream(listener.actor.user.id)?,
            changes: app.portal.store.changes().subscribe(),
            checked: Instant::now(),
            projects: HashSet::new(),
            app,
            listener,
            watched,
        })
    }

    /// Waits until this job may have changed; false when the stream is to end.
    async fn wait(&mut self) -> bool {
        !matches!(self.next(Duration::from_secs(2)).await, Woken::Over)
    }

    /// Waits for a change of what is watched, at most so long.
    async fn next(&mut self, most: Duration) -> Woken {
        let until = Instant::now() + most;
        let woken = loop {
            let change = tokio::select! {
                () = self.app.stop.cancelled() => return Woken::Over,
                () = tokio::time::sleep_until(until) => break Woken::Anyhow,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    if let Some(job) = self.of_interest(change) {
                        break Woken::By(job);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => break Woken::Anyhow,
                Err(broadcast::error::RecvError::Closed) => return Woken::Over,
            }
        };
        if self.still_may().await {
            woken
        } else {
            Woken::Over
        }
    }

    fn of_interest(&self, change: Change) -> Option<JobId> {
        match (self.watched, change) {
            (Watched::Job(watched), Change::Job(_, job) | Change::Log(job)) => {
                (job == watched).then_some(job)
            }
            (Watched::Project(watched), Change::Job(project, job)) => {
                (project == watched).then_some(job)
            }
            (Watched::Mine, Change::Job(project, job)) => {
                self.projects.contains(&project).then_some(job)
            }
            _ => None,
        }
    }

    async fn still_may(&mut self) -> bool {
        if self.checked.elapsed() < Duration::from_secs(60) {
            return true;
        }
        self.checked = Instant::now();
        match self.listener.proof.actor(&self.app.portal).await {
            Ok(Some(actor)) => self.listener.actor = actor,
            _ => return false,
        }
        self.look_at_rights().await.is_ok()
    }

    /// An error where the caller may not see what is watched.
    async fn look_at_rights(&mut self) -> Result<(), Error> {
        let (portal, actor) = (&self.app.portal, &self.listener.actor);
        match self.watched {
            Watched::Job(job) => portal.open_job(actor, job, Action::See).await.map(|_| ()),
            Watched::Project(project) => portal
                .open_project(actor, project, Action::See)
                .await
                .map(|_| ()),
            Watched::Mine => {
                let mine = portal.store.list_projects_of(actor.user.id).await?;
                self.projects = mine.iter().map(|m| m.project.id).collect();
                Ok(())
            }
        }
    }
}

fn end() -> Event {
    Event::default().event("end").data("end")
}

/// A job's events after an id, and on.
pub fn events(
    app: App,
    listener: Listener,
    job: JobId,
    after: i64,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let follower = Follower::new(app, listener, Watched::Job(job))?;
    let stream = futures::stream::unfold(
        (Some(follower), after),
        move |(follower, after)| async move {
            let mut follower = follower?;
            loop {
                let portal = &follower.app.portal;
                let found = portal.store.list_events(job, after, 1).await;
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
                    Ok(_) => match portal.store.find_job(job).await {
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
        },
    );
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// That jobs of a list changed, by id, without a history: whoever comes again fetches the rows again. `project` is none for
/// all projects of the caller.
pub async fn jobs(
    app: App,
    listener: Listener,
    project: Option<ProjectId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    /// What other replicas said while the database was away is made good by looking again now and then.
    const LOOK: Duration = Duration::from_secs(30);
    let watched = project.map_or(Watched::Mine, Watched::Project);
    let mut follower = Follower::new(app, listener, watched)?;
    follower.look_at_rights().await?;
    let stream = futures::stream::unfold(follower, |mut follower| async move {
        let data = match follower.next(LOOK).await {
            Woken::By(job) => job.to_string(),
            Woken::Anyhow => "all".to_owned(),
            Woken::Over => return None,
        };
        Some((Ok(Event::default().event("changed").data(data)), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// What a stream of a log tells besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    /// That the job changed, after this event: a page has one stream for both. It ends when the job has ended, too.
    Changes(i64),
}

/// A log from an offset, and on, as `{offset, text}`; an event's id is the offset after its text.
pub fn log(
    app: App,
    listener: Listener,
    row: LogStream,
    after: u64,
    beside: Beside,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let follower = Follower::new(app, listener, Watched::Job(row.job))?;
    let pieces = logs::Pieces::of(&follower.app.portal, &row);
    let begin = (Some(follower), (row, pieces), after, beside);
    let stream = futures::stream::unfold(begin, |(follower, log, at, beside)| async move {
        let (row, mut pieces) = log;
        let mut follower = follower?;
        loop {
            if !follower.still_may().await {
                return None;
            }
            let portal = &follower.app.portal;
            let now = portal
                .store
                .find_log_stream(row.job, row.attempt, &row.stream)
                .await;
            let now = now.ok()??;
            let _ = logs::follow(portal, &now).await;
            let piece = pieces.read(at, 64 << 10).await.ok()?;
            // What is left of a complete log is no beginning of anything.
            let whole = match whole_characters(&piece) {
                0 if now.complete => piece.len(),
                whole => whole,
            };
            if whole > 0 {
                let next = at + whole as u64;
                let text = String::from_utf8_lossy(&piece[..whole]);
                let data = serde_json::json!({ "offset": at, "text": text });
                let event = Event::default().id(next.to_string()).data(data.to_string());
                return Some((Ok(event), (Some(follower), (row, pieces), next, beside)));
            }
            let mut ended = now.complete && now.size <= at;
            if let Beside::Changes(seen) = beside {
                let job = portal.store.find_job(row.job).await.ok()??.job;
                if job.last_event > seen {
                    let event = Event::default()
                        .event("changed")
                        .data(job.last_event.to_string());
                    let seen = Beside::Changes(job.last_event);
                    return Some((Ok(event), (Some(follower), (row, pieces), at, seen)));
                }
                ended &= job.phase.is_terminal();
            }
            if ended {
                return Some((Ok(end()), (None, (row, pieces), at, beside)));
            }
            if !follower.wait().await {
                return None;
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// How many bytes there are before a character that has begun at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let begun = bytes.iter().rev().take(3).position(|byte| *byte >= 0xc0);
    let Some(at) = begun.map(|back| bytes.len() - back - 1) else {
        return bytes.len();
    };
    match std::str::from_utf8(&bytes[at..]) {
        Err(error) if error.error_len().is_none() => at,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_character_that_has_begun_waits_for_its_end() {
        assert_eq!(whole_characters(b""), 0);
        assert_eq!(whole_characters(b"abc"), 3);
        let text = "aü€😀".as_bytes();
        let whole: Vec<usize> = (0..=text.len())
            .map(|n| whole_characters(&text[..n]))
            .collect();
        assert_eq!(whole, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
        assert_eq!(
            whole_characters(b"\xff\xfe a \xe2\x82"),
            5,
            "behind broken bytes too"
        );
        assert_eq!(whole_characters(b"a\xff"), 2, "no beginning of a character");
        assert_eq!(whole_characters(b"a\x80\x80\x80\x80"), 5);
    }
}
