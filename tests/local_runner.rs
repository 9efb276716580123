//! The local runner with a pretended Spark, and killed at every point that matters. The job of a test is a piece of shell.
#![allow(clippy::unwrap_used)]
#[path = "local_runner/application.rs"]
mod application;
#[path = "local_runner/house.rs"]
mod house;
#[path = "local_runner/kills.rs"]
mod kills;
#[path = "pretended_spark/mod.rs"]
mod pretended_spark;

use house::{House, Settings, application};
use std::{fs, time::Duration};
use tourmaline::{
    cluster::{DriverState, Error},
    domain::{job::Exit, names::StreamName},
};

#[tokio::test]
async fn a_job_runs_to_its_end_and_its_log_stays() {
    let house = House::new();
    let object = house
        .create("plain", "echo out; echo err >&2; exit 3")
        .await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 3 });
    assert_eq!(house.log(&object).await, "out\nerr\n");
    assert_eq!(
        house.local().streams(&object).await.unwrap(),
        [StreamName::driver()]
    );
    let piece = house
        .local()
        .read_log(&object, &StreamName::driver(), 4, 2)
        .await
        .unwrap();
    assert_eq!((&piece.bytes[..], piece.end), (&b"er"[..], false));
    assert_eq!(
        house.local().objects().await.unwrap(),
        std::slice::from_ref(&object)
    );
    house.local().delete(&object).await.unwrap();
    house.local().delete(&object).await.unwrap();
    assert_eq!(house.state(&object).await, DriverState::Absent);
    assert!(house.local().objects().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_log_that_nobody_will_read_to_its_end_does_not_fill_the_disk() {
    let house = House::new();
    let limit = 1 << 20;
    let local = house.with(Settings {
        log_limit: limit,
        ..Settings::default()
    });
    // It prints 80 MiB and goes on once its log is short again.
    let job = "yes 'so it goes on' | head -c 83886080; \
         while [ $(stat -c %s ../driver.log) -gt 20000000 ]; do sleep 0.05; done; exit 5";
    let app = application("talkative", job);
    local.create(&app).await.unwrap();
    let object = House::object("talkative");
    assert_eq!(house.exit(&object).await, Exit::Code { code: 5 });
    let log = fs::read(house.run_folder(&object).join("driver.log")).unwrap();
    assert!(log.len() > 1 << 20, "the limit itself is kept");
    let whole = b"so it goes on\n".repeat(80_000);
    assert!(log[..1 << 20] == whole[..1 << 20]);
}

#[tokio::test]
async fn ends_are_told_apart() {
    let house = House::new();
    for (name, job, exit) in [
        ("well", "exit 0", Exit::Code { code: 0 }),
        ("killed", "kill -9 $$", Exit::Signal { signal: 9 }),
        ("shell", "exit 137", Exit::Signal { signal: 9 }),
        ("java", "exit 143", Exit::Signal { signal: 15 }),
    ] {
        let object = house.create(name, job).await;
        assert_eq!(house.exit(&object).await, exit, "{job}");
    }
}

#[tokio::test]
async fn a_job_sees_only_its_own_environment() {
    let house = House::new();
    let mut app = application("bare", "env | cut -d= -f1 | sort");
    app.spec.driver.env = vec![tourmaline::manifest::spark_application::EnvVar {
        name: "STUDY".into(),
        value: Some("b12".into()),
        value_from: None,
    }];
    let object = house.create_app(&app).await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    let log = house.log(&object).await;
    let mut names: Vec<&str> = log
        .lines()
        .filter(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "PATH",
            "PYSPARK_PYTHON",
            "PYTHONDONTWRITEBYTECODE",
            "SPARK_HOME",
            "SPARK_LOCAL_DIRS",
            "SPARK_LOCAL_IP",
            "STUDY",
            "TMPDIR",
            "TOURMALINE_ATTEMPT",
            "TOURMALINE_RUN",
            "TZ"
        ]
    );
}

#[tokio::test]
async fn cancelling_ends_the_whole_group_even_one_that_will_not() {
    let house = House::new();
    let object = house
        .create(
            "stubborn",
            "trap '' TERM; (trap '' TERM; setsid sleep 1000) & while :; do sleep 0.05; done",
        )
        .await;
    house
        .until(async || house.processes(&object).len() >= 3)
        .await;
    assert!(matches!(
        house.local().delete(&object).await,
        Err(Error::Refused(_))
    ));
    house.local().stop(&object).await.unwrap();
    house.local().stop(&object).await.unwrap();
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    assert_eq!(house.processes(&object), Vec::<i32>::new());
    assert!(
        house
            .log(&object)
            .await
            .contains("tourmaline: the job was cancelled")
    );
    house.local().stop(&object).await.unwrap();
}

#[tokio::test]
async fn what_is_stopped_before_it_starts_never_starts() {
    let house = House::new();
    let object = House::object("never");
    house.local().stop(&object).await.unwrap();
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    house.create("never", "echo ran").await;
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    assert_eq!(house.log(&object).await, "");
}

#[tokio::test]
async fn the_maximum_run_time_holds_without_a_portal() {
    let house = House::new();
    let mut app = application("long", "sleep 1000");
    app.metadata.annotations.insert(
        tourmaline::manifest::ANNOTATION_MAX_RUN_SECONDS.into(),
        "1".into(),
    );
    let object = house.create_app(&app).await;
    // The end is written by the supervisor, not by an observer.
    let end = house.run_folder(&object).join("exit.json");
    house.until(async || end.exists()).await;
    assert_eq!(house.exit(&object).await, Exit::TimedOut { seconds: 1 });
}

#[tokio::test]
async fn what_a_driver_leaves_behind_is_ended() {
    let house = House::new();
    let object = house.create("leaves", "setsid sleep 1000 & exit 0").await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    assert_eq!(house.processes(&object), Vec::<i32>::new());
    assert!(house.log(&object).await.contains("left behind"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_hides_from_its_session_and_its_marks_is_ended_too() {
    let house = House::new();
    let object = house
        .create(
            "hider",
            "env -i setsid sh -c 'echo $$ >hidden; exec sleep 1000' & \
             while ! [ -s hidden ]; do sleep 0.02; done",
        )
        .await;
    let hidden = house.number(&object, "work/hidden").await;
    assert_eq!(house.exit(&object).await, Exit::Code { code: 0 });
    assert!(!house::is_alive(hidden));
}

#[test]
fn a_supervisor_without_a_session_of_its_own_starts_nothing() {
    use std::os::unix::process::CommandExt as _;
    let house = House::new();
    let run = house.path("data/runs/shared");
    fs::create_dir_all(&run).unwrap();
    // The leader of a group cannot leave it for a session.
    let refused = std::process::Command::new(env!("CARGO_BIN_EXE_tourmaline"))
        .args(["supervise", "--run"])
        .arg(&run)
        .process_group(0)
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && why.contains("session of its own"),
        "{why}"
    );
    assert!(!run.join("claim").exists());
}

#[tokio::test]
async fn a_spark_that_cannot_be_started_says_so() {
    let house = House::new();
    let local = house.local();
    // Found, and gone within the half minute for which that counts.
    assert!(local.check_up().await.healthy.is_ok());
    fs::remove_file(house.spark.submit()).unwrap();
    local
        .create(&application("broken", "exit 0"))
        .await
        .unwrap();
    let object = House::object("broken");
    let exit = house.exit(&object).await;
    assert!(
        matches!(&exit, Exit::NotStarted { why } if why.contains("spark-submit")),
        "{exit:?}"
    );
}

#[tokio::test]
async fn the_check_up_says_what_there_is_and_what_to_install() {
    let house = House::new();
    let local = house.local();
    assert!(!local.offers("3.5"), "before the first check-up");
    let good = local.check_up().await;
    assert_eq!(good.healthy, Ok(()));
    assert!(
        good.findings
            .iter()
            .any(|f| f.what == "Spark" && f.text.contains("3.5.9")),
        "{good:?}"
    );
    assert!(
        good.findings
            .iter()
            .any(|f| f.what == "Java" && f.text.contains("17.0.1")),
        "{good:?}"
    );
    assert!(local.offers("3.5") && !local.offers("3.4") && !local.offers("4.0"));

    let no_java = house.with(Settings {
        java: false,
        ..Settings::default()
    });
    let no_spark = house.with(Settings {
        spark: false,
        ..Settings::default()
    });
    for (local, hint) in [
        (no_java, "openjdk-17-jre-headless"),
        (no_spark, "'pyspark==3.5.*'"),
    ] {
        let why = local.check_up().await.healthy.unwrap_err();
        assert!(why.contains(hint), "{why}");
        let refused = local.create(&application("nothing", "exit 0")).await;
        assert!(
            matches!(&refused, Err(Error::Unavailable(said)) if *said == why),
            "{refused:?}"
        );
        assert!(!local.offers("3.5"));
    }
}

#[tokio::test]
async fn a_stop_is_quick() {
    let house = House::new();
    let object = house.create("quick", "exec sleep 1000").await;
    house.until_running(&object).await;
    let begun = std::time::Instant::now();
    house.local().stop(&object).await.unwrap();
    assert_eq!(house.exit(&object).await, Exit::Cancelled);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
