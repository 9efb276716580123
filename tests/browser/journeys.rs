//! A scientist's day and an administrator's, from the sign-in to the result.
use crate::{
    portal::Portal,
    tab::{Tab, nothing},
};
use fantoccini::Locator;

#[tokio::test]
async fn a_scientist_from_a_new_project_to_a_result() {
    let portal = Portal::start();
    portal.user("ada", false);
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("ada").await;
    let mut wrong = tab.console().await;

    tab.go("/projects/new").await;
    tab.fill("/name", "Marine genomes").await;
    tab.press("Make project").await;
    tab.until("the project", async |tab| {
        tab.path().await.len() > "/projects/new".len()
    })
    .await;
    let project = tab.project().await;

    tab.go(&format!("{project}/files")).await;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("main.py");
    std::fs::write(&program, "print(1)\n").unwrap();
    let upload = tab.driver.find(Locator::Css("#upload")).await.unwrap();
    upload
        .send_keys(&program.display().to_string())
        .await
        .unwrap();
    tab.find("table.files [href$='main.py']").await;

    // A mistake is told while it is typed, and again when it is sent; nothing typed is lost.
    tab.go(&format!("{project}/jobs/new")).await;
    tab.fill("/name", "word count").await;
    tab.fill("/main_file", "main.p").await;
    tab.fill("/driver/memory", "1.5g").await;
    let go = portal.data().join("go");
    let shell = format!(
        "echo first line; while [ ! -e {} ]; do sleep 0.2; done; mkdir -p \"$OUT\"; echo last line",
        go.display()
    );
    tab.fill(
        "/arguments",
        &shell.replace("\"$OUT\"", &folder.path().join("out").display().to_string()),
    )
    .await;
    tab.press("Submit job").await;
    tab.find("[name='/driver/memory'][aria-invalid='true']")
        .await;
    tab.find("[name='/main_file'][aria-invalid='true']").await;
    assert_eq!(tab.value("/name").await, "word count");
    tab.fill("/main_file", "main.py").await;
    tab.fill("/driver/memory", "512m").await;
    wrong.extend(
        tab.console()
            .await
            .into_iter()
            .filter(|line| !line.contains("422")),
    );
    tab.press("Submit job").await;
    tab.until("the job", async |tab| {
        tab.path().await.starts_with("/jobs/")
    })
    .await;
    let job = tab.path().await.split('?').next().unwrap().to_owned();

    // The page follows the job by itself, and the log is there before it ends.
    tab.says("Running").await;
    tab.go(&format!("{job}/logs")).await;
    tab.says("first line").await;
    std::fs::write(&go, "").unwrap();
    tab.says("last line").await;
    tab.go(&job).await;
    tab.says("Succeeded").await;
    for page in ["/events", "/manifest", "/outputs"] {
        tab.go(&format!("{job}{page}")).await;
        tab.find("h1").await;
    }

    // Once more with a change, and stopped half-way.
    std::fs::remove_file(&go).unwrap();
    tab.go(&job).await;
    tab.press("Re-run").await;
    assert_eq!(tab.value("/main_file").await, "main.py");
    tab.fill("/name", "once more").await;
    tab.press("Submit job").await;
    tab.says("Running").await;
    tab.press("Cancel…").await;
    tab.press("Cancel job").await;
    tab.says("Cancelled").await;

    // Everything is found again.
    tab.go("/search?q=word").await;
    tab.find(&format!("main a[href^='{job}']")).await;
    wrong.extend(tab.console().await);
    tab.close().await;
    nothing(&wrong);
}

#[tokio::test]
async fn an_administrator_makes_and_suspends_a_user() {
    let portal = Portal::start();
    portal.user("ada", true);
    let bob = portal.user("bob", false);
    let project = bob.project("Bob's own").await;
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("ada").await;
    let mut wrong = tab.console().await;

    // What is another's stays closed until she says why.
    tab.go("/admin").await;
    tab.find("h1").await;
    tab.go("/admin/users/new").await;
    tab.fill("/name", "carol").await;
    tab.fill("/password", crate::tab::PASSWORD).await;
    tab.press("Add user").await;
    tab.go("/admin/users").await;
    tab.says("carol").await;
    tab.go("/account/elevation").await;
    tab.fill("/reason", "ticket 12: bob asked for help").await;
    tab.press("Open private projects").await;
    tab.go(&format!("/projects/{project}")).await;
    tab.says("Bob's own").await;
    tab.go("/admin/audit").await;
    tab.says("ticket 12").await;

    let other = Tab::open(&portal.base).await;
    other.sign_in("carol").await;
    tab.go("/admin/users/carol/suspend").await;
    tab.press("Suspend user").await;
    tab.says("suspended").await;
    // At once, also where she is signed in.
    other.go("/projects").await;
    other
        .until("the sign-in page", async |tab| {
            tab.path().await.starts_with("/login")
        })
        .await;
    wrong.extend(tab.console().await);
    other.close().await;
    tab.close().await;
    nothing(&wrong);
}
