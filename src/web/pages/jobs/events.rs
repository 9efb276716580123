//! What happened to a job.
use super::frame::{JobFrame, Tab};
use crate::{
    domain::{access::Action, event::Event, ids::JobId},
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
use serde::Deserialize;

const PER_PAGE: u32 = 200;

pub fn routes() -> Vec<Route> {
    vec![Route::page(
        "/jobs/{job}/events",
        Right::Project(Action::See),
        list,
    )]
}

#[derive(Template)]
#[template(path = "jobs/events.html")]
struct EventsPage {
    view: View,
    frame: JobFrame,
    events: Vec<Event>,
    first: String,
    next: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    attempt: Option<u32>,
    after: i64,
}

async fn list(
    State(app): State<App>,
    view: View,
    Who(actor): Who,
    Path(id): Path<JobId>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let frame = JobFrame::open(&app.portal, &actor, id, Tab::Events, wanted.attempt).await?;
    let open = jobs::find(&app.portal, &actor, id).await?;
    let events = jobs::events(&app.portal, &open, wanted.after, PER_PAGE).await?;
    let more = events.len() == PER_PAGE as usize;
    let last = events.last().filter(|_| more);
    let page = EventsPage {
        first: if wanted.after > 0 {
            frame.at("/events")
        } else {
            String::new()
        },
        next: last.map_or_else(String::new, |event| {
            frame.at(&format!("/events?after={}", event.id))
        }),
        view,
        frame,
        events,
    };
    Ok(Html(page.render()?))
}
