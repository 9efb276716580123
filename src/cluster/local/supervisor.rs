//! The process that stands between the portal and one driver: it claims the run folder, starts the driver, ends it when that is
//! wished or its time is over, and writes how it ended. It needs no portal, and outlives it.
use super::{
    command::{FOLDERS, Link, Spec},
    process::{self, Identity, Mark, Process},
    run_folder::{self, Driver, RunFolder, Supervisor},
};
use crate::domain::{clock::Clock, job::Exit};
use anyhow::Context;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process_group};
use std::{
    cell::Cell,
    convert::Infallible,
    fs, io,
    io::Write,
    os::unix::{
        fs as unix,
        fs::{MetadataExt, PermissionsExt},
        process::ExitStatusExt,
    },
    path::Path,
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    signal::unix as signals,
    time::{Instant, sleep, sleep_until, timeout},
};

const POLL: Duration = Duration::from_millis(200);
/// How often processes that ended without a parent are let go.
const REAP: Duration = Duration::from_secs(10);
/// What a driver leaves behind may take this long to end by itself: Python's daemon does.
const AFTERMATH: Duration = Duration::from_secs(2);
/// When the machine goes down everybody gets TERM, the driver perhaps before us.
const SHUTDOWN_WINDOW: Duration = Duration::from_millis(200);

/// How much longer than its limit a log may become, and what is left above it then.
const LOG_SLACK: u64 = 16 << 20;
const LOG_REST: u64 = 4096;

/// Why a driver was to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself(ExitStatus),
    Wished,
    OverTime(u64),
    Shutdown,
}

/// Runs what the folder says, to its end. Blocks, and makes its own runtime: not to be called within one. A folder that
/// somebody has claimed already is left alone.
pub fn supervise(dir: &Path) -> anyhow::Result<ExitCode> {
    let session = own_session()?;
    // Whoever loses its parent becomes ours, so that it is found by its parent whatever it did to its environment and session.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid())).context("becoming the subreaper")?;
    let folder = RunFolder::new(dir.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut shutdown = {
        let _within = runtime.enter();
        Shutdown {
            terminate: signals::signal(signals::SignalKind::terminate())?,
            interrupt: signals::signal(signals::SignalKind::interrupt())?,
            hangup: signals::signal(signals::SignalKind::hangup())?,
        }
    };
    let Some(_claim) = folder.claim().context("claiming the run folder")? else {
        return Ok(ExitCode::SUCCESS);
    };
    let supervisor = Supervisor {
        identity: Identity::of(getpid().as_raw_nonzero().get())
            .context("finding the own start time")?,
        session: session.as_raw_nonzero().get(),
        run: format!("{:032x}", rand::random::<u128>()),
    };
    folder
        .write_supervisor(&supervisor)
        .context("writing who supervises")?;
    // Whoever called create waits for this line; nobody may be there any more.
    let _ = io::stdout().write_all(b"claimed\n");
    let _ = io::stdout().flush();
    let exit = runtime.block_on(async {
        match folder.spec::<Spec>() {
            Ok(Some(spec)) => {
                Run::new(&folder, &spec, &supervisor)
                    .run(&mut shutdown)
                    .await
            }
            Ok(None) => not_started("the run folder does not say what to run"),
            Err(error) => not_started(&format!(
                "the run folder's spec.json cannot be read: {error}"
            )),
        }
    });
    // An end that is not written would be taken for a vanished run, and the job tried again: wait for a full disk.
    while let Err(error) = folder.write_end(exit.clone(), Clock::system().now()) {
        anyhow::ensure!(folder.exists(), "the run folder is gone: {error}");
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// Away from the portal's terminal, and leader of a session by which all processes of this attempt are found and ended: it
/// must not be anybody else's. Which one refuses us is not asked: seen from a container it may have no number.
fn own_session() -> anyhow::Result<Pid> {
    rustix::process::setsid().context(
        "it needs a session of its own, and who leads a group of processes cannot begin one: let the portal start it",
    )
}

struct Shutdown {
    terminate: signals::Signal,
    interrupt: signals::Signal,
    /// Listened to so that it does not kill: a terminal that closes is nothing to us.
    hangup: signals::Signal,
}

impl Shutdown {
    async fn told(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {}
            }
        }
    }
}

struct Run<'a> {
    folder: &'a RunFolder,
    spec: &'a Spec,
    mark: Mark,
    session: i32,
    grace: Duration,
    driver: Cell<Option<Pid>>,
}

impl<'a> Run<'a> {
    fn new(folder: &'a RunFolder, spec: &'a Spec, supervisor: &Supervisor) -> Self {
        Self {
            folder,
            spec,
            mark: supervisor.mark(&spec.object),
            session: supervisor.session,
            grace: Duration::from_secs(spec.stop_grace_seconds),
            driver: Cell::new(None),
        }
    }

    async fn run(&self, shutdown: &mut Shutdown) -> Exit {
        tokio::select! {
            exit = self.to_its_end(shutdown) => exit,
            never = self.bound_log() => match never {},
            never = self.reap() => match never {},
        }
    }

    async fn to_its_end(&self, shutdown: &mut Shutdown) -> Exit {
        if self.folder.is_stop_wished() {
            return Exit::Cancelled;
        }
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => {
                self.tidy();
                return not_started(&format!("{error:#}"));
            }
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        self.driver.set(pid.and_then(Pid::from_raw));
        let driver = Driver {
            identity: pid.and_then(Identity::of),
            since: Clock::system().now(),
        };
        if let Err(error) = self.folder.write_driver(&driver) {
            self.note(&format!("cannot write that the driver started: {error}"));
        }
        let ended = self.wait(&mut child, shutdown).await;
        match ended {
            Ended::ByItself(_) => {}
            Ended::Wished => self.note("the job was cancelled; it is told to end"),
            Ended::OverTime(seconds) => self.note(&format!(
                "the job has run for {seconds} s, its maximum run time; it is told to end"
            )),
            Ended::Shutdown => {
                self.note(
                    "the runner was told to end, as when the machine goes down; so is the job",
                );
            }
        }
        if !matches!(ended, Ended::ByItself(_)) {
            self.end(&mut child).await;
        }
        self.clear().await;
        self.tidy();
        match ended {
            Ended::ByItself(status) => exit_of(status),
            Ended::Wished => Exit::Cancelled,
            Ended::OverTime(seconds) => Exit::TimedOut { seconds },
            Ended::Shutdown => Exit::Vanished {
                why: "its runner was told to end, as when the machine goes down".into(),
            },
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let root = self.folder.path();
        for name in FOLDERS {
            self.make(&root.join(name))?;
        }
        if self.spec.owner.is_some() {
            fs::set_permissions(root, fs::Permissions::from_mode(0o711))
                .context("letting the job's user into the run folder")?;
        }
        if let Some(alias) = &self.spec.alias {
            unix::symlink(root, alias).with_context(|| format!("linking {}", alias.display()))?;
        }
        for Link { at, to } in &self.spec.links {
            let place = root.join(at);
            for parent in at
                .ancestors()
                .skip(1)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .skip(1)
            {
                self.make(&root.join(parent))?;
            }
            unix::symlink(to, &place).with_context(|| format!("linking {}", place.display()))?;
        }
        let log = self.folder.open_log().context("opening the log")?;
        let mut command = Command::new(&self.spec.program);
        command
            .args(&self.spec.arguments)
            .env_clear()
            .envs(&self.spec.env)
            .env(process::MARK_OBJECT, &self.mark.object)
            .env(process::MARK_RUN, &self.mark.run)
            .current_dir(root.join("work"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("opening the log")?)
            .stderr(log)
            .process_group(0);
        if let Some(owner) = self.spec.owner {
            command.uid(owner.user).gid(owner.group);
        }
        command
            .spawn()
            .with_context(|| format!("starting {}", self.spec.program.display()))
    }

    /// A folder that the job's user can use.
    fn make(&self, path: &Path) -> anyhow::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.with_context(|| format!("making {}", path.display()))?,
        }
        if let Some(owner) = self.spec.owner {
            unix::chown(path, Some(owner.user), Some(owner.group))
                .with_context(|| format!("giving {} to the job's user", path.display()))?;
        }
        Ok(())
    }

    async fn wait(&self, child: &mut Child, shutdown: &mut Shutdown) -> Ended {
        let limit = self.spec.max_run_seconds;
        let end =
            limit.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        loop {
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let ended = tokio::select! {
                biased;
                () = shutdown.told() => Ended::Shutdown,
                Ok(status) = child.wait() => {
                    let by_term = matches!(exit_of(status), Exit::Signal { signal: 15 });
                    if by_term && timeout(SHUTDOWN_WINDOW, shutdown.told()).await.is_ok() {
                        Ended::Shutdown
                    } else {
                        Ended::ByItself(status)
                    }
                }
                () = over => Ended::OverTime(limit.unwrap_or_default()),
                () = sleep(POLL) => {
                    if !self.folder.is_stop_wished() {
                        continue;
                    }
                    Ended::Wished
                }
            };
            // TERM may also be the portal's or an administrator's way to hurry a wish that is written already.
            return if ended == Ended::Shutdown && self.folder.is_stop_wished() {
                Ended::Wished
            } else {
                ended
            };
        }
    }

    /// TERM for the whole group; whoever has not gone after the grace is killed.
    async fn end(&self, child: &mut Child) {
        let group = child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(group) = group {
            // Its leader is not reaped yet, so that the group's number is still ours.
            let _ = kill_process_group(group, Signal::TERM);
        }
        let told = group.map(|group| group.as_raw_nonzero().get());
        for other in self.left() {
            if Some(other.group) != told {
                other.identity.signal(Signal::TERM);
            }
        }
        if timeout(self.grace, child.wait()).await.is_err() {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
        }
    }

    /// Ends what the driver left behind: nothing of an attempt lives when its end is written.
    async fn clear(&self) {
        let started = Instant::now();
        let mut told = false;
        let mut pause = Duration::from_millis(20);
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            let age = started.elapsed();
            if age > AFTERMATH + self.grace {
                signal(&left, Signal::KILL);
            } else if age > AFTERMATH && !told {
                told = true;
                self.note("the driver has ended; processes that it left behind are told to end");
                signal(&left, Signal::TERM);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Cuts the log back whenever it is well longer than anybody will read. All writers append, so that they go on behind the
    /// cut, and whoever keeps the log finds that there is more than the limit and says so in it.
    async fn bound_log(&self) -> Infallible {
        loop {
            sleep(POLL).await;
            if let Some(limit) = self.spec.log_limit
                && let Ok(log) = self.folder.open_log()
                && log
                    .metadata()
                    .is_ok_and(|meta| meta.len() > limit.saturating_add(LOG_SLACK))
            {
                let _ = log.set_len(limit.saturating_add(LOG_REST));
            }
        }
    }

    /// Lets those go that became ours and ended. The driver itself is waited for elsewhere.
    async fn reap(&self) -> Infallible {
        loop {
            sleep(REAP).await;
            for pid in process::ended_children() {
                if Some(pid) != self.driver.get() {
                    let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
                }
            }
        }
    }

    fn left(&self) -> Vec<Process> {
        process::of_own_attempt(&self.mark, self.session)
    }

    fn tidy(&self) {
        tidy(self.folder, self.spec);
    }

    fn note(&self, text: &str) {
        // A log that cannot be written is no reason not to do what it would have told.
        let _ = self.folder.note(text);
    }
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        process.identity.signal(signal);
    }
}

/// Takes away what a run needed only while it ran.
pub fn tidy(folder: &RunFolder, spec: &Spec) {
    for Link { at, to } in &spec.links {
        let place = folder.path().join(at);
        // A job that writes over a linked folder replaces the link: what it wrote belongs where the link led.
        let replaced = at.starts_with("links")
            && fs::symlink_metadata(&place).is_ok_and(|metadata| !metadata.is_symlink());
        if replaced && let Err(error) = take_home(&place, to) {
            let text = format!(
                "what the job wrote over {} stays at {}: {error}",
                to.display(),
                place.display()
            );
            let _ = folder.note(&text);
        }
    }
    if let Some(alias) = &spec.alias
        && fs::read_link(alias).is_ok_and(|target| target == folder.path())
    {
        let _ = fs::remove_file(alias);
    }
    for name in ["tmp", "home"] {
        let _ = run_folder::remove(&folder.path().join(name));
    }
}

fn take_home(place: &Path, to: &Path) -> io::Result<()> {
    let old = fs::metadata(to)?;
    if old.dev() != fs::metadata(place)?.dev() {
        return Err(io::ErrorKind::CrossesDevices.into());
    }
    if old.is_dir() {
        fs::remove_dir_all(to)?;
    } else {
        fs::remove_file(to)?;
    }
    fs::rename(place, to)
}

/// 128 and a signal's number is how shells and the JVM tell that a signal ended them.
fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code @ (129 | 130 | 134 | 135 | 137 | 139 | 143)), _) => {
            Exit::Signal { signal: code - 128 }
        }
        (Some(code), _) => Exit::Code { code },
        (None, signal) => Exit::Signal {
            signal: signal.unwrap_or_default(),
        },
    }
}

fn not_started(why: &str) -> Exit {
    Exit::NotStarted { why: why.into() }
}
