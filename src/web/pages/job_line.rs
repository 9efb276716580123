//! A job in one line, as home and search show it.
use crate::{
    store::Place,
    web::view::{View, duration},
};
use jiff::Timestamp;

pub struct JobLine {
    place: Place,
}

impl From<Place> for JobLine {
    fn from(place: Place) -> Self {
        Self { place }
    }
}

impl JobLine {
    pub fn url(&self) -> String {
        format!("/jobs/{}", self.place.job.id)
    }

    pub fn name(&self) -> &str {
        self.place.job.spec.name.as_str()
    }

    pub fn project(&self) -> &str {
        self.place.project_name.as_str()
    }

    pub fn user(&self) -> &str {
        self.place.user_name.as_str()
    }

    pub fn phase(&self) -> &'static str {
        self.place.job.phase.as_str()
    }

    /// What the phase alone does not say: why it waits, or why it failed.
    pub fn note(&self) -> &str {
        let job = &self.place.job;
        match (&job.cancel_requested, &job.card) {
            (Some(_), _) if !job.phase.is_terminal() => "being cancelled",
            (_, Some(card)) if job.phase.is_terminal() => &card.title,
            _ if job.phase.is_terminal() => "",
            _ => job.reason.as_deref().unwrap_or(""),
        }
    }

    /// Since when it runs, where it does.
    pub fn running_since(&self) -> Option<Timestamp> {
        let job = &self.place.job;
        job.started_at.filter(|_| job.phase.as_str() == "running")
    }

    /// How long it has run.
    pub fn ran(&self, view: &View) -> String {
        let seconds = |since: Timestamp| view.now().as_second() - since.as_second();
        self.running_since()
            .map_or_else(String::new, |since| duration(seconds(since)))
    }

    /// When it ended, or came.
    pub fn at(&self) -> Timestamp {
        self.place.job.ended_at.unwrap_or(self.place.job.created_at)
    }
}
