//! Every page of the portal, empty and full, as it is on a desk and on a phone at night.
use crate::{
    portal::{Api, Portal, text},
    tab::{PASSWORD, Tab, nothing},
};
use serde_json::json;
use tourmaline::web::{self, Kind};

/// Pages that show nothing of their own: they lead to a provider and back, or to the first of their tabs.
const ELSEWHERE: [&str; 3] = [
    "/login/{provider}",
    "/login/{provider}/callback",
    "/projects/{project}",
];

const SHELL: &str = "echo '26/03/01 09:00:00 INFO SparkContext: Running Spark'; echo '26/03/01 09:00:01 WARN TaskSetManager: Lost task'; \
    printf '\\033[31mred\\033[0m <b>no markup</b> café\\n'; for n in $(seq 200); do echo \"line $n of many\"; done";

struct World {
    project: String,
    ended: String,
    running: String,
    task: String,
    token: String,
    session: String,
    /// Bob's id.
    member: String,
}

impl World {
    /// A project with files, a job that failed and one that runs.
    async fn new(ada: &Api) -> Self {
        let project = ada.project("Marine genomes").await;
        ada.put_file(&project, "code/main.py", "print(1)\n").await;
        ada.put_file(&project, "data/sea.txt", "the sea\n").await;
        let ended = ada
            .job(&project, "word-count", &format!("{SHELL}; exit 3"))
            .await;
        ada.until(&ended, &["failed"]).await;
        let running = ada
            .job(&project, "long one", &format!("{SHELL}; sleep 600"))
            .await;
        ada.until(&running, &["running"]).await;
        let gone = ada.job(&project, "gone", "true").await;
        ada.until(&gone, &["succeeded"]).await;
        ada.delete(&format!("/jobs/{gone}?outputs=delete")).await;
        let task = text(&ada.get("/tasks").await["items"][0]["id"]);
        let member = format!("/projects/{project}/members/bob");
        ada.put(&member, json!({"role": "observer"})).await;
        let token = ada.post("/user/tokens", json!({"name": "notebook"})).await;
        Self {
            token: text(&token["id"]),
            session: String::new(),
            member: text(&ada.get(&member).await["user"]),
            project,
            ended,
            running,
            task,
        }
    }

    /// A page's address for its route.
    fn address(&self, route: &str) -> String {
        let path = match route {
            "/projects/{project}/files/move" | "/projects/{project}/files/delete" => {
                format!("{route}?path=code/main.py")
            }
            "/jobs/{job}/cancel" => route.replace("{job}", &self.running),
            "/projects/{project}/members/{user}/delete" => route.replace("{user}", &self.member),
            "/search" => format!("{route}?q=word"),
            _ => route.to_owned(),
        };
        let path = path
            .replace("{project}", &self.project)
            .replace("{job}", &self.ended)
            .replace("{task}", &self.task)
            .replace("{token}", &self.token)
            .replace("{session}", &self.session)
            .replace("{user}", "bob")
            .replace("{*path}", "code/main.py");
        assert!(
            !path.contains('{'),
            "{route}: this test does not know what goes into it"
        );
        path
    }
}

#[tokio::test]
async fn nothing_is_wrong_with_any_page() {
    let portal = Portal::start();
    let ada = portal.user("ada", true);
    portal.user("bob", false);
    let mut world = World::new(&ada).await;
    let tab = Tab::open(&portal.base).await;
    let mut wrong = Vec::new();
    tab.go("/login").await;
    wrong.extend(tab.look("login").await);
    tab.sign_in("ada").await;
    let sessions = ada.get("/user/sessions").await;
    world.session = text(&sessions["items"][0]["id"]);
    let mut looked = 1;
    for route in web::routes() {
        let elsewhere = ELSEWHERE.contains(&route.path)
            || ["/login", "/first-start/{secret}"].contains(&route.path);
        if route.kind != Kind::Page || elsewhere {
            continue;
        }
        let path = world.address(route.path);
        tab.go(&path).await;
        assert_eq!(tab.path().await, path, "{} leads elsewhere", route.path);
        let title = tab.driver.title().await.unwrap();
        assert!(!title.contains("ot found"), "{path}: {title}");
        wrong.extend(tab.look(&picture(route.path)).await);
        looked += 1;
    }
    let others = [
        ("job-running", format!("/jobs/{}", world.running)),
        ("job-running-logs", format!("/jobs/{}/logs", world.running)),
        (
            "rerun",
            format!("/projects/{}/jobs/new?from={}", world.project, world.ended),
        ),
        (
            "files-folder",
            format!("/projects/{}/files?folder=code/", world.project),
        ),
        ("search-nothing", "/search?q=nowhere".to_owned()),
        (
            "jobs-nothing",
            format!("/projects/{}/jobs?q=nowhere", world.project),
        ),
    ];
    for (name, path) in others {
        tab.go(&path).await;
        wrong.extend(tab.look(name).await);
        looked += 1;
    }
    println!("{looked} pages looked at");
    tab.close().await;
    nothing(&wrong);
}

#[tokio::test]
async fn nothing_is_wrong_with_what_a_newcomer_sees() {
    let portal = Portal::start();
    let secret = std::fs::read_to_string(portal.data().join("first-start-link")).unwrap();
    let tab = Tab::open(&portal.base).await;
    let mut wrong = Vec::new();
    let (_, path) = secret.trim().split_once("/first-start/").unwrap();
    tab.go(&format!("/first-start/{path}")).await;
    wrong.extend(tab.look("first-start").await);
    tab.press("Make the account and sign in").await;
    tab.find("[aria-invalid='true']").await;
    // The console tells the page's own status.
    tab.console().await;
    wrong.extend(tab.look("first-start-mistakes").await);
    tab.fill("/name", "ada").await;
    tab.fill("/password", PASSWORD).await;
    tab.press("Make the account and sign in").await;
    tab.until("the home", async |tab| tab.path().await == "/")
        .await;
    for (name, path) in [
        ("home-empty", "/"),
        ("projects-empty", "/projects"),
        ("jobs-empty", "/jobs"),
        ("tasks-empty", "/tasks"),
        ("tokens-empty", "/account/tokens"),
    ] {
        tab.go(path).await;
        wrong.extend(tab.look(name).await);
    }
    tab.go("/projects/new").await;
    tab.fill("/name", "Marine genomes").await;
    tab.press("Make project").await;
    tab.until("the project", async |tab| {
        !tab.path().await.ends_with("/new")
    })
    .await;
    let project = tab.project().await;
    for (name, page) in [
        ("project-empty", ""),
        ("files-empty", "/files"),
        ("project-jobs-empty", "/jobs"),
    ] {
        tab.go(&format!("{project}{page}")).await;
        wrong.extend(tab.look(name).await);
    }
    tab.close().await;
    nothing(&wrong);
}

#[tokio::test]
async fn refusals_are_pages_too() {
    let portal = Portal::start();
    let ada = portal.user("ada", true);
    portal.user("bob", false);
    let project = ada.project("Marine genomes").await;
    let tab = Tab::open(&portal.base).await;
    tab.sign_in("bob").await;
    let mut wrong = Vec::new();
    for (name, path, words) in [
        ("not-found", format!("/projects/{project}"), "Not found"),
        ("not-found-page", "/admin".to_owned(), "no such page"),
        ("bad-query", "/jobs?phase=x".to_owned(), "phase"),
    ] {
        tab.go(&path).await;
        tab.says(words).await;
        // The console tells the page's own status.
        tab.console().await;
        wrong.extend(tab.look(name).await);
    }
    tab.close().await;
    nothing(&wrong);
}

fn picture(route: &str) -> String {
    let name = route.trim_matches('/').replace(['/', '{', '}', '*'], "-");
    if name.is_empty() { "home".into() } else { name }
}
