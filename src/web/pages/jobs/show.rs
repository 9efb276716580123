//! One job at a glance: how is it, why, what can I do.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{
        access::Action,
        ids::JobId,
        job::{Card, Cause, CodePath, JobSpec, Language, Phase},
        quantity::{Memory, human_bytes},
    },
    services::{Error, jobs},
    web::{
        App, Kind, Right, Route,
        error::Result,
        escape::escaped,
        extract::{Path, Query, Who},
        stream::{self, Listener, Position},
        view::{View, duration},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::Method;
use serde::Deserialize;

const SEE: Right = Right::Project(Action::See);

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/jobs/{job}", SEE, show),
        Route::new(Method::GET, "/jobs/{job}/stream", Kind::Stream, SEE, follow),
    ]
}

/// Which attempt.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Wanted {
    pub attempt: Option<u32>,
}

#[derive(Template)]
#[template(path = "jobs/show.html")]
struct ShowPage {
    view: View,
    frame: JobFrame,
    /// As they were typed, and as they were resolved where that differs and the reader may see it.
    arguments: Vec<(String, Option<String>)>,
}

impl ShowPage {
    fn spec(&self) -> &JobSpec {
        &self.frame.job().spec
    }

    /// The card of a failed attempt, or of a job that failed before it had one.
    fn card(&self) -> Option<&Card> {
        let job = self.frame.job();
        match self.frame.shown() {
            Some(attempt) if attempt.cause.is_some() => attempt.card.as_ref(),
            None if job.phase == Phase::Failed => job.card.as_ref(),
            _ => None,
        }
    }

    fn cause(&self) -> &'static str {
        let shown = self.frame.shown().and_then(|attempt| attempt.cause);
        match shown.or(self.frame.job().cause) {
            Some(Cause::Infrastructure) => "The infrastructure, not your program.",
            Some(Cause::Administration) => "The administrators ended it.",
            Some(Cause::UserInput) => "What the job was given.",
            Some(Cause::Program) => "The program itself.",
            None => "",
        }
    }

    fn has_log(&self) -> bool {
        self.frame.shown().is_some()
    }

    fn driver(&self) -> String {
        let driver = &self.spec().driver;
        size(driver.cores, &driver.memory)
    }

    fn executors(&self) -> String {
        let executor = &self.spec().executor;
        let each = size(executor.cores, &executor.memory);
        match &self.spec().dynamic_allocation {
            Some(dynamic) => {
                format!(
                    "{} to {} × {each}",
                    dynamic.min_executors, dynamic.max_executors
                )
            }
            None => format!("{} × {each}", executor.instances),
        }
    }

    fn together(&self) -> String {
        let asks = self.spec().resources();
        format!(
            "{}, {} with overhead",
            cores(asks.cores),
            human_bytes(asks.memory)
        )
    }

    fn longest(&self) -> String {
        duration(i64::try_from(self.spec().max_run_seconds).unwrap_or(i64::MAX))
    }

    fn language(&self) -> &'static str {
        match self.spec().language {
            Language::Python => "Python",
            Language::Java => "Java",
            Language::Scala => "Scala",
            Language::R => "R",
        }
    }

    fn main_file_url(&self) -> Option<String> {
        match &self.spec().main_file {
            CodePath::Project(path) => Some(
                self.frame
                    .project_at(&format!("/files/view/{}", escaped(path.as_str()))),
            ),
            CodePath::Image(_) => None,
        }
    }

    /// Attempts with what they ended with, in words, the latest first.
    fn tries(&self) -> Vec<(&crate::domain::job::Attempt, String)> {
        let words = |attempt: &crate::domain::job::Attempt| match (&attempt.card, attempt.ended_at)
        {
            (Some(card), Some(_)) => card.title.clone(),
            (None, Some(_)) => "Ended".into(),
            (_, None) => format!("{} now", attempt.phase),
        };
        self.frame
            .attempts
            .iter()
            .rev()
            .map(|attempt| (attempt, words(attempt)))
            .collect()
    }
}

fn cores(n: u64) -> String {
    if n == 1 {
        "1 core".into()
    } else {
        format!("{n} cores")
    }
}

fn size(n: u32, memory: &Memory) -> String {
    format!("{}, {}", cores(n.into()), human_bytes(memory.bytes()))
}

async fn show(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let portal = &app.portal;
    let frame = JobFrame::open(portal, &actor, id, Tab::Overview, wanted.attempt).await?;
    let mut arguments: Vec<(String, Option<String>)> = frame
        .job()
        .spec
        .arguments
        .iter()
        .map(|typed| (typed.clone(), None))
        .collect();
    // What was resolved holds addresses of the store, which are part of the manifest.
    if frame.sees_inner() {
        let attempt = frame.shown().map(|attempt| attempt.number);
        let populated = jobs::manifest(portal, &actor, id, attempt).await?;
        for ((typed, resolved), given) in arguments.iter_mut().zip(populated.app.spec.arguments) {
            *resolved = (*typed != given).then_some(given);
        }
    }
    let page = ShowPage {
        view,
        frame,
        arguments,
    };
    Ok(Html(page.render()?))
}

async fn follow(
    State(app): State<App>,
    listener: Listener,
    Path(id): Path<JobId>,
    position: Position,
) -> Result<Response> {
    jobs::find(&app.portal, &listener.actor, id).await?;
    let after = i64::try_from(position.after())
        .map_err(|_| Error::field("/after", "Give the id of an event.", None))?;
    Ok(stream::events(app, listener, id, after)?.into_response())
}
