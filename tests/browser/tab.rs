//! A tab of Chromium: what a person does in it, and what is found wrong with the page it shows.
use crate::variable;
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource as _, KeyAction, KeyActions},
    elements::Element,
    wd::WebDriverCompatibleCommand,
};
use hyper_util::client::legacy::connect::HttpConnector;
use openidconnect::url::{ParseError, Url};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Of everybody whom these stories make.
pub const PASSWORD: &str = "correct horse battery";

/// For what takes no time by itself: Chromium beside a compiler on two cores.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(100);

pub struct Tab {
    pub driver: Client,
    /// How long something may take to appear.
    pub patience: Duration,
    base: String,
    process: Process,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In which surroundings a page is shown.
#[derive(Clone, Copy)]
pub enum View {
    Desktop,
    /// 390 px wide, with the dark scheme.
    DarkPhone,
    /// A desktop's window at 200 %: half as many pixels of the page.
    Zoomed,
}

impl View {
    fn name(self) -> &'static str {
        match self {
            Self::Desktop => "light",
            Self::DarkPhone => "dark-phone",
            Self::Zoomed => "zoomed",
        }
    }

    fn width(self) -> u32 {
        match self {
            Self::Desktop => 1280,
            Self::DarkPhone => 390,
            Self::Zoomed => 640,
        }
    }
}

impl Tab {
    /// A browser of its own, with no cookies, at a portal.
    pub async fn open(base: &str) -> Self {
        Self::open_with(base, &[]).await
    }

    pub async fn open_with(base: &str, arguments: &[&str]) -> Self {
        let mut process = Process(
            Command::new(variable("TOURMALINE_TEST_CHROMEDRIVER"))
                .arg("--port=0")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        let mut said = BufReader::new(process.0.stdout.take().unwrap()).lines();
        let port = said
            .by_ref()
            .find_map(|line| {
                let line = line.unwrap();
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver ended before it served");
        std::thread::spawn(move || said.for_each(drop));
        let always = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--force-prefers-reduced-motion",
            "--window-size=1280,900",
        ];
        let arguments: Vec<&str> = always.iter().chain(arguments).copied().collect();
        let wanted = json!({
            "goog:chromeOptions": {"binary": variable("TOURMALINE_TEST_CHROMIUM"), "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let driver = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await;
        Self {
            driver: driver.unwrap(),
            patience: PATIENCE,
            base: base.to_owned(),
            process,
        }
    }

    /// Ends the browser; a process that is only killed leaves it behind.
    pub async fn close(self) {
        self.driver.close().await.unwrap();
        drop(self.process);
    }

    pub async fn go(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.driver.goto(&url).await.unwrap();
    }

    /// The path that is shown, with its query.
    pub async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str()
            .strip_prefix(&self.base)
            .unwrap_or(url.as_str())
            .to_owned()
    }

    /// The address of the project that is shown.
    pub async fn project(&self) -> String {
        let path = self.path().await;
        path.split('/').take(3).collect::<Vec<_>>().join("/")
    }

    pub async fn sign_in(&self, name: &str) {
        self.go("/login").await;
        self.fill("/name", name).await;
        self.fill("/password", PASSWORD).await;
        self.press("Sign in").await;
        self.until(&format!("the home of {name}"), async |tab| {
            tab.path().await == "/"
        })
        .await;
    }

    /// The first element of a selector that is shown, as soon as there is one.
    pub async fn find(&self, css: &str) -> Element {
        self.shown(Locator::Css(css)).await
    }

    async fn shown(&self, locator: Locator<'_>) -> Element {
        let mut left = self.patience.as_millis() / STEP.as_millis();
        loop {
            for element in self.driver.find_all(locator).await.unwrap() {
                // It may be replaced meanwhile.
                if element.is_displayed().await.unwrap_or(false) {
                    return element;
                }
            }
            left -= 1;
            assert!(
                left > 0,
                "no {locator:?} at {}:\n{}",
                self.path().await,
                self.words().await
            );
            tokio::time::sleep(STEP).await;
        }
    }

    /// What a person reads on the page.
    pub async fn words(&self) -> String {
        let words = self
            .script("return document.body ? document.body.innerText : ''")
            .await;
        words.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says something.
    pub async fn says(&self, words: &str) {
        self.until(words, async |tab| tab.words().await.contains(words))
            .await;
    }

    pub async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let mut left = self.patience.as_millis() / STEP.as_millis();
        while !is_so(self).await {
            left -= 1;
            assert!(
                left > 0,
                "not seen: {what}; at {}:\n{}",
                self.path().await,
                self.words().await
            );
            tokio::time::sleep(STEP).await;
        }
    }

    /// Types into a field, in place of what is there.
    pub async fn fill(&self, name: &str, text: &str) {
        let field = self.find(&format!("main [name='{name}']")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn value(&self, name: &str) -> String {
        let field = self.find(&format!("main [name='{name}']")).await;
        field.prop("value").await.unwrap().unwrap_or_default()
    }

    /// Clicks on the button or link with these words.
    pub async fn press(&self, words: &str) {
        let path = format!(
            "//*[self::a or self::button or self::summary][normalize-space()='{words}' or @aria-label='{words}']"
        );
        self.shown(Locator::XPath(&path))
            .await
            .click()
            .await
            .unwrap();
    }

    pub async fn script(&self, text: &str) -> Value {
        self.driver.execute(text, vec![]).await.unwrap()
    }

    /// Where the keyboard is: the text or name of the element.
    pub async fn focus(&self) -> String {
        let name = "const e = document.activeElement; return (e.getAttribute('aria-label') || e.name || e.innerText || '').trim()";
        self.script(name)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Presses one key after another, wherever the keyboard is.
    pub async fn keys(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".into());
        for value in keys.chars() {
            actions = actions
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.driver.perform_actions(actions).await.unwrap();
    }

    /// Tells the browser itself, by its own protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        let told = self
            .driver
            .issue_cmd(Vendor("goog/cdp/execute", body))
            .await;
        told.unwrap();
    }

    pub async fn show(&self, view: View) {
        let size = json!({"width": view.width(), "height": 850, "deviceScaleFactor": if matches!(view, View::Zoomed) { 2 } else { 1 }, "mobile": matches!(view, View::DarkPhone)});
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if matches!(view, View::DarkPhone) {
            "dark"
        } else {
            "light"
        };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// All that is wrong with the page, in each view: what axe finds, what sticks out sideways, what the console says.
    /// Leaves a picture of each.
    pub async fn look(&self, name: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for view in [View::Desktop, View::DarkPhone] {
            self.show(view).await;
            wrong.extend(self.wrong(name, view).await);
        }
        self.show(View::Desktop).await;
        wrong
    }

    pub async fn wrong(&self, name: &str, view: View) -> Vec<String> {
        let at = format!("{name} ({})", view.name());
        self.picture(&format!("{name}-{}", view.name())).await;
        let mut wrong = self.axe().await;
        let width = self
            .script("return document.documentElement.scrollWidth")
            .await;
        if width.as_u64() > Some(view.width().into()) {
            wrong.push(format!("{width} px wide where {} are shown", view.width()));
        }
        wrong.extend(self.console().await);
        wrong
            .into_iter()
            .map(|what| format!("{at}: {what}"))
            .collect()
    }

    async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.driver.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    async fn axe(&self) -> Vec<String> {
        let source = std::fs::read_to_string(variable("TOURMALINE_TEST_AXE")).unwrap();
        let run = format!(
            "{source};
            const done = arguments[arguments.length - 1];
            const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
            axe.run(document, {{runOnly: tags, resultTypes: ['violations']}}).then(
              (found) => done(found.violations.map((v) => v.id + ': ' + v.help + ' at ' + v.nodes.map((n) => n.target.join(' ')).slice(0, 5).join(', '))),
              (e) => done(['axe itself: ' + e]))"
        );
        let found = self.driver.execute_async(&run, vec![]).await.unwrap();
        serde_json::from_value(found).unwrap()
    }

    /// What the console said since the last look: errors, what the policy refused, requests that failed.
    pub async fn console(&self) -> Vec<String> {
        let log = Vendor("se/log", json!({"type": "browser"}));
        let log = self.driver.issue_cmd(log).await.unwrap();
        let entries = log.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG")
            .map(|entry| format!("console: {}", entry["message"]))
            .collect()
    }
}

/// A command of chromedriver beside the standard's: its path below the session, and its body.
#[derive(Debug)]
struct Vendor(&'static str, Value);

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

/// Nothing is wrong, or all of it at once.
#[track_caller]
pub fn nothing(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} found:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
