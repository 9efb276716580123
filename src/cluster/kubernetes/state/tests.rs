//! Every state of the operator, and what pods say that the operator does not.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "stories read better so"
)]
use super::*;
use serde_json::{Value, json};

fn application(state: &str, message: &str, annotations: Value) -> Application {
    serde_json::from_value(json!({
        "apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication",
        "metadata": {"name": "count-abcdef-1", "annotations": annotations},
        "status": {"applicationState": {"state": state, "errorMessage": message}},
    }))
    .unwrap()
}

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "count-abcdef-1-driver"},
        "spec": {"nodeName": "n1", "containers": [
            {"name": "sidecar", "image": "proxy"}, {"name": "spark-kubernetes-driver", "image": "spark:bad"}]},
        "status": status,
    }))
    .unwrap()
}

/// A pod whose driver's container is in this state, beside one that runs on.
fn driver(phase: &str, state: Value) -> Pod {
    let container = |name: &str, state: Value| json!({"name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state});
    pod(
        json!({"phase": phase, "startTime": "2026-03-01T09:00:00Z", "containerStatuses": [
            container("sidecar", json!({"running": {"startedAt": "2026-03-01T09:00:01Z"}})),
            container("spark-kubernetes-driver", state),
        ]}),
    )
}

fn state(application: Option<Application>, driver: Option<Pod>) -> State {
    let now = "2026-03-01T09:02:00Z".parse().unwrap();
    of(
        &Seen {
            application,
            driver,
        },
        now,
        60,
    )
}

fn exit(application: Option<Application>, driver: Option<Pod>) -> Exit {
    match state(application, driver).driver {
        DriverState::Gone(exit) => exit,
        other => panic!("{other:?}"),
    }
}

fn reason(application: Option<Application>, driver: Option<Pod>) -> String {
    match state(application, driver).driver {
        DriverState::Starting { reason } => reason.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn plain(state: &str) -> Option<Application> {
    Some(application(state, "", json!({})))
}

fn cancelled(state: &str) -> Option<Application> {
    Some(application(
        state,
        "",
        json!({"tourmaline.science/ended": "cancelled"}),
    ))
}

#[test]
fn without_a_pod_the_operator_is_believed() {
    assert_eq!(state(None, None).driver, DriverState::Absent);
    for waits in [
        "",
        "SUBMITTED",
        "SUBMISSION_FAILED",
        "FAILING",
        "PENDING_RERUN",
        "INVALIDATING",
        "SUSPENDING",
        "SUSPENDED",
        "RESUMING",
        "A_NEW_ONE",
    ] {
        reason(plain(waits), None);
    }
    assert_eq!(exit(plain("COMPLETED"), None), Exit::Code { code: 0 });
    for vanished in ["RUNNING", "SUCCEEDING", "UNKNOWN"] {
        assert!(matches!(exit(plain(vanished), None), Exit::Vanished { .. }));
        assert_eq!(exit(cancelled(vanished), None), Exit::Cancelled);
    }
    assert_eq!(exit(cancelled("SUSPENDED"), None), Exit::Cancelled);
    reason(cancelled(""), None);
}

#[test]
fn what_a_failed_object_says_is_understood() {
    let failed = |message: &str| exit(Some(application("FAILED", message, json!({}))), None);
    assert_eq!(
        failed("driver container failed with ExitCode: 2, Reason: Error"),
        Exit::Code { code: 2 }
    );
    assert_eq!(
        failed("driver container failed with ExitCode: 143, Reason: Error"),
        Exit::Signal { signal: 15 }
    );
    assert_eq!(
        failed("driver container failed with ExitCode: 137, Reason: OOMKilled"),
        Exit::Signal { signal: 9 }
    );
    assert!(matches!(
        failed("driver pod not found"),
        Exit::Vanished { .. }
    ));
    let submit = "failed to submit: 26/03/01 WARN x\nException: Failure executing: POST at: https://10.0.0.1/pods. \
                  Message: pods \"a-driver\" is forbidden: error looking up service account spark/nope. Received status: Status(…)";
    let why =
        "pods \"a-driver\" is forbidden: error looking up service account spark/nope".to_owned();
    assert_eq!(failed(submit), Exit::NotStarted { why });
    assert!(
        matches!(failed("Message: Pod \"a\" is invalid: spec.x: Required. Received status: S"), Exit::Refused { why } if why.ends_with("Required"))
    );
    assert!(matches!(failed(""), Exit::NotStarted { .. }));
}

#[test]
fn a_pod_says_how_its_driver_ended_whatever_the_operator_says() {
    let end = |code: i32, reason: &str| {
        driver(
            "Running",
            json!({"terminated": {"exitCode": code, "reason": reason}}),
        )
    };
    for late in ["", "SUBMITTED", "RUNNING", "FAILED"] {
        assert_eq!(
            exit(plain(late), Some(end(0, "Completed"))),
            Exit::Code { code: 0 }
        );
        assert_eq!(
            exit(plain(late), Some(end(3, "Error"))),
            Exit::Code { code: 3 }
        );
    }
    assert_eq!(
        exit(plain("RUNNING"), Some(end(1, "OOMKilled"))),
        Exit::Signal { signal: 9 }
    );
    assert_eq!(
        exit(cancelled("RUNNING"), Some(end(143, "Error"))),
        Exit::Cancelled
    );
    assert_eq!(
        exit(cancelled("RUNNING"), Some(end(0, "Completed"))),
        Exit::Code { code: 0 }
    );
    // Its object deleted, the pod still there.
    assert_eq!(exit(None, Some(end(4, "Error"))), Exit::Code { code: 4 });
    let evicted = pod(
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}),
    );
    assert!(
        matches!(exit(plain("RUNNING"), Some(evicted)), Exit::Vanished { why } if why.contains("low on memory"))
    );
}

#[test]
fn a_deadline_is_the_job_s_own_or_somebody_s_wish() {
    let mut over = driver("Failed", json!({"terminated": {"exitCode": 143}}));
    over.status.as_mut().unwrap().reason = Some("DeadlineExceeded".into());
    let limited = application(
        "RUNNING",
        "",
        json!({"tourmaline.science/max-run-seconds": "60"}),
    );
    assert_eq!(
        exit(Some(limited), Some(over.clone())),
        Exit::TimedOut { seconds: 60 }
    );
    assert_eq!(exit(cancelled("RUNNING"), Some(over)), Exit::Cancelled);
}

#[test]
fn a_running_driver_gets_its_deadline_once() {
    let limited = application(
        "RUNNING",
        "",
        json!({"tourmaline.science/max-run-seconds": "60"}),
    );
    let mut runs = driver(
        "Running",
        json!({"running": {"startedAt": "2026-03-01T09:00:30Z"}}),
    );
    let seen = state(Some(limited.clone()), Some(runs.clone()));
    assert_eq!(
        seen.driver,
        DriverState::Running {
            since: "2026-03-01T09:00:30Z".parse().unwrap()
        }
    );
    let wish = seen.wish.unwrap();
    assert_eq!(deadline(&runs, &wish), Deadline::Seconds(90));
    runs.spec.as_mut().unwrap().active_deadline_seconds = Some(90);
    assert_eq!(deadline(&runs, &wish), Deadline::Stands);
    assert_eq!(
        deadline(&runs, &Wish::End(Wished::Cancelled)),
        Deadline::Seconds(1)
    );
    runs.spec.as_mut().unwrap().node_name = None;
    assert_eq!(
        deadline(&runs, &Wish::End(Wished::Cancelled)),
        Deadline::Delete
    );
}

#[test]
fn a_bad_image_is_told_and_ended_when_patience_is_over() {
    let bad = |reason: &str| {
        driver(
            "Pending",
            json!({"waiting": {"reason": reason, "message": "no such host"}}),
        )
    };
    for word in ["ErrImagePull", "ImagePullBackOff"] {
        assert_eq!(
            reason(plain("SUBMITTED"), Some(bad(word))),
            "The image `spark:bad` cannot be pulled."
        );
        let Some(Wish::End(Wished::Refused(why))) = state(plain("SUBMITTED"), Some(bad(word))).wish
        else {
            panic!()
        };
        assert!(why.contains("no such host"), "{why}");
        assert_eq!(
            Wished::from_text(&Wished::Refused(why.clone()).to_text()),
            Wished::Refused(why)
        );
    }
    let creating = state(plain("SUBMITTED"), Some(bad("ContainerCreating")));
    assert_eq!(creating.wish, None);
    let early = of(
        &Seen {
            application: plain("SUBMITTED"),
            driver: Some(bad("ErrImagePull")),
        },
        "2026-03-01T09:00:30Z".parse().unwrap(),
        60,
    );
    assert_eq!(early.wish, None);
    let crowded = pod(json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}));
    assert_eq!(
        reason(plain("SUBMITTED"), Some(crowded)),
        "No node takes its driver: 0/1 nodes are available"
    );
}

#[test]
fn a_barred_name_is_gone_for_good() {
    let mut barred = application("", "", json!({}));
    barred.metadata.labels = Some([(LABEL_BARRED.to_owned(), "true".to_owned())].into());
    assert_eq!(exit(Some(barred), None), Exit::Cancelled);
}
