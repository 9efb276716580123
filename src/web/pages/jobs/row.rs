//! A job as a row of a list.
use crate::{
    domain::job::{Job, Phase},
    store::Place,
    web::view::duration,
};
use jiff::Timestamp;

/// A length of time: over, with its words, or still growing from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    None,
    Over(String),
    Growing(Timestamp, String),
}

impl Span {
    /// From one moment to another, or to now where there is no other yet.
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Self {
        let words = |from: Timestamp, to: Timestamp| duration(to.as_second() - from.as_second());
        match (from, to) {
            (None, _) => Self::None,
            (Some(from), Some(to)) => Self::Over(words(from, to)),
            (Some(from), None) => Self::Growing(from, words(from, now)),
        }
    }

    /// Since when it grows, where it does.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Growing(since, _) => Some(*since),
            Self::None | Self::Over(_) => None,
        }
    }

    pub fn words(&self) -> &str {
        match self {
            Self::None => "",
            Self::Over(words) | Self::Growing(_, words) => words,
        }
    }
}

pub struct Row {
    place: Place,
    now: Timestamp,
}

impl Row {
    pub fn new(place: Place, now: Timestamp) -> Self {
        Self { place, now }
    }

    fn job(&self) -> &Job {
        &self.place.job
    }

    pub fn id(&self) -> String {
        format!("job-{}", self.job().id)
    }

    pub fn url(&self) -> String {
        format!("/jobs/{}", self.job().id)
    }

    pub fn name(&self) -> &str {
        self.job().spec.name.as_str()
    }

    pub fn project(&self) -> &str {
        self.place.project_name.as_str()
    }

    pub fn project_url(&self) -> String {
        format!("/projects/{}/jobs", self.job().project)
    }

    pub fn by(&self) -> &str {
        self.place.user_name.as_str()
    }

    pub fn phase(&self) -> &'static str {
        self.job().phase.as_str()
    }

    /// What the phase's word leaves open.
    pub fn note(&self) -> String {
        note(self.job())
    }

    pub fn queue(&self) -> &str {
        self.job().spec.queue.as_str()
    }

    pub fn cores(&self) -> u64 {
        self.job().spec.resources().cores
    }

    pub fn waited(&self) -> Span {
        let job = self.job();
        let until = job.started_at.or(job.ended_at);
        Span::between(Some(job.created_at), until, self.now)
    }

    pub fn ran(&self) -> Span {
        Span::between(self.job().started_at, self.job().ended_at, self.now)
    }

    pub fn created_at(&self) -> Timestamp {
        self.job().created_at
    }
}

/// What a phase's word leaves open: why it failed, that it is being cancelled, which attempt it is.
pub fn note(job: &Job) -> String {
    match job.phase {
        Phase::Failed => job.card.as_ref().map_or_else(String::new, |card| {
            let mut title = card.title.clone();
            // A sentence's first letter, not a name's.
            if title.chars().nth(1).is_some_and(char::is_lowercase)
                && !title.starts_with("Java")
                && !title.starts_with("Spark")
                && let Some(first) = title.get(..1).map(str::to_lowercase)
            {
                title.replace_range(..1, &first);
            }
            title
        }),
        phase if phase.is_terminal() => String::new(),
        _ if job.cancel_requested.is_some() => "being cancelled".into(),
        Phase::Queued if job.attempts > 0 => "to be tried again".into(),
        _ if job.attempts > 1 => format!("attempt {}", job.attempts),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_none_over_or_growing() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN);
        assert_eq!(Span::between(None, Some(at(9)), at(9)), Span::None);
        assert_eq!(
            Span::between(Some(at(0)), Some(at(192)), at(500)),
            Span::Over("3 min 12 s".into())
        );
        assert_eq!(
            Span::between(Some(at(10)), None, at(61)),
            Span::Growing(at(10), "51 s".into())
        );
    }
}
