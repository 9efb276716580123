//! Bodies that are not whole yet: files in the store's own `tmp`, renamed into place or removed.
use super::{
    super::{Error, Result},
    Inner, steps,
};
use bytes::Bytes;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::File,
    io::{self, IoSlice, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

const STALE: Duration = Duration::from_hours(24);
/// Bytes copied per step; a step takes well under a second.
const COPY_STEP: u64 = 64 * 1024 * 1024;

/// A file that is removed when it is dropped, unless it was kept.
pub(super) struct Temp {
    inner: Arc<Inner>,
    name: String,
    file: Arc<File>,
    kept: AtomicBool,
}

impl Temp {
    pub(super) fn new(inner: &Arc<Inner>) -> Result<Self> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let file = rustix::fs::openat(&inner.temp, &name, flags, mode)
            .map_err(|error| steps::from_io(error.into(), "making a temporary file"))?;
        Ok(Self {
            inner: inner.clone(),
            name,
            file: Arc::new(file.into()),
            kept: AtomicBool::new(false),
        })
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    pub(super) fn rename(&self, folder: &Dir, name: &str) -> io::Result<()> {
        self.inner.temp.rename(&self.name, folder, name)
    }

    /// It is no longer temporary.
    pub(super) fn keep(&self) {
        self.kept.store(true, Relaxed);
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if self.kept.load(Relaxed) {
            return;
        }
        let (inner, name) = (self.inner.clone(), std::mem::take(&mut self.name));
        // Removing a large file takes a while, and this may be a thread that serves others. What remains here by mischance is
        // removed by a later start.
        let remove = move || drop(inner.temp.remove_file(name));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Writes pieces one after the other at the end of a file.
pub(super) fn write_all(mut file: &File, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces
        .iter()
        .filter(|piece| !piece.is_empty())
        .map(|piece| IoSlice::new(piece))
        .collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Copies the next bytes within the kernel where it can; false at the end.
pub(super) fn copy_step(from: &File, mut to: &File) -> io::Result<bool> {
    Ok(io::copy(&mut io::Read::take(from, COPY_STEP), &mut to)? == COPY_STEP)
}

/// Removes what a crash left. Age is told by the file system's own clock, that of a new file.
pub(super) fn clean(temp: &Dir) -> Result<()> {
    let failed = |error| steps::from_io(error, "removing old temporary files");
    let probe = format!("start-{}", uuid::Uuid::new_v4().simple());
    let now = temp
        .create(&probe)
        .and_then(|file| file.metadata()?.modified())
        .map_err(failed)?;
    temp.remove_file(&probe).map_err(failed)?;
    for entry in temp.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|made| now.duration_since(made).is_ok_and(|age| age > STALE));
        if old {
            match temp.remove_file(entry.file_name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
    }
    Ok::<(), Error>(())
}
