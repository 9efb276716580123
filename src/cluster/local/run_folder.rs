//! The folder of one attempt: what is to run, who runs it, how it ended. Every file is written whole and durably, so that a
//! kill between any two steps leaves a state that one can tell from the others:
//!
//! | file | written by | says |
//! | --- | --- | --- |
//! | `spec.json` | the portal | what is to run |
//! | `lock` | whoever claims | held for as long as the claimer lives |
//! | `claim` | whoever claims, never twice | something may have been started |
//! | `identity.json` | the supervisor, before it starts anything | who it is and how its processes are marked |
//! | `driver.json` | the supervisor | the driver was started |
//! | `stop` | the portal | a wish that it ends |
//! | `exit.json` | the supervisor; for a dead one the portal | the end, with nothing of it left alive |
use super::process::{Identity, Mark};
use crate::domain::job::Exit;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Others hold the lock only for a moment, unless they have the claim.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

/// The supervisor, and how to know what it started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Supervisor {
    pub identity: Identity,
    pub session: i32,
    pub run: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Driver {
    pub identity: Option<Identity>,
    pub since: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct End {
    pub exit: Exit,
    pub at: Timestamp,
}

/// The right to decide what becomes of a run folder; ends with the process at the latest.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "held for its lock")] File);

impl RunFolder {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("driver.log")
    }

    pub fn exists(&self) -> bool {
        self.0.is_dir()
    }

    pub fn make(&self) -> io::Result<()> {
        make_private(&self.0)?;
        if let Some(parent) = self.0.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    pub fn is_claimed(&self) -> bool {
        self.0.join("claim").exists()
    }

    /// Takes the folder for ever; `None` when somebody has it or had it.
    pub fn claim(&self) -> io::Result<Option<Claim>> {
        let Some(lock) = self.lock_unclaimed()? else {
            return Ok(None);
        };
        let claim = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.0.join("claim"));
        match claim {
            Ok(claim) => claim.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        }
        File::open(&self.0)?.sync_all()?;
        Ok(Some(Claim(lock)))
    }

    /// Says what is to run, unless the folder is claimed: what a claimer has read is never changed.
    pub fn propose(&self, spec: &impl Serialize) -> io::Result<()> {
        match self.lock_unclaimed()? {
            Some(_lock) => self.write("spec.json", &serde_json::to_vec_pretty(spec)?),
            None => Ok(()),
        }
    }

    /// The lock of a folder that nobody has claimed.
    fn lock_unclaimed(&self) -> io::Result<Option<File>> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        let lock = loop {
            if self.is_claimed() {
                return Ok(None);
            }
            let lock = self.open_lock()?;
            match lock.try_lock() {
                Ok(()) => break lock,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        };
        // The folder may have been claimed, or deleted and made anew, while we came by the lock.
        let (held, named) = (lock.metadata()?, fs::metadata(self.0.join("lock"))?);
        let same = (held.dev(), held.ino()) == (named.dev(), named.ino());
        Ok((same && !self.is_claimed()).then_some(lock))
    }

    /// Whether the one that claimed it lives. Only asked of a claimed folder: else it could be in a claimer's way.
    pub fn is_held(&self) -> io::Result<bool> {
        match self.open_lock()?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.0.join("lock"))
    }

    pub fn wish_stop(&self) -> io::Result<()> {
        self.write("stop", b"")
    }

    pub fn is_stop_wished(&self) -> bool {
        self.0.join("stop").exists()
    }

    pub fn spec<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        self.read("spec.json")
    }

    pub fn write_supervisor(&self, supervisor: &Supervisor) -> io::Result<()> {
        self.write("identity.json", &serde_json::to_vec(supervisor)?)
    }

    pub fn supervisor(&self) -> io::Result<Option<Supervisor>> {
        self.read("identity.json")
    }

    pub fn write_driver(&self, driver: &Driver) -> io::Result<()> {
        self.write("driver.json", &serde_json::to_vec(driver)?)
    }

    pub fn driver(&self) -> io::Result<Option<Driver>> {
        self.read("driver.json")
    }

    pub fn write_end(&self, exit: Exit, at: Timestamp) -> io::Result<()> {
        self.write("exit.json", &serde_json::to_vec(&End { exit, at })?)
    }

    pub fn end(&self) -> io::Result<Option<End>> {
        self.read("exit.json")
    }

    /// A line of our own in the driver's log, for what the driver cannot know.
    pub fn note(&self, text: &str) -> io::Result<()> {
        let mut log = self.open_log()?;
        log.write_all(format!("tourmaline: {text}\n").as_bytes())?;
        log.sync_all()
    }

    pub fn open_log(&self) -> io::Result<File> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.log())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self
            .0
            .join(format!(".{name}-{:08x}", rand::random::<u32>()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, self.0.join(name))) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        File::open(&self.0)?.sync_all()
    }
}

impl Supervisor {
    pub fn mark(&self, object: &str) -> Mark {
        Mark {
            object: object.to_owned(),
            run: self.run.clone(),
        }
    }
}

/// A folder that only its owner can enter; one that stands already is left as it is.
pub fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes a folder with all that is in it, also what a job has closed to itself. Nothing of that job lives any more.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner all rights on a folder and those in it.
fn open_up(path: &Path) -> io::Result<()> {
    let mut waiting = vec![path.to_owned()];
    while let Some(folder) = waiting.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_claims_and_nobody_after() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(dir.path().join("run"));
        folder.make().unwrap();
        assert!(!folder.is_claimed());
        let claims: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| folder.claim().unwrap()))
                .collect();
            tries
                .into_iter()
                .filter_map(|attempt| attempt.join().unwrap())
                .collect()
        });
        assert_eq!(claims.len(), 1);
        assert!(folder.is_held().unwrap());
        drop(claims);
        assert!(!folder.is_held().unwrap());
        assert!(folder.claim().unwrap().is_none());
    }
}
