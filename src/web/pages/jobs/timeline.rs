//! The way of a job, or of one of its attempts, as steps with durations.
use super::row::Span;
use crate::domain::job::{Attempt, AttemptPhase, Exit, Job, Phase};
use jiff::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub phase: Phase,
    /// `done`, `now` or `ahead`.
    pub state: &'static str,
    pub took: Span,
}

impl Step {
    fn done(phase: Phase, from: Timestamp, to: Timestamp) -> Self {
        Self {
            phase,
            state: "done",
            took: Span::between(Some(from), Some(to), to),
        }
    }

    fn now(phase: Phase, since: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            phase,
            state: "now",
            took: Span::between(since, None, now),
        }
    }

    fn ahead(phase: Phase) -> Self {
        Self {
            phase,
            state: "ahead",
            took: Span::None,
        }
    }
}

/// `shown` is the attempt that is looked at; none while the job waits for its next, or ended before it had one.
/// `before` is when the attempt before it ended.
pub fn steps(
    job: &Job,
    shown: Option<&Attempt>,
    before: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Step> {
    let Some(attempt) = shown else {
        return waiting(job, now);
    };
    let queued_from = before.unwrap_or(job.created_at);
    let mut steps = vec![Step::done(Phase::Queued, queued_from, attempt.created_at)];
    let ended = attempt.ended_at;
    match (attempt.started_at, ended) {
        (None, None) => {
            steps.push(Step::now(Phase::Starting, Some(attempt.created_at), now));
            steps.push(Step::ahead(Phase::Running));
            return steps;
        }
        (None, Some(ended)) => steps.push(Step::done(Phase::Starting, attempt.created_at, ended)),
        (Some(started), _) => {
            steps.push(Step::done(Phase::Starting, attempt.created_at, started));
            match ended {
                Some(ended) => steps.push(Step::done(Phase::Running, started, ended)),
                None => {
                    steps.push(Step::now(Phase::Running, Some(started), now));
                    return steps;
                }
            }
        }
    }
    if attempt.phase == AttemptPhase::Ended {
        steps.push(Step::now(end(job, attempt), None, now));
    } else if let Some(last) = steps.last_mut() {
        // Its log is still being kept.
        last.state = "now";
    }
    steps
}

fn waiting(job: &Job, now: Timestamp) -> Vec<Step> {
    if let (true, Some(ended)) = (job.phase.is_terminal(), job.ended_at) {
        return vec![
            Step::done(Phase::Queued, job.created_at, ended),
            Step::now(job.phase, None, now),
        ];
    }
    vec![
        Step::now(Phase::Queued, Some(job.phase_since), now),
        Step::ahead(Phase::Starting),
        Step::ahead(Phase::Running),
    ]
}

fn end(job: &Job, attempt: &Attempt) -> Phase {
    if attempt.number == job.attempts && job.phase.is_terminal() {
        return job.phase;
    }
    match attempt.exit {
        Some(Exit::Cancelled) => Phase::Cancelled,
        Some(Exit::Code { code: 0 }) => Phase::Succeeded,
        _ => Phase::Failed,
    }
}
