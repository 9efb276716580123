//! The log of one attempt: its end first, any other part by its offset, followed as it grows, searched as a whole.
use super::{
    frame::{JobFrame, Tab},
    log_text::{self, Line, Place},
};
use crate::{
    domain::{access::Action, ids::JobId, job::Attempt, names::StreamName, quantity::human_bytes},
    services::{
        Error, jobs,
        logs::{self, Found},
    },
    store::LogStream,
    web::{
        App, Kind, Right, Route, download,
        error::Result,
        escape::escaped,
        extract::{Path, Query, Who},
        stream::{self, Beside, Listener, Position},
        view::View,
    },
};
use askama::Template;
use axum::{
    body::Body,
    extract::State,
    response::{AppendHeaders, Html, IntoResponse, Redirect, Response},
};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

const SEE: Right = Right::Project(Action::See);
/// Lines that one page of a search shows.
const HITS: usize = 200;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/jobs/{job}/logs", SEE, show),
        Route::new(
            Method::GET,
            "/jobs/{job}/logs/stream",
            Kind::Stream,
            SEE,
            follow,
        ),
        Route::new(
            Method::GET,
            "/jobs/{job}/logs/download",
            Kind::Download,
            SEE,
            send,
        ),
    ]
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    attempt: Option<u32>,
    stream: String,
    from: Option<u64>,
    before: Option<u64>,
    at: Option<u64>,
    q: String,
    regex: bool,
    /// Where a search goes on.
    search_from: u64,
    first_error: bool,
    /// Asked by a page that has no log yet.
    wait: bool,
}

impl Wanted {
    fn place(&self) -> Place {
        match (self.at, self.from, self.before) {
            (Some(at), _, _) => Place::At(at),
            (_, Some(at), _) => Place::From(at),
            (_, _, Some(at)) => Place::Before(at),
            _ => Place::End,
        }
    }
}

#[derive(Template)]
#[template(path = "jobs/logs.html")]
struct LogsPage {
    view: View,
    frame: JobFrame,
    streams: Vec<LogStream>,
    log: Option<Log>,
    q: String,
    regex: bool,
    search: Option<Search>,
    message: String,
}

/// The stream that is looked at, and what is shown of it.
struct Log {
    row: LogStream,
    lines: Vec<Line>,
    start: u64,
    end: u64,
    /// Whether the last of these lines is what the reader wants to see first.
    begins_at_its_end: bool,
}

/// What a search over the whole stream found.
struct Search {
    found: Found,
    error: String,
}

impl LogsPage {
    fn attempt(&self) -> u32 {
        self.frame.shown().map_or(1, |attempt| attempt.number)
    }

    /// This page about the same stream, with more in its query.
    fn url(&self, rest: &str) -> String {
        let name = self
            .log
            .as_ref()
            .map_or("driver", |log| log.row.stream.as_str());
        self.frame.at(&format!(
            "/logs{rest}attempt={}&stream={name}",
            self.attempt()
        ))
    }

    fn end_url(&self) -> String {
        self.url("?")
    }

    fn url_from(&self, offset: u64) -> String {
        format!("{}&from={offset}", self.url("?"))
    }

    fn before_url(&self, offset: u64) -> String {
        format!("{}&before={offset}", self.url("?"))
    }

    fn at_url(&self, offset: u64) -> String {
        format!("{}&at={offset}", self.url("?"))
    }

    /// What the offset of a line is put behind.
    fn place_url(&self) -> String {
        format!("{}&at=", self.url("?"))
    }

    fn first_error_url(&self) -> String {
        format!("{}&first_error=true", self.url("?"))
    }

    fn download_url(&self) -> String {
        self.url("/download?")
    }

    fn search_on_url(&self, from: u64) -> String {
        format!(
            "{}&q={}&regex={}&search_from={from}",
            self.url("?"),
            escaped(&self.q),
            self.regex
        )
    }

    fn wait_url(&self) -> String {
        let here = self.frame.here();
        let join = if here.contains('?') { '&' } else { '?' };
        format!("{here}{join}wait=true")
    }

    /// Whether what is shown grows by itself: its end is in sight and more can come, of it or of the job.
    fn stream_url(&self) -> Option<String> {
        let log = self.log.as_ref()?;
        let at_end = self.search.is_none() && log.end == log.row.size;
        let grows = !log.row.complete || self.frame.is_live();
        (at_end && grows).then(|| {
            format!(
                "{}&seen={}",
                self.url("/stream?"),
                self.frame.job().last_event
            )
        })
    }

    fn plain(&self, line: &str) -> String {
        log_text::shown(line)
    }

    fn is_stream(&self, row: &LogStream) -> bool {
        self.log
            .as_ref()
            .is_some_and(|log| log.row.stream == row.stream)
    }

    fn is_attempt(&self, attempt: &Attempt) -> bool {
        self.frame.is_shown(attempt)
    }

    fn no_log(&self) -> &'static str {
        match self.frame.shown() {
            None if self.frame.is_live() => "The log begins when the job starts.",
            None => "There is no log: the job ended before it was started.",
            Some(attempt) if attempt.ended_at.is_none() => {
                "The job is starting; its log begins soon."
            }
            Some(_) => "This attempt left no log.",
        }
    }
}

impl Log {
    fn has_earlier(&self) -> bool {
        self.start > 0
    }

    fn has_later(&self) -> bool {
        self.end < self.row.size
    }

    fn size(&self) -> String {
        human_bytes(self.row.size)
    }

    fn source(&self) -> &'static str {
        if self.row.complete {
            "from the archive"
        } else {
            "still growing"
        }
    }

    /// What part is shown, where that is not all.
    fn part(&self) -> String {
        if self.start == 0 && self.end == self.row.size {
            return String::new();
        }
        format!("bytes {} to {}", self.start, self.end)
    }
}

/// The stream that is asked for, else the driver's, else the first.
fn pick(streams: &[LogStream], wanted: &str) -> Result<Option<LogStream>, Error> {
    let named = |name: &str| streams.iter().find(|row| row.stream.as_str() == name);
    if wanted.is_empty() {
        return Ok(named("driver").or(streams.first()).cloned());
    }
    if let Some(row) = named(wanted) {
        return Ok(Some(row.clone()));
    }
    // The driver's may be still to come.
    if wanted == "driver" && streams.is_empty() {
        return Ok(None);
    }
    Err(Error::NotFound("log"))
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let portal = &app.portal;
    let frame = JobFrame::open(portal, &actor, id, Tab::Logs, wanted.attempt).await?;
    let streams = match frame.shown() {
        None => Vec::new(),
        Some(attempt) => {
            let open = jobs::find(portal, &actor, id).await?;
            logs::streams(portal, &open, attempt.number).await?
        }
    };
    let row = pick(&streams, &wanted.stream)?;
    if wanted.wait && row.is_some() {
        let refresh = AppendHeaders([("HX-Refresh", "true")]);
        return Ok((StatusCode::NO_CONTENT, refresh).into_response());
    }
    let mut page = LogsPage {
        view,
        frame,
        streams,
        log: None,
        q: wanted.q.chars().take(500).collect(),
        regex: wanted.regex,
        search: None,
        message: String::new(),
    };
    let Some(row) = row else {
        return Ok(Html(page.render()?).into_response());
    };
    let mut status = StatusCode::OK;
    if wanted.first_error {
        let found = logs::search(portal, &row, log_text::ERROR, true, 0, 1).await?;
        page.message = match (found.hits.first(), found.next) {
            (Some(hit), _) => {
                page.log = Some(look(portal, row, Place::End).await?);
                return Ok(Redirect::to(&page.at_url(hit.offset)).into_response());
            }
            (None, None) => "No line of this log looks like an error.".into(),
            (None, Some(_)) => {
                "No error was found within 5 seconds; the log is long. Search it by a word.".into()
            }
        };
    } else if !page.q.is_empty() {
        app.limits.search(actor.user.id)?;
        let found = logs::search(portal, &row, &page.q, page.regex, wanted.search_from, HITS);
        page.search = Some(match found.await {
            Ok(found) => Search {
                found,
                error: String::new(),
            },
            Err(Error::Invalid(wrong)) => {
                status = StatusCode::UNPROCESSABLE_ENTITY;
                Search {
                    found: Found {
                        hits: Vec::new(),
                        next: None,
                    },
                    error: wrong.iter().map(|v| v.message.clone()).collect(),
                }
            }
            Err(other) => return Err(other.into()),
        });
    }
    page.log = Some(look(portal, row, wanted.place()).await?);
    Ok((status, Html(page.render()?)).into_response())
}

async fn look(
    portal: &crate::services::Portal,
    row: LogStream,
    place: Place,
) -> Result<Log, Error> {
    // Without this, a page that is opened while nobody follows is up to 15 s behind.
    logs::follow(portal, &row).await?;
    let range = place.range(row.size);
    let bytes = logs::read(portal, &row, range.clone()).await?;
    let shown = log_text::lines(&bytes, range.start, row.size, place);
    Ok(Log {
        start: shown.range.start,
        end: shown.range.end,
        lines: shown.lines,
        begins_at_its_end: matches!(place, Place::End | Place::Before(_)),
        row,
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Which {
    attempt: Option<u32>,
    stream: String,
    /// The latest event that the page has seen.
    seen: i64,
}

impl Which {
    /// The row of the stream that is meant: that of the latest attempt, the driver's where none is named.
    async fn find(
        &self,
        app: &App,
        actor: &crate::domain::access::Actor,
        id: JobId,
    ) -> Result<(LogStream, String), Error> {
        let open = jobs::find(&app.portal, actor, id).await?;
        let attempt = self.attempt.unwrap_or(open.job().attempts);
        let name = match self.stream.as_str() {
            "" => StreamName::driver(),
            name => StreamName::parse(name).map_err(|_| Error::NotFound("log"))?,
        };
        let row = logs::find(&app.portal, &open, attempt, &name).await?;
        let file = format!("{}-{attempt}-{name}.log", open.job().slug);
        Ok((row, file))
    }
}

async fn follow(
    State(app): State<App>,
    listener: Listener,
    Path(id): Path<JobId>,
    Query(which): Query<Which>,
    position: Position,
) -> Result<Response> {
    let (row, _) = which.find(&app, &listener.actor, id).await?;
    let beside = Beside::Changes(which.seen);
    Ok(stream::log(app, listener, row, position.after(), beside)?.into_response())
}

async fn send(
    State(app): State<App>,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(which): Query<Which>,
) -> Result<Response> {
    let (row, file) = which.find(&app, &actor, id).await?;
    let mut headers = download::headers(&file, "text/plain; charset=utf-8");
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(row.size));
    let body = logs::range(&app.portal, id, row.attempt, row.stream, 0..row.size);
    Ok((headers, Body::from_stream(body)).into_response())
}
