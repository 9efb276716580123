//! What people work with: a keyboard alone, no JavaScript, large letters, a bad network, many tabs.
use crate::{
    portal::Portal,
    tab::{PASSWORD, Tab, View, nothing},
};
use fantoccini::key::Key;
use serde_json::json;

#[tokio::test]
async fn a_job_is_submitted_with_the_keyboard_alone() {
    let portal = Portal::start();
    let ada = portal.user("ada", false);
    let project = ada.project("Marine genomes").await;
    ada.put_file(&project, "code/main.py", "").await;
    let tab = Tab::open(&portal.base).await;
    tab.go("/login").await;
    // The first field has the keyboard at once.
    assert_eq!(tab.focus().await, "/name");
    tab.keys("ada").await;
    tab.keys(&Key::Tab).await;
    tab.keys(PASSWORD).await;
    tab.keys(&Key::Enter).await;
    tab.until("the home", async |tab| tab.path().await == "/")
        .await;
    // The first stop of every page leads past its menus.
    tab.keys(&Key::Tab).await;
    assert!(
        tab.focus().await.contains("content"),
        "{}",
        tab.focus().await
    );
    tab.go(&format!("/projects/{project}/jobs/new")).await;
    for (name, text) in [
        ("/name", "by hand"),
        ("/main_file", "code/main.py"),
        ("/arguments", "echo done"),
    ] {
        reach(&tab, name).await;
        tab.keys(text).await;
    }
    reach(&tab, "Submit job").await;
    tab.keys(&Key::Enter).await;
    tab.says("Succeeded").await;
    nothing(&tab.console().await);
    tab.close().await;
}

/// Goes on with the Tab key until it is somewhere.
async fn reach(tab: &Tab, name: &str) {
    let mut passed = Vec::new();
    while tab.focus().await != name {
        passed.push(tab.focus().await);
        assert!(
            passed.len() < 100,
            "the keyboard does not come to {name}: {passed:?}"
        );
        tab.keys(&Key::Tab).await;
    }
    // Who sees no outline does not know where they are.
    let seen = tab.script("const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'").await;
    assert_eq!(
        seen,
        json!(true),
        "{name} does not show that it has the keyboard"
    );
}

#[tokio::test]
async fn a_job_is_submitted_and_read_without_javascript() {
    let portal = Portal::start();
    let ada = portal.user("ada", false);
    let project = ada.project("Marine genomes").await;
    ada.put_file(&project, "code/main.py", "").await;
    let tab = Tab::open(&portal.base).await;
    let off = json!({"value": true});
    tab.cdp("Emulation.setScriptExecutionDisabled", off).await;
    tab.sign_in("ada").await;
    tab.go(&format!("/projects/{project}/jobs/new")).await;
    tab.fill("/name", "plain").await;
    tab.fill("/main_file", "code/main.p").await;
    tab.fill("/arguments", "echo 'hello from the job'").await;
    tab.press("Submit job").await;
    tab.find("[aria-invalid='true']").await;
    assert_eq!(tab.value("/arguments").await, "echo 'hello from the job'");
    tab.fill("/main_file", "code/main.py").await;
    tab.press("Submit job").await;
    tab.until("the job's page", async |tab| {
        !tab.path().await.contains("/jobs/new") && tab.path().await.starts_with("/jobs/")
    })
    .await;
    let job = tab.path().await.split('?').next().unwrap().to_owned();
    ada.until(job.trim_start_matches("/jobs/"), &["succeeded"])
        .await;
    tab.go(&format!("{job}/logs")).await;
    tab.says("hello from the job").await;
    tab.close().await;
}

#[tokio::test]
async fn pages_hold_at_twice_the_size() {
    let portal = Portal::start();
    let ada = portal.user("ada", true);
    let project = ada.project("Marine genomes").await;
    ada.put_file(&project, "code/main.py", "").await;
    let job = ada.job(&project, "word-count", "echo one; exit 1").await;
    ada.until(&job, &["failed"]).await;
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("ada").await;
    tab.show(View::Zoomed).await;
    let mut wrong = Vec::new();
    for (name, path) in [
        ("home", "/".to_owned()),
        ("new", format!("/projects/{project}/jobs/new")),
        ("jobs", format!("/projects/{project}/jobs")),
        ("job", format!("/jobs/{job}")),
        ("logs", format!("/jobs/{job}/logs")),
        ("files", format!("/projects/{project}/files")),
        ("admin", "/admin/users".to_owned()),
    ] {
        tab.go(&path).await;
        wrong.extend(tab.wrong(name, View::Zoomed).await);
    }
    tab.close().await;
    nothing(&wrong);
}

#[tokio::test]
async fn an_open_log_catches_up_after_a_restart_on_a_slow_network() {
    let mut portal = Portal::start();
    let ada = portal.user("ada", false);
    let project = ada.project("Marine genomes").await;
    ada.put_file(&project, "code/main.py", "").await;
    let go = portal.data().join("go").display().to_string();
    let shell = format!("echo before; while [ ! -e {go} ]; do sleep 0.2; done; echo after");
    let job = ada.job(&project, "patient", &shell).await;
    ada.until(&job, &["running"]).await;
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("ada").await;
    let slow = json!({"offline": false, "latency": 400, "downloadThroughput": 20_000, "uploadThroughput": 20_000});
    tab.cdp("Network.enable", json!({})).await;
    tab.cdp("Network.emulateNetworkConditions", slow).await;
    tab.go(&format!("/jobs/{job}/logs")).await;
    tab.says("before").await;
    portal.stop();
    std::fs::write(&go, "").unwrap();
    // What was shown stays, with nobody there to show more.
    assert!(tab.words().await.contains("before"));
    assert!(!tab.words().await.contains("after"));
    portal.start_again();
    tab.says("after").await;
    tab.says("Succeeded").await;
    let words = tab.words().await;
    assert_eq!(words.matches("before").count(), 1, "{words}");
    tab.close().await;
}

#[tokio::test]
async fn ten_tabs_follow_one_job() {
    let portal = Portal::start();
    let ada = portal.user("ada", false);
    let project = ada.project("Marine genomes").await;
    ada.put_file(&project, "code/main.py", "").await;
    let go = portal.data().join("go").display().to_string();
    let job = ada
        .job(
            &project,
            "popular",
            &format!("while [ ! -e {go} ]; do sleep 0.2; done"),
        )
        .await;
    ada.until(&job, &["running"]).await;
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("ada").await;
    for _ in 0..9 {
        tab.driver.new_window(true).await.unwrap();
    }
    let windows = tab.driver.windows().await.unwrap();
    assert_eq!(windows.len(), 10);
    for window in &windows {
        tab.driver.switch_to_window(window.clone()).await.unwrap();
        tab.go(&format!("/jobs/{job}")).await;
        tab.says("Running").await;
    }
    std::fs::write(&go, "").unwrap();
    for window in &windows {
        tab.driver.switch_to_window(window.clone()).await.unwrap();
        tab.says("Succeeded").await;
    }
    tab.close().await;
}
