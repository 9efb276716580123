//! What every page of one job shows around its own: the way here, its tabs, its phase, what can be done.
use super::{
    row,
    timeline::{self, Step},
};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::JobId,
        job::{Attempt, Job, Phase},
    },
    services::{
        Error, Portal, Result,
        files::{self, Depth},
        jobs,
    },
    store::Place,
};
use jiff::Timestamp;
use std::{fmt::Write as _, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Logs,
    Outputs,
    Events,
    Manifest,
}

pub struct JobFrame {
    place: Place,
    tab: Tab,
    runs_jobs: bool,
    sees_inner: bool,
    pub attempts: Vec<Attempt>,
    /// Position in `attempts` of the one that is looked at.
    shown: Option<usize>,
    /// Whether the address names it.
    named: bool,
    ahead: Option<i64>,
    cancelled_by: Option<String>,
    outputs: String,
    now: Timestamp,
}

impl JobFrame {
    /// The frame of a job that the caller may see, with the attempt that they ask for or else the latest.
    pub async fn open(
        portal: &Portal,
        actor: &Actor,
        id: JobId,
        tab: Tab,
        attempt: Option<u32>,
    ) -> Result<Self> {
        let open = jobs::find(portal, actor, id).await?;
        let attempts = jobs::attempts(portal, &open).await?;
        let shown = match attempt {
            None => attempts.len().checked_sub(1),
            Some(number) => Some(
                attempts
                    .iter()
                    .position(|a| a.number == number)
                    .ok_or(Error::NotFound("attempt"))?,
            ),
        };
        let job = open.job();
        let (membership, _) = portal.open_project(actor, job.project, Action::See).await?;
        let cancelled_by = match &job.cancel_requested {
            None => None,
            Some(wish) => portal
                .store
                .find_user(wish.by)
                .await?
                .map(|user| user.name.to_string()),
        };
        Ok(Self {
            runs_jobs: portal.may(actor, Action::RunJobs, &membership),
            sees_inner: portal.may(actor, Action::SeeJobInner, &membership),
            ahead: jobs::ahead(portal, &open).await?,
            outputs: count_outputs(portal, actor, job).await,
            now: portal.clock.now(),
            named: attempt.is_some(),
            place: open.place,
            tab,
            attempts,
            shown,
            cancelled_by,
        })
    }

    pub fn job(&self) -> &Job {
        &self.place.job
    }

    pub fn name(&self) -> &str {
        self.job().spec.name.as_str()
    }

    pub fn by(&self) -> &str {
        self.place.user_name.as_str()
    }

    pub fn project_name(&self) -> &str {
        self.place.project_name.as_str()
    }

    /// An address below the project's.
    pub fn project_at(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.job().project)
    }

    /// An address below the job's.
    pub fn at(&self, rest: &str) -> String {
        format!("/jobs/{}{rest}", self.job().id)
    }

    /// The same for the attempt that is looked at, if the address names it.
    pub fn at_attempt(&self, rest: &str) -> String {
        match self.shown().filter(|_| self.named) {
            Some(attempt) => self.at(&format!("{rest}?attempt={}", attempt.number)),
            None => self.at(rest),
        }
    }

    fn tab_path(&self) -> &'static str {
        path(self.tab)
    }

    /// This page again.
    pub fn here(&self) -> String {
        self.at_attempt(self.tab_path())
    }

    /// This page for another attempt.
    pub fn here_for(&self, attempt: &Attempt) -> String {
        self.at(&format!("{}?attempt={}", self.tab_path(), attempt.number))
    }

    /// Address, words, whether it is the current one, and a number in words.
    pub fn tabs(&self) -> Vec<(String, &'static str, bool, &str)> {
        let mut tabs = vec![
            (Tab::Overview, "Overview", ""),
            (Tab::Logs, "Logs", ""),
            (Tab::Outputs, "Outputs", self.outputs.as_str()),
            (Tab::Events, "Events", ""),
        ];
        if self.sees_inner {
            tabs.push((Tab::Manifest, "Manifest", ""));
        }
        tabs.into_iter()
            .map(|(tab, words, count)| (self.at_attempt(path(tab)), words, tab == self.tab, count))
            .collect()
    }

    pub fn phase(&self) -> &'static str {
        self.job().phase.as_str()
    }

    pub fn note(&self) -> String {
        let note = row::note(self.job());
        // The card says it, and that it is tried again stands in the reason.
        if self.job().phase == Phase::Failed || note.starts_with("attempt") {
            return String::new();
        }
        note
    }

    pub fn shown(&self) -> Option<&Attempt> {
        self.attempts.get(self.shown?)
    }

    pub fn is_shown(&self, attempt: &Attempt) -> bool {
        self.shown().is_some_and(|a| a.number == attempt.number)
    }

    pub fn steps(&self) -> Vec<Step> {
        let waits_again = self.job().phase == Phase::Queued && !self.named;
        let shown = self.shown.filter(|_| !waits_again);
        let before = shown
            .and_then(|at| at.checked_sub(1))
            .and_then(|at| self.attempts.get(at))
            .and_then(|before| before.ended_at);
        let attempt = shown.and_then(|at| self.attempts.get(at));
        timeline::steps(self.job(), attempt, before, self.now)
    }

    /// `attempt 2 of 3`; empty while there is none, or where there is one of one.
    pub fn attempt_words(&self) -> String {
        let most = self.job().spec.max_attempts;
        match self.shown() {
            Some(attempt) if most > 1 || self.attempts.len() > 1 => {
                format!("attempt {} of {most}", attempt.number)
            }
            _ => String::new(),
        }
    }

    pub fn is_live(&self) -> bool {
        !self.job().phase.is_terminal()
    }

    /// The one stream of a page without a log; none where nothing will change.
    pub fn stream_url(&self) -> Option<String> {
        self.is_live()
            .then(|| self.at(&format!("/stream?after={}", self.job().last_event)))
    }

    /// Why it waits and where it stands, in words.
    pub fn waits(&self) -> String {
        let mut text = match &self.job().reason {
            Some(reason) if self.is_live() => {
                let stop = if reason.ends_with('.') { "" } else { "." };
                if self.job().phase == Phase::Queued {
                    format!("Waiting: {reason}{stop}")
                } else {
                    format!("{reason}{stop}")
                }
            }
            _ => String::new(),
        };
        match self.ahead {
            // The reason says what it waits for.
            Some(0) if !text.is_empty() => {}
            Some(0) => text.push_str("It is the next of its queue."),
            Some(1) => text.push_str(" One job of its queue is before it."),
            Some(n) => {
                let _ = write!(text, " {n} jobs of its queue are before it.");
            }
            None => {}
        }
        text
    }

    pub fn cancel_wish(&self) -> Option<(&str, Timestamp)> {
        let wish = self.job().cancel_requested.as_ref()?;
        Some((self.cancelled_by.as_deref().unwrap_or("somebody"), wish.at))
    }

    pub fn may_rerun(&self) -> bool {
        self.runs_jobs
    }

    pub fn may_cancel(&self) -> bool {
        self.runs_jobs && self.is_live() && self.job().cancel_requested.is_none()
    }

    pub fn may_delete(&self) -> bool {
        self.runs_jobs && !self.is_live()
    }

    pub fn sees_inner(&self) -> bool {
        self.sees_inner
    }

    pub fn rerun_url(&self) -> String {
        self.project_at(&format!("/jobs/new?from={}", self.job().id))
    }
}

fn path(tab: Tab) -> &'static str {
    match tab {
        Tab::Overview => "",
        Tab::Logs => "/logs",
        Tab::Outputs => "/outputs",
        Tab::Events => "/events",
        Tab::Manifest => "/manifest",
    }
}

/// Counted where that is quick; a store that takes its time holds up no page.
async fn count_outputs(portal: &Portal, actor: &Actor, job: &Job) -> String {
    const MOST: usize = 100;
    let Ok(folder) = jobs::folder(job) else {
        return String::new();
    };
    let listing = files::list(
        portal,
        actor,
        job.project,
        Some(&folder),
        Depth::All,
        None,
        MOST,
    );
    match tokio::time::timeout(Duration::from_millis(300), listing).await {
        Ok(Ok(page)) => match page
            .entries
            .iter()
            .filter(|e| super::outputs::is_file(e))
            .count()
        {
            0 => String::new(),
            n if page.next.is_some() => format!("{n}+"),
            n => n.to_string(),
        },
        _ => String::new(),
    }
}
