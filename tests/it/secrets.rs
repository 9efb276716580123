//! No secret is in a log line, in an address, or on a page but the one that shows it once.
use crate::house::{
    Home, Page, Portal, Request,
    provider::{Provider, Wrong},
    word_count,
};
use http::Method;
use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tourmaline::{
    auth::{first_start, secret},
    telemetry,
};
use tracing_subscriber::fmt::MakeWriter;

/// What all threads log while the story is told; those that hash and those that talk to SQLite are among them.
#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    listens: Arc<AtomicBool>,
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.listens.load(Ordering::Relaxed) {
            self.text.lock().unwrap().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What was used, by a name for messages, and every answer.
#[derive(Default)]
struct Story {
    secrets: Vec<(&'static str, String)>,
    answers: Vec<Page>,
}

impl Story {
    fn hide(&mut self, what: &'static str, value: impl Into<String>) -> String {
        let value = value.into();
        assert!(value.len() >= 8, "{what}: {value}");
        self.secrets.push((what, value.clone()));
        value
    }

    /// Its hash is no secret that opens anything, and yet nobody's business.
    fn hide_with_hash(&mut self, what: &'static str, value: impl Into<String>) -> String {
        let value = self.hide(what, value);
        self.hide(what, secret::hash(&value));
        value
    }

    fn saw(&mut self, answer: Page) {
        self.answers.push(answer);
    }

    fn found_in(&self, text: &str) -> Vec<&'static str> {
        let within = self
            .secrets
            .iter()
            .filter(|(_, value)| text.contains(value));
        within.map(|(what, _)| *what).collect()
    }
}

async fn tell(portal: &Portal, provider: &Provider) -> Story {
    let mut story = Story::default();
    let link = first_start::offer(&portal.services).await.unwrap().unwrap();
    let (_, path) = link.split_at(link.find("/first-start/").unwrap());
    let secret = path.strip_prefix("/first-start/").unwrap();
    story.hide_with_hash("the first-start link", secret);
    let password = story.hide("a password", "seven seas of rye");
    let guess = story.hide("a wrong password", "eight seas of rye");
    let next = story.hide("a new password", "nine seas of barley");

    let grace = portal.visitor();
    story.saw(grace.page(path).await);
    let short = story.hide("a password that is refused", "rye & sea");
    story.saw(
        grace
            .post(path, &[("/name", "grace"), ("/password", &short)])
            .await
            .expect(422),
    );
    let form = [("/name", "grace"), ("/password", &*password)];
    story.saw(grace.post(path, &form).await.expect(303));
    story.saw(grace.page(path).await.expect(409));
    story.hide_with_hash("a session's cookie", grace.session().unwrap().1);

    story.saw(portal.visitor().sign_in("grace", &guess).await.expect(422));
    // Typed into the wrong field, which keeps what was typed: in no log all the same.
    let _ = portal.visitor().sign_in(&guess, "grace").await.expect(422);
    story.saw(grace.sign_in("grace", &password).await.expect(303));
    story.hide_with_hash("a session's cookie", grace.session().unwrap().1);
    let form = [("/old", &*password), ("/new", &*next), ("/again", &*next)];
    story.saw(grace.post("/account/password", &form).await.expect(303));
    story.saw(grace.page("/account/sessions").await.expect(200));

    // Of all answers this one alone shows the token.
    let form = [("/name", "notebook"), ("/scope", "write")];
    let shown = grace.post("/account/tokens", &form).await.expect(201);
    let token = story.hide_with_hash("a token", shown.one("#secret"));
    story.saw(grace.page("/account/tokens").await.expect(200));
    let api = portal.api(&token.into());
    let made = api
        .post(
            "/user/tokens",
            &serde_json::json!({ "name": "x", "scope": "read" }),
        )
        .await;
    story.saw(made);
    story.saw(api.get("/user").await.expect(200));
    story.saw(api.get("/user/tokens").await);
    story.saw(api.get("/no/such").await.expect(404));
    let guess = story.hide_with_hash("a wrong token", "tml_guessed-by-somebody");
    let wrong = Request::plain(portal, Method::GET, "/api/v1/user");
    let wrong = wrong.header("authorization", &format!("Bearer {guess}"));
    story.saw(wrong.send().await.expect(401));

    let made = api
        .post("/projects", &serde_json::json!({ "name": "Genomes" }))
        .await;
    let project = made.expect(201).json()["id"].as_str().unwrap().to_owned();
    let job = serde_json::to_value(word_count()).unwrap();
    story.saw(api.post(&format!("/projects/{project}/jobs"), &job).await);
    by_a_provider(portal, provider, &mut story).await;
    let old = grace.copy();
    story.saw(grace.post("/logout", &[]).await.expect(303));
    story.saw(old.page("/account").await.expect(303));
    story
}

/// The code and all that it is traded for.
async fn by_a_provider(portal: &Portal, provider: &Provider, story: &mut Story) {
    for wrong in [None, Some(Wrong::Tampered), Some(Wrong::UserinfoOfAnother)] {
        provider.go(wrong);
        let browser = portal.visitor();
        let begun = browser.page("/login/institute").await.expect(303);
        let back = provider.visit(begun.header("location").unwrap()).await;
        story.saw(browser.page(&back).await);
        story.saw(browser.page("/account/identities").await);
    }
    for secret in provider.secrets() {
        story.hide("what a provider gave or was given", secret);
    }
}

#[tokio::test]
async fn no_secret_is_in_a_log_or_an_answer() {
    let log = Log::default();
    let everything = tracing_subscriber::fmt()
        .with_env_filter(telemetry::filter(Some("trace")))
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(everything).unwrap();
    log.listens.store(true, Ordering::Relaxed);
    let provider = Provider::start().await;
    let settings = provider.settings("institute");
    let portal = Portal::with(Home::Sqlite, |c| c.sign_in.providers = vec![settings]).await;
    let story = tell(&portal, &provider).await;
    log.listens.store(false, Ordering::Relaxed);

    let text = String::from_utf8_lossy(&log.text.lock().unwrap()).into_owned();
    for logged in [
        "/first-start/…",
        "started processing request",
        "sqlx::query",
    ] {
        assert!(text.contains(logged), "{logged} is not in the log:\n{text}");
    }
    assert_eq!(story.found_in(&text), Vec::<&str>::new(), "in the log");
    for answer in &story.answers {
        assert_eq!(
            story.found_in(&answer.text()),
            Vec::<&str>::new(),
            "{}",
            answer.asked
        );
        let location = answer.header("location").unwrap_or_default();
        assert_eq!(
            story.found_in(location),
            Vec::<&str>::new(),
            "{}",
            answer.asked
        );
    }
}

/// What a panic or a `{:?}` in a log would show.
#[test]
fn no_secret_is_in_the_settings_as_they_are_printed() {
    let mut config = tourmaline::config::Config::default();
    config.database.url = Some("postgres://tourmaline:hunter2hunter2@db/tourmaline".into());
    assert!(!format!("{config:?}").contains("hunter2"));
    let target = tourmaline::store::Target::Postgres {
        url: config.database.url.unwrap(),
        connections: 1,
        statement_timeout: std::time::Duration::from_secs(1),
    };
    assert!(!format!("{target:?}").contains("hunter2"));
}
