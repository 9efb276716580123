//! A portal as people start it: a process with a data folder of its own and a pretended Spark, on a port of loopback.
use crate::pretended_spark::PretendedSpark;
use crate::tab::PASSWORD;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

pub struct Portal {
    pub base: String,
    address: String,
    process: Child,
    surroundings: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl Portal {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spark = PretendedSpark::install(folder.path());
        let java = folder.path().join("java/bin");
        let home = spark
            .submit()
            .ancestors()
            .nth(2)
            .map(PathBuf::from)
            .unwrap();
        let surroundings = vec![
            ("PATH", format!("{}:/usr/bin:/bin", java.display())),
            ("SPARK_HOME", home.display().to_string()),
            (
                "TOURMALINE_DATA",
                folder.path().join("data").display().to_string(),
            ),
        ];
        // Its address is part of what browsers check, so it is chosen beforehand.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = serve(&surroundings, &address);
        Self {
            base: format!("http://{address}"),
            address,
            process,
            surroundings,
            folder,
        }
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends it in order; what it runs goes on.
    pub fn stop(&mut self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.process = serve(&self.surroundings, &self.address);
    }

    /// `tourmaline admin …`; what it prints.
    pub fn admin(&self, words: &[&str], stdin: &str) -> String {
        let mut admin = program(&self.surroundings)
            .arg("admin")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        admin
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        let done = admin.wait_with_output().unwrap();
        assert!(done.status.success(), "admin {words:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// An account with [`PASSWORD`], and a token of it.
    pub fn user(&self, name: &str, site_admin: bool) -> Api {
        let mut words = vec!["user", "add", name, "--password-stdin"];
        words.extend(site_admin.then_some("--site-admin"));
        self.admin(&words, PASSWORD);
        let scope = if site_admin { "admin" } else { "write" };
        Api {
            base: self.base.clone(),
            client: reqwest::Client::new(),
            token: self.admin(&["token", name, "--scope", scope], ""),
        }
    }
}

/// Starts it and waits until it serves.
fn serve(surroundings: &[(&'static str, String)], address: &str) -> Child {
    let mut process = program(surroundings)
        .args(["serve", "--listen", address])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    let serves = said
        .by_ref()
        .any(|line| line.unwrap().starts_with("Tourmaline serves"));
    assert!(serves, "the portal ended before it served");
    // Nobody reads the rest, and a full pipe would stop the portal.
    std::thread::spawn(move || said.for_each(drop));
    process
}

fn program(surroundings: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tourmaline"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOURMALINE_")) {
        command.env_remove(name);
    }
    command
        .envs(surroundings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The portal's API, for what a story begins with.
pub struct Api {
    base: String,
    client: reqwest::Client,
    token: String,
}

impl Api {
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(self.url(path)).json(&body);
        self.answer(request).await
    }

    pub async fn put(&self, path: &str, body: Value) {
        self.answer(self.client.put(self.url(path)).json(&body))
            .await;
    }

    pub async fn get(&self, path: &str) -> Value {
        self.answer(self.client.get(self.url(path))).await
    }

    pub async fn delete(&self, path: &str) {
        self.answer(self.client.delete(self.url(path))).await;
    }

    pub async fn put_file(&self, project: &str, path: &str, bytes: impl Into<reqwest::Body>) {
        let url = self.url(&format!("/projects/{project}/files/{path}"));
        let request = self.client.put(url).body(bytes);
        self.answer(request.header("content-type", "application/octet-stream"))
            .await;
    }

    /// A project's id.
    pub async fn project(&self, name: &str) -> String {
        text(&self.post("/projects", json!({ "name": name })).await["id"])
    }

    /// Submits a job whose program is a piece of shell: its id.
    pub async fn job(&self, project: &str, name: &str, shell: &str) -> String {
        let job = json!({
            "name": name, "type": "python", "main_file": "code/main.py", "arguments": [shell],
            "driver": {"cores": 1, "memory": "512m"},
            "executor": {"cores": 1, "memory": "512m", "instances": 1},
        });
        text(&self.post(&format!("/projects/{project}/jobs"), job).await["id"])
    }

    /// Waits until a job is in one of some phases.
    pub async fn until(&self, job: &str, phases: &[&str]) {
        for _ in 0..600 {
            let phase = text(&self.get(&format!("/jobs/{job}")).await["phase"]);
            if phases.contains(&phase.as_str()) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{job} is in none of {phases:?} after a minute");
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
