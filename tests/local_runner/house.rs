//! A data folder, the pretended Spark, and eyes for processes.
use crate::{
    application::python,
    pretended_spark::{PretendedSpark, script},
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tourmaline::{
    cluster::{DriverState, local::Local},
    config::Config,
    domain::{
        clock::Clock,
        job::Exit,
        names::{ObjectName, StreamName},
    },
    manifest::SparkApplication,
};

const PATIENCE: Duration = Duration::from_mins(1);

pub struct House {
    folder: tempfile::TempDir,
    pub spark: PretendedSpark,
}

/// What differs from a machine that has everything.
pub struct Settings {
    pub supervisor: Option<PathBuf>,
    pub java: bool,
    pub spark: bool,
    pub log_limit: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            supervisor: None,
            java: true,
            spark: true,
            log_limit: 10 << 30,
        }
    }
}

/// A job that is a piece of shell: the pretended `spark-submit` runs its last argument.
pub fn application(name: &str, job: &str) -> SparkApplication {
    python(name, "file:///code/main.py", &[job])
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spark = PretendedSpark::install(folder.path());
        Self { folder, spark }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn local(&self) -> Local {
        self.with(Settings::default())
    }

    pub fn with(&self, settings: Settings) -> Local {
        let mut config = Config::default();
        config.local.stop_grace_seconds = 1;
        config.work.log_limit = settings.log_limit;
        let own = env!("CARGO_BIN_EXE_tourmaline").into();
        Local::with(
            &config,
            &self.path("data"),
            Clock::system(),
            settings.supervisor.unwrap_or(own),
            self.spark.surroundings(settings.java, settings.spark),
        )
    }

    /// A supervisor that waits for the file `late-go` before it does anything.
    pub fn late_supervisor(&self) -> PathBuf {
        let file = self.path("late");
        let text = format!(
            "#!/bin/sh\ncd '{}'\ntouch late-started\nwhile ! [ -e late-go ]; do sleep 0.02; done\n'{}' \"$@\"\ntouch late-ended\n",
            self.folder.path().display(),
            env!("CARGO_BIN_EXE_tourmaline"),
        );
        script(&file, &text);
        file
    }

    pub fn object(name: &str) -> ObjectName {
        ObjectName::parse(name).unwrap()
    }

    pub async fn create(&self, name: &str, job: &str) -> ObjectName {
        self.create_app(&application(name, job)).await
    }

    pub async fn create_app(&self, app: &SparkApplication) -> ObjectName {
        self.local().create(app).await.unwrap();
        Self::object(&app.metadata.name)
    }

    pub async fn state(&self, object: &ObjectName) -> DriverState {
        self.local().observe(object).await.unwrap().state
    }

    /// How it ended, once it has.
    pub async fn exit(&self, object: &ObjectName) -> Exit {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.state(object).await {
                DriverState::Gone(exit) => return exit,
                other => assert!(Instant::now() < end, "{object} has not ended: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn until(&self, condition: impl AsyncFn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !condition().await {
            assert!(Instant::now() < end, "waited in vain");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until its program runs, which bears the marks.
    pub async fn until_running(&self, object: &ObjectName) {
        self.until(async || {
            matches!(self.state(object).await, DriverState::Running { .. })
                && !self.processes(object).is_empty()
        })
        .await;
    }

    pub async fn log(&self, object: &ObjectName) -> String {
        let stream = StreamName::driver();
        let mut text = Vec::new();
        loop {
            let from = text.len() as u64;
            let piece = self.local().read_log(object, &stream, from, 7).await;
            let piece = piece.unwrap();
            text.extend_from_slice(&piece.bytes);
            if piece.end {
                return String::from_utf8(text).unwrap();
            }
        }
    }

    pub fn run_folder(&self, object: &ObjectName) -> PathBuf {
        self.path("data/runs").join(object.as_str())
    }

    pub fn rewrite(
        &self,
        object: &ObjectName,
        file: &str,
        change: impl FnOnce(&mut serde_json::Value),
    ) {
        let path = self.run_folder(object).join(file);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(path, json.to_string()).unwrap();
    }

    pub async fn number(&self, object: &ObjectName, file: &str) -> i32 {
        let path = self.run_folder(object).join(file);
        let read = || fs::read_to_string(&path).ok()?.trim().parse().ok();
        self.until(async || read().is_some()).await;
        read().unwrap()
    }

    fn supervisor(&self, object: &ObjectName) -> i32 {
        let file = self.run_folder(object).join("identity.json");
        let json: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        json["identity"]["pid"]
            .as_i64()
            .unwrap()
            .try_into()
            .unwrap()
    }

    pub fn kill_supervisor(&self, object: &ObjectName) {
        kill(self.supervisor(object));
    }

    pub fn terminate_supervisor(&self, object: &ObjectName) {
        send(self.supervisor(object), "-TERM");
    }

    /// The living processes of an attempt but its supervisor, found in another way than the portal's: by its session.
    pub fn processes(&self, object: &ObjectName) -> Vec<i32> {
        let supervisor = self.supervisor(object);
        let mark = format!("TOURMALINE_ATTEMPT={object}");
        let folder = self.run_folder(object);
        let marked = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&environment).into_owned();
            text.split('\0').any(|entry| entry == mark) && text.contains(folder.to_str().unwrap())
        };
        living()
            .into_iter()
            .filter(|(pid, session)| *pid != supervisor && (*session == supervisor || marked(pid)))
            .map(|(pid, _)| pid)
            .collect()
    }
}

impl Drop for House {
    /// A test that failed leaves no processes behind.
    fn drop(&mut self) {
        let folder = self.folder.path().to_str().unwrap().as_bytes().to_vec();
        for (pid, _) in living() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environment.windows(folder.len()).any(|part| part == folder) {
                kill(pid);
            }
        }
    }
}

/// Pid and session of all processes that are no zombies.
fn living() -> Vec<(i32, i32)> {
    let output = std::process::Command::new("ps")
        .args(["-eo", "pid=,sid=,stat="])
        .output()
        .expect("these tests need `ps`, of procps");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (pid, session) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            (!words.next()?.starts_with('Z')).then_some((pid, session))
        })
        .collect()
}

pub fn is_alive(pid: i32) -> bool {
    living().iter().any(|(other, _)| *other == pid)
}

pub fn kill(pid: i32) {
    send(pid, "-KILL");
}

fn send(pid: i32, signal: &str) {
    let _ = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
}
