//! From an object and its driver's pod to what became of the driver: pure. The pod goes before the object's status, which is
//! late under load and says nothing of a pod that waits.
use super::{
    Seen,
    application::{Application, LABEL_BARRED},
};
use crate::{cluster::DriverState, domain::job::Exit};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod};
use kube::ResourceExt;

/// What became of a driver, and what is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    pub driver: DriverState,
    pub wish: Option<Wish>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// It must end now.
    End(Wished),
    /// It may run for so many seconds.
    Within(i64),
}

/// Why the portal ends a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wished {
    Cancelled,
    /// It can never start.
    Refused(String),
}

impl Wished {
    pub fn to_text(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".into(),
            Self::Refused(why) => format!("refused: {why}"),
        }
    }

    pub fn from_text(text: &str) -> Self {
        text.strip_prefix("refused: ")
            .map_or(Self::Cancelled, |why| Self::Refused(why.to_owned()))
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Cancelled => Exit::Cancelled,
            Self::Refused(why) => Exit::Refused { why: why.clone() },
        }
    }
}

/// What makes a pod end at a certain time.
#[derive(Debug, PartialEq, Eq)]
pub enum Deadline {
    /// As it should be.
    Stands,
    /// To be set, from the pod's start.
    Seconds(i64),
    /// The pod is on no node: it is to be deleted.
    Delete,
}

/// Reasons for which a container waits that go away only if somebody mends something.
const STUCK: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// `patience`: seconds that a driver may be stuck.
pub(super) fn of(seen: &Seen, now: Timestamp, patience: u64) -> State {
    let wished = seen.application.as_ref().and_then(Application::wished);
    match (&seen.driver, &seen.application) {
        (Some(pod), application) => {
            if let Some(exit) = ended(pod, application.as_ref(), wished.as_ref()) {
                return State::plain(DriverState::Gone(exit));
            }
            living(pod, application.as_ref(), wished, now, patience)
        }
        (None, Some(application)) => State::plain(without_pod(application, wished.as_ref())),
        (None, None) => State::plain(DriverState::Absent),
    }
}

pub(super) fn is_gone(seen: &Seen) -> bool {
    let state = of(seen, Timestamp::UNIX_EPOCH, u64::MAX).driver;
    matches!(state, DriverState::Gone(_))
}

impl State {
    fn plain(driver: DriverState) -> Self {
        Self { driver, wish: None }
    }

    fn starting(reason: impl Into<String>) -> DriverState {
        DriverState::Starting {
            reason: Some(reason.into()),
        }
    }
}

fn living(
    pod: &Pod,
    application: Option<&Application>,
    wished: Option<Wished>,
    now: Timestamp,
    patience: u64,
) -> State {
    let Some(application) = application else {
        return State::plain(State::starting(
            "Its object was deleted in the cluster; its driver is ending.",
        ));
    };
    if let Some(since) = started(pod) {
        let wish = match wished {
            Some(wished) => Some(Wish::End(wished)),
            None => application.max_run_seconds().map(Wish::Within),
        };
        return State {
            driver: DriverState::Running { since },
            wish,
        };
    }
    let wish = wished.or_else(|| stuck(pod, now, patience).map(Wished::Refused));
    State {
        driver: State::starting(why_it_waits(pod)),
        wish: wish.map(Wish::End),
    }
}

fn without_pod(application: &Application, wished: Option<&Wished>) -> DriverState {
    if application.labels().contains_key(LABEL_BARRED) {
        return DriverState::Gone(Exit::Cancelled);
    }
    let state = &application.status.application_state;
    let message = state.error_message.as_deref().unwrap_or_default();
    let gone = |exit| DriverState::Gone(wished.map_or(exit, Wished::exit));
    match state.state.as_str() {
        "" => State::starting("The Spark Operator has not submitted it yet."),
        "SUBMITTED" => State::starting("Its driver's pod is being made."),
        "COMPLETED" => DriverState::Gone(Exit::Code { code: 0 }),
        "FAILED" => gone(by_message(message)),
        // Each of them follows on a pod that was seen.
        "RUNNING" | "SUCCEEDING" | "UNKNOWN" => gone(Exit::Vanished {
            why: "Its driver's pod was deleted in the cluster.".into(),
        }),
        // Nothing was ever started, or the operator has deleted it.
        "SUSPENDED" if wished.is_some() => gone(Exit::Cancelled),
        "SUBMISSION_FAILED" => State::starting(format!(
            "It could not be submitted: {}",
            what_matters(message)
        )),
        "FAILING" => State::starting("Its driver has ended; the Spark Operator will say how."),
        other => State::starting(format!("The Spark Operator says {other}.")),
    }
}

/// How the driver ended, if its pod says that it has.
fn ended(pod: &Pod, application: Option<&Application>, wished: Option<&Wished>) -> Option<Exit> {
    let status = pod.status.as_ref()?;
    let phase = status.phase.as_deref().unwrap_or_default();
    let terminated = container(pod).and_then(|state| state.terminated.as_ref());
    if phase == "Succeeded" || terminated.is_some_and(|end| end.exit_code == 0) {
        return Some(Exit::Code { code: 0 });
    }
    if phase != "Failed" && terminated.is_none() {
        return None;
    }
    if let Some(wished) = wished {
        return Some(wished.exit());
    }
    let reason = status.reason.as_deref().unwrap_or_default();
    if reason == "DeadlineExceeded" {
        let seconds = application.and_then(Application::max_run_seconds);
        return Some(Exit::TimedOut {
            seconds: seconds.unwrap_or_default().unsigned_abs(),
        });
    }
    // The pod's own reason is why somebody else ended it: evicted, preempted, its node lost.
    match terminated {
        Some(end) if reason.is_empty() => Some(of_container(end)),
        _ => {
            let message = status.message.as_deref().unwrap_or("no more is known");
            let reason = if reason.is_empty() { "Failed" } else { reason };
            Some(Exit::Vanished {
                why: format!("Its driver's pod was ended: {reason} ({})", cut(message)),
            })
        }
    }
}

fn of_container(end: &ContainerStateTerminated) -> Exit {
    let reason = end.reason.as_deref().unwrap_or_default();
    match (end.exit_code, end.signal.unwrap_or_default(), reason) {
        (_, _, "ContainerStatusUnknown") => Exit::Vanished {
            why: "Its node does not know how its driver ended.".into(),
        },
        (_, _, "OOMKilled") => Exit::Signal { signal: 9 },
        (_, signal, _) if signal != 0 => Exit::Signal { signal },
        // What a shell or a container's init makes of SIGKILL and SIGTERM.
        (137, _, _) => Exit::Signal { signal: 9 },
        (143, _, _) => Exit::Signal { signal: 15 },
        (code, _, _) => Exit::Code { code },
    }
}

/// From what the operator says where there is no pod.
fn by_message(message: &str) -> Exit {
    if let Some(code) = exit_code(message) {
        return of_container(&ContainerStateTerminated {
            exit_code: code,
            ..ContainerStateTerminated::default()
        });
    }
    let why = what_matters(message);
    if message.contains("driver pod not found") {
        return Exit::Vanished { why };
    }
    if message.contains("is invalid: ") {
        return Exit::Refused { why };
    }
    Exit::NotStarted { why }
}

fn exit_code(message: &str) -> Option<i32> {
    let (_, rest) = message.split_once("ExitCode: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Of the whole output of spark-submit the sentence of the API server, else its first line.
fn what_matters(message: &str) -> String {
    let matters = match message.split_once("Message: ") {
        Some((_, said)) => said.split(". Received status").next().unwrap_or(said),
        None => message,
    };
    let line = matters.trim().lines().next().unwrap_or_default();
    if line.is_empty() {
        return "The Spark Operator does not say why.".into();
    }
    cut(line)
}

fn cut(text: &str) -> String {
    text.chars().take(500).collect()
}

fn is_of_driver(name: &str) -> bool {
    name == "spark-kubernetes-driver"
}

/// The state of the driver's own container, whatever stands beside it.
fn container(pod: &Pod) -> Option<&ContainerState> {
    let all = pod.status.as_ref()?.container_statuses.as_ref()?;
    let own = all.iter().find(|status| is_of_driver(&status.name));
    own.or(all.first())?.state.as_ref()
}

fn started(pod: &Pod) -> Option<Timestamp> {
    let running = container(pod)?.running.as_ref()?;
    Some(
        running
            .started_at
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |at| at.0),
    )
}

fn image(pod: &Pod) -> &str {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice());
    let all = containers.unwrap_or_default();
    let own = all.iter().find(|container| is_of_driver(&container.name));
    own.or(all.first())
        .and_then(|container| container.image.as_deref())
        .unwrap_or("its image")
}

/// In words that stay the same while it waits for the same.
fn why_it_waits(pod: &Pod) -> String {
    let waiting = container(pod).and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
    match reason {
        Some("ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName") => {
            return format!("The image `{}` cannot be pulled.", image(pod));
        }
        Some("ContainerCreating" | "PodInitializing") | None => {}
        Some(other) => return format!("Its driver's container cannot start: {other}."),
    }
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let unscheduled = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    match unscheduled.and_then(|condition| condition.message.as_deref()) {
        Some(why) => format!("No node takes its driver: {}", cut(why)),
        None => "Its driver's container is being made.".into(),
    }
}

/// Why it will never start, where it has been so for too long.
fn stuck(pod: &Pod, now: Timestamp, patience: u64) -> Option<String> {
    let waiting = container(pod)?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let since = pod.status.as_ref()?.start_time.as_ref()?.0;
    let waited = u64::try_from(now.as_second() - since.as_second()).unwrap_or(0);
    if !STUCK.contains(&reason) || waited < patience {
        return None;
    }
    let said = waiting.message.as_deref().unwrap_or(reason);
    Some(format!("{} It says: {}", why_it_waits(pod), cut(said)))
}

/// What is to be done to a pod so that a wish comes true.
pub(super) fn deadline(pod: &Pod, wish: &Wish) -> Deadline {
    let spec = pod.spec.as_ref();
    let set = spec.and_then(|spec| spec.active_deadline_seconds);
    match wish {
        Wish::End(_) if pod.metadata.deletion_timestamp.is_some() || set == Some(1) => {
            Deadline::Stands
        }
        Wish::End(_) if spec.is_none_or(|spec| spec.node_name.is_none()) => Deadline::Delete,
        Wish::End(_) => Deadline::Seconds(1),
        Wish::Within(_) if set.is_some() => Deadline::Stands,
        Wish::Within(seconds) => {
            let begun = pod
                .status
                .as_ref()
                .and_then(|status| status.start_time.as_ref());
            let (Some(begun), Some(started)) = (begun, started(pod)) else {
                return Deadline::Stands;
            };
            // It is reckoned from the pod's start, which may have waited long for its image.
            let before = started.as_second() - begun.0.as_second();
            Deadline::Seconds(seconds.saturating_add(before.max(0)).max(1))
        }
    }
}

#[cfg(test)]
mod tests;
