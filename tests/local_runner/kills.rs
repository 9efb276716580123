//! The portal, a supervisor or the machine dies between any two steps.
use crate::house::{self, House, Settings, application};
use std::fs;
use tourmaline::{
    cluster::{DriverState, Error},
    domain::job::Exit,
};

#[tokio::test]
async fn creating_twice_at_once_runs_it_once() {
    let house = House::new();
    let app = application("twice", "echo ran; exit 0");
    let all = (0..8).map(|_| {
        let (local, app) = (house.local(), app.clone());
        tokio::spawn(async move { local.create(&app).await })
    });
    for create in futures::future::join_all(all).await {
        create.unwrap().unwrap();
    }
    let object = House::object("twice");
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    house.create_app(&app).await;
    assert_eq!(house.log(&object).await, "ran\n");
}

#[tokio::test]
async fn killed_before_the_supervisor_was_started() {
    let house = House::new();
    // One that ends at once stands for one that never was started: what is to run is written, and no more.
    let without = house.with(Settings {
        supervisor: Some("/bin/true".into()),
        ..Settings::default()
    });
    let app = application("unborn", "echo ran");
    assert!(matches!(
        without.create(&app).await,
        Err(Error::Internal(_))
    ));
    let object = House::object("unborn");
    assert_eq!(house.state(&object).await, DriverState::Absent);
    house.create_app(&app).await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    assert_eq!(house.log(&object).await, "ran\n");
}

#[tokio::test]
async fn killed_after_the_supervisor_was_started_and_before_it_claimed() {
    let house = House::new();
    let slow = house.with(Settings {
        supervisor: Some(house.late_supervisor()),
        ..Settings::default()
    });
    let app = application("late", "echo ran");
    let object = House::object("late");
    let create = tokio::spawn({
        let app = app.clone();
        async move { slow.create(&app).await }
    });
    house
        .until(async || house.path("late-started").exists())
        .await;
    create.abort();
    assert_eq!(house.state(&object).await, DriverState::Absent);
    house.create_app(&app).await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    // Now the first one comes to life: it must leave alone what another claimed.
    fs::write(house.path("late-go"), "").unwrap();
    house
        .until(async || house.path("late-ended").exists())
        .await;
    assert_eq!(house.log(&object).await, "ran\n");
}

#[tokio::test]
async fn a_job_outlives_the_portal() {
    let house = House::new();
    let object = house
        .create(
            "lives",
            "echo begun; while ! [ -e ../go ]; do sleep 0.02; done; echo done",
        )
        .await;
    house.until_running(&object).await;
    // Another portal on the same data folder.
    let later = house.with(Settings::default());
    let observed = later.observe(&object).await.unwrap().state;
    assert!(
        matches!(observed, DriverState::Running { .. }),
        "{observed:?}"
    );
    fs::write(house.run_folder(&object).join("go"), "").unwrap();
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    assert_eq!(house.log(&object).await, "begun\ndone\n");
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_job_along() {
    let house = House::new();
    // A child in a group of its own, as Python's worker daemon is, and one that hides its environment.
    let object = house
        .create(
            "orphan",
            "setsid sleep 1000 & env -i sleep 1001 & echo $! >child; sleep 1002",
        )
        .await;
    house
        .until(async || house.processes(&object).len() >= 4)
        .await;
    let child: i32 = house.number(&object, "work/child").await;
    house.kill_supervisor(&object);
    let exit = house.exit(&object).await;
    assert!(
        matches!(&exit, Exit::Vanished { why } if why.contains("runner was killed")),
        "{exit:?}"
    );
    assert_eq!(house.processes(&object), Vec::<i32>::new());
    assert!(!house::is_alive(child));
    house.local().delete(&object).await.unwrap();
}

#[tokio::test]
async fn cancelling_a_job_whose_supervisor_was_killed() {
    let house = House::new();
    let object = house.create("both", "trap '' TERM; sleep 1000").await;
    house.until_running(&object).await;
    house.kill_supervisor(&object);
    house.local().stop(&object).await.unwrap();
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    assert_eq!(house.processes(&object), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stranger_with_a_reused_pid_is_left_alone() {
    let house = House::new();
    let object = house.create("reused", "exec sleep 1000").await;
    house.until_running(&object).await;
    let mut stranger = std::process::Command::new("setsid")
        .args(["sleep", "1000"])
        .spawn()
        .unwrap();
    house.kill_supervisor(&object);
    for pid in house.processes(&object) {
        house::kill(pid);
    }
    house
        .until(async || house.processes(&object).is_empty())
        .await;
    // The dead ones' numbers now belong to somebody else.
    for file in ["identity.json", "driver.json"] {
        house.rewrite(&object, file, |json| {
            json["identity"]["pid"] = stranger.id().into();
            if json.get("session").is_some() {
                json["session"] = stranger.id().into();
            }
        });
    }
    assert!(matches!(house.exit(&object).await, Exit::Vanished { .. }));
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn after_a_restart_of_the_machine() {
    let house = House::new();
    let object = house.create("reboot", "exec sleep 1000").await;
    house.until_running(&object).await;
    let left = house.processes(&object);
    house.kill_supervisor(&object);
    house.rewrite(&object, "identity.json", |json| {
        json["identity"]["boot"] = "another".into();
    });
    let exit = house.exit(&object).await;
    assert!(
        matches!(&exit, Exit::Vanished { why } if why.contains("machine was restarted")),
        "{exit:?}"
    );
    // It was not really restarted, and what has the mark of another boot is none of ours.
    for pid in left {
        house::kill(pid);
    }
}

#[tokio::test]
async fn killed_between_claim_and_start() {
    let house = House::new();
    let folder = house.run_folder(&House::object("claimed"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("claim"), "").unwrap();
    let exit = house.exit(&House::object("claimed")).await;
    assert!(
        matches!(&exit, Exit::Vanished { why } if why.contains("before it started anything")),
        "{exit:?}"
    );
}

#[tokio::test]
async fn stopping_a_create_that_is_just_under_way() {
    let house = House::new();
    let slow = house.with(Settings {
        supervisor: Some(house.late_supervisor()),
        ..Settings::default()
    });
    let app = application("under-way", "echo ran");
    let object = House::object("under-way");
    let create = tokio::spawn(async move { slow.create(&app).await });
    house
        .until(async || house.path("late-started").exists())
        .await;
    house.local().stop(&object).await.unwrap();
    fs::write(house.path("late-go"), "").unwrap();
    create.await.unwrap().unwrap();
    house
        .until(async || house.path("late-ended").exists())
        .await;
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    assert_eq!(house.log(&object).await, "");
}

#[tokio::test]
async fn a_shutdown_is_no_fault_of_the_program() {
    let house = House::new();
    let object = house.create("shutdown", "exec sleep 1000").await;
    house.until_running(&object).await;
    house.terminate_supervisor(&object);
    let exit = house.exit(&object).await;
    assert!(
        matches!(&exit, Exit::Vanished { why } if why.contains("told to end")),
        "{exit:?}"
    );
}
