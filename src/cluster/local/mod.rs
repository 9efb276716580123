//! This machine as a cluster: each attempt is one `spark-submit` process in local mode under a supervisor of its own, with a
//! run folder in `DATA/runs`. The portal may be killed at any moment: all that matters lies in the run folder, and a create is
//! repeated safely because a run folder is claimed only once.
//!
//! A job runs as the portal's user, or as `local.run_as`: then the portal must run as root, and that user must be let into the
//! data folder and its store, for instance by `setfacl -R -m u:NAME:rwX -m d:u:NAME:rwX DATA`, and be able to read Spark, Java and
//! Python; it gets no supplementary groups. Under systemd the portal's unit needs `KillMode=process`, else stopping the portal
//! stops its jobs.
use super::{CheckUp, DriverState, Error, LogPiece, Object, Observation};
use crate::{
    config::{self, Config},
    domain::{
        clock::Clock,
        job::{Exit, Resources, Size},
        names::{ClusterName, ObjectName, StreamName},
        quantity::Memory,
    },
    manifest::SparkApplication,
};
use anyhow::Context;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;

mod command;
mod fate;
mod install;
mod machine;
mod paths;
mod process;
mod run_folder;
mod supervisor;

pub use command::overridden;
pub use install::{Surroundings, check};
pub use supervisor::supervise;

use install::Install;
use run_folder::RunFolder;

/// Where objects stand on a cluster without namespaces.
pub const NAMESPACE: &str = "local";

const CHECK_UP_LASTS: Duration = Duration::from_secs(30);
/// How long a supervisor may take to claim its run folder.
const CLAIM_PATIENCE: Duration = Duration::from_secs(10);

/// This machine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: ClusterName,
    config: config::Local,
    log_limit: u64,
    data: PathBuf,
    clock: Clock,
    surroundings: Surroundings,
    /// The binary that has the `supervise` subcommand.
    supervisor: PathBuf,
    capacity: Resources,
    /// The latest check-up, which one caller makes at a time.
    looked: tokio::sync::Mutex<Option<Look>>,
    spark_version: Mutex<Option<String>>,
    /// Clears up after a dead supervisor, one at a time.
    clearing: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    install: Result<Install, String>,
    check_up: CheckUp,
}

/// Spark conf that stands here whatever a job says.
pub fn fixed_conf() -> BTreeMap<String, String> {
    let conf = command::FIXED_CONF.into_iter();
    conf.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

impl Look {
    fn failed(why: &str) -> Self {
        Self {
            at: Instant::now(),
            install: Err(why.into()),
            check_up: CheckUp {
                healthy: Err(why.into()),
                findings: Vec::new(),
            },
        }
    }
}

/// An object here by its name.
pub fn object(name: ObjectName) -> Object {
    Object {
        namespace: NAMESPACE.into(),
        name,
    }
}

/// What a job takes here: all its executors' cores, and one heap for driver and executors.
pub fn asks(size: &Size) -> Resources {
    let executors = u64::from(size.executors());
    Resources {
        cores: (executors * u64::from(size.executor.cores)).max(1),
        memory: size
            .driver
            .memory
            .bytes()
            .saturating_add(size.executor.memory.bytes().saturating_mul(executors)),
    }
}

impl Local {
    pub fn new(config: &Config, data: &Path, clock: Clock) -> Self {
        // A binary that was replaced while it runs is told by this ending; the new one lies at the same path.
        let own = std::env::current_exe().unwrap_or_else(|_| "tourmaline".into());
        let own = own
            .to_str()
            .and_then(|path| path.strip_suffix(" (deleted)"))
            .map_or(own.clone(), PathBuf::from);
        Self::with(config, data, clock, own, Surroundings::of_this_process())
    }

    /// With another supervisor's binary and other places to look for Spark and Java: for tests.
    pub fn with(
        config: &Config,
        data: &Path,
        clock: Clock,
        supervisor: PathBuf,
        surroundings: Surroundings,
    ) -> Self {
        let machine = machine::resources();
        let (config, log_limit) = (&config.local, config.work.log_limit);
        Self(Arc::new(Inner {
            name: ClusterName::local(),
            capacity: Resources {
                cores: config.cores.map_or(machine.cores, u64::from),
                memory: config.memory.as_ref().map_or(machine.memory, Memory::bytes),
            },
            config: config.clone(),
            log_limit,
            data: std::path::absolute(data).unwrap_or_else(|_| data.to_owned()),
            clock,
            surroundings,
            supervisor,
            looked: tokio::sync::Mutex::default(),
            spark_version: Mutex::default(),
            clearing: Mutex::default(),
        }))
    }

    pub fn name(&self) -> &ClusterName {
        &self.0.name
    }

    pub fn capacity(&self) -> Option<Resources> {
        Some(self.0.capacity).filter(|all| all.memory > 0)
    }

    pub fn offers(&self, spark_version: &str) -> bool {
        let installed = self.0.spark_version.lock();
        installed.unwrap_or_else(PoisonError::into_inner).as_deref() == Some(spark_version)
    }

    pub async fn check_up(&self) -> CheckUp {
        self.look().await.check_up
    }

    /// In a task of its own: what a caller who has no time leaves is found out all the same, for the next one.
    async fn look(&self) -> Look {
        let this = self.clone();
        match tokio::spawn(async move { this.look_once().await }).await {
            Ok(look) => look,
            Err(error) => {
                tracing::error!(%error, "the check-up of this machine broke off");
                Look::failed("The check-up of this machine broke off; see the portal's own log.")
            }
        }
    }

    async fn look_once(&self) -> Look {
        let mut looked = self.0.looked.lock().await;
        if let Some(look) = looked.as_ref()
            && look.at.elapsed() < CHECK_UP_LASTS
        {
            return look.clone();
        }
        let inner = &self.0;
        let (install, findings) = if inner.config.enabled {
            install::look(&inner.config, &inner.data, &inner.surroundings).await
        } else {
            let why = "this machine takes no jobs: local.enabled is false";
            (Err(why.to_owned()), Vec::new())
        };
        let version = install.as_ref().ok().and_then(|i| i.spark_version.clone());
        *inner
            .spark_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = version;
        let look = Look {
            at: Instant::now(),
            check_up: CheckUp {
                healthy: install.as_ref().map(|_| ()).map_err(Clone::clone),
                findings,
            },
            install,
        };
        *looked = Some(look.clone());
        look
    }

    pub async fn create(&self, application: &SparkApplication) -> Result<(), Error> {
        let name = &application.metadata.name;
        let object = ObjectName::parse(name)
            .map_err(|why| Error::Refused(format!("the object's name {name:?} {why}")))?;
        let folder = self.folder(&object);
        if folder.is_claimed() {
            return Ok(());
        }
        let install = self.look().await.install.map_err(Error::Unavailable)?;
        let bounds = command::Bounds {
            stop_grace_seconds: self.0.config.stop_grace_seconds,
            log_limit: self.0.log_limit,
        };
        let spec =
            command::build(application, folder.path(), &install, bounds).map_err(Error::Refused)?;
        let runs = self.runs();
        let in_folder = folder.clone();
        let open_to_job = spec.owner.is_some();
        blocking(move || {
            run_folder::make_private(&runs)?;
            if open_to_job {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&runs, fs::Permissions::from_mode(0o711))?;
            }
            in_folder.make()?;
            in_folder.propose(&spec)
        })
        .await?;
        self.start_supervisor(&folder).await
    }

    async fn start_supervisor(&self, folder: &RunFolder) -> Result<(), Error> {
        let complaints = fs::File::create(folder.path().join("supervisor.log"))
            .context("making supervisor.log")?;
        let mut child = tokio::process::Command::new(&self.0.supervisor)
            .arg("supervise")
            .arg("--run")
            .arg(folder.path())
            .env_clear()
            .env("PATH", &self.0.surroundings.path)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .with_context(|| format!("starting {}", self.0.supervisor.display()))?;
        let mut stdout = child.stdout.take().context("the supervisor's output")?;
        let mut said = [0; 1];
        let heard = tokio::time::timeout(CLAIM_PATIENCE, stdout.read(&mut said)).await;
        // The child is let go here: it is meant to outlive us, and the runtime reaps it.
        if folder.is_claimed() {
            return Ok(());
        }
        let log = fs::read_to_string(folder.path().join("supervisor.log")).unwrap_or_default();
        match heard {
            Err(_) => Err(Error::Unavailable(format!(
                "the runner did not start within {} s; the machine may be overloaded",
                CLAIM_PATIENCE.as_secs()
            ))),
            Ok(_) => Err(Error::Internal(anyhow::anyhow!(
                "the runner ended before it claimed {}: {}",
                folder.path().display(),
                log.trim()
            ))),
        }
    }

    pub async fn observe(&self, object: &ObjectName) -> Result<Observation, Error> {
        let (this, folder, object) = (self.clone(), self.folder(object), object.clone());
        let state = blocking(move || this.state(&folder, &object)).await?;
        Ok(Observation {
            state,
            // In local mode Spark writes its id nowhere but in its page, which is off.
            spark_app_id: None,
        })
    }

    pub async fn streams(&self, object: &ObjectName) -> Result<Vec<StreamName>, Error> {
        let log = self.folder(object).log();
        let there = blocking(move || log.try_exists()).await?;
        Ok(there.then(StreamName::driver).into_iter().collect())
    }

    pub async fn read_log(
        &self,
        object: &ObjectName,
        stream: &StreamName,
        from: u64,
        max: usize,
    ) -> Result<LogPiece, Error> {
        if *stream != StreamName::driver() {
            return Err(Error::Refused(format!(
                "a job on this machine has only the stream `driver`, not `{stream}`"
            )));
        }
        let folder = self.folder(object);
        let piece = blocking(move || {
            // Asked before reading: after its end is written nobody writes any more.
            let ended = !folder.exists() || folder.end()?.is_some();
            let mut bytes = Vec::new();
            let mut size = 0;
            match fs::File::open(folder.log()) {
                Ok(mut log) => {
                    size = log.metadata()?.len();
                    log.seek(SeekFrom::Start(from))?;
                    log.take(max as u64).read_to_end(&mut bytes)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let end = ended && from.saturating_add(bytes.len() as u64) >= size;
            Ok(LogPiece {
                bytes: Bytes::from(bytes),
                cursor: None,
                end,
            })
        });
        piece.await
    }

    pub async fn stop(&self, object: &ObjectName) -> Result<(), Error> {
        let (this, folder, object) = (self.clone(), self.folder(object), object.clone());
        blocking(move || {
            if folder.end()?.is_some() {
                return Ok(());
            }
            run_folder::make_private(&this.runs())?;
            folder.make()?;
            folder.wish_stop()?;
            if let Some(_claim) = folder.claim()? {
                // Nobody had started it, and now nobody can.
                return folder.write_end(Exit::Cancelled, this.0.clock.now());
            }
            this.state(&folder, &object).map(|_| ())
        })
        .await
    }

    pub async fn delete(&self, object: &ObjectName) -> Result<(), Error> {
        let (this, folder, object) = (self.clone(), self.folder(object), object.clone());
        blocking(move || {
            if !folder.exists() {
                return Ok(Ok(()));
            }
            // Held until the folder is gone, lest a late supervisor starts it meanwhile.
            let mut claim = None;
            if this.state(&folder, &object)? == DriverState::Absent {
                claim = folder.claim()?;
            }
            let gone = matches!(this.state(&folder, &object)?, DriverState::Gone(_));
            if claim.is_none() && !gone {
                return Ok(Err(Error::Refused(format!(
                    "{object} still runs: stop it first"
                ))));
            }
            let name = format!(".deleted-{object}-{:08x}", rand::random::<u32>());
            match fs::rename(folder.path(), this.runs().join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            this.sweep()?;
            Ok(Ok(()))
        })
        .await?
    }

    /// Removes deleted run folders, also those that a killed portal had begun with. One that cannot be removed is in nobody's way:
    /// its name is free, and the next sweep tries again.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.runs())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(".deleted-")
                && let Err(error) = run_folder::remove(&entry.path())
            {
                let folder = entry.path();
                tracing::warn!(folder = %folder.display(), %error, "a deleted run folder was not removed");
            }
        }
        Ok(())
    }

    pub async fn objects(&self) -> Result<Vec<ObjectName>, Error> {
        let runs = self.runs();
        blocking(move || {
            let entries = match fs::read_dir(runs) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut objects = Vec::new();
            for entry in entries {
                let name = entry?.file_name();
                objects.extend(name.to_str().and_then(|name| ObjectName::parse(name).ok()));
            }
            objects.sort();
            Ok(objects)
        })
        .await
    }

    fn runs(&self) -> PathBuf {
        self.0.data.join("runs")
    }

    fn folder(&self, object: &ObjectName) -> RunFolder {
        RunFolder::new(self.runs().join(object.as_str()))
    }
}

/// Files are slow at times: they do not hold up the other work of a thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done
        .context("working on a run folder")?
        .context("working on a run folder")?)
}
