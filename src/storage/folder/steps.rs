//! Steps through the folder, one name at a time and never through a symbolic link: a job can plant links among its
//! outputs, and `cap-std` alone would follow those that stay inside the root, into another project's files.
use super::super::{Error, Result, keys::Prefix};
use cap_std::fs::Dir;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use std::{fs::File, io};

/// How often something is tried again that a deletion of its folder got in the way of.
pub(super) const TRIES: usize = 100;

/// Opens a folder that is right below another.
pub(super) fn enter(parent: &Dir, name: impl rustix::path::Arg) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(folder)))
}

/// Opens a folder to take it away, also one that its writer has closed to itself: it is the same user's as the store.
pub(super) fn enter_to_remove(
    parent: &Dir,
    name: impl rustix::path::Arg + Copy,
) -> io::Result<Dir> {
    let folder = match enter(parent, name) {
        Err(error) if is_closed(&error) => {
            open_up(parent, name)?;
            enter(parent, name)
        }
        other => other,
    }?;
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&folder)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

/// Gives a folder's owner all rights. A descriptor that was opened for nothing pins it: a link is not followed.
#[cfg(target_os = "linux")]
fn open_up(parent: &Dir, name: impl rustix::path::Arg) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let itself = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok(rustix::fs::chmod(itself, Mode::RWXU)?)
}

#[cfg(not(target_os = "linux"))]
fn open_up(parent: &Dir, name: impl rustix::path::Arg) -> io::Result<()> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    Ok(rustix::fs::chmodat(parent, name, Mode::RWXU, flags)?)
}

/// Whether somebody has taken the rights away.
pub(super) fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Opens a folder by its path.
pub(super) fn walk(root: &Dir, path: &str) -> io::Result<Dir> {
    let mut here = root.try_clone()?;
    for name in path.split('/') {
        here = enter(&here, name)?;
    }
    Ok(here)
}

/// Opens a folder by its path and makes what is missing of it, durably.
pub(super) fn make(root: &Dir, path: &str) -> Result<Dir> {
    for _ in 0..TRIES {
        match make_once(root, path) {
            Err(Error::NotFound) => {}
            other => return other,
        }
    }
    Err(Error::Unavailable(
        "the folder is being deleted at the same time".into(),
    ))
}

/// Fails with [`Error::NotFound`] when a folder on the way is deleted meanwhile.
fn make_once(root: &Dir, path: &str) -> Result<Dir> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound,
        _ => from_io(error, "making a folder"),
    };
    let mut here = root.try_clone().map_err(failed)?;
    for name in path.split('/') {
        let below = match enter(&here, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match here.create_dir(name) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(failed(error));
                    }
                    _ => sync(&here).map_err(failed)?,
                }
                enter(&here, name)
            }
            other => other,
        };
        here = below.map_err(|error| {
            if is_no_folder(&error) {
                Error::Conflict(format!("`{name}` is not a folder"))
            } else {
                failed(error)
            }
        })?;
    }
    Ok(here)
}

/// Opens a file for reading; links, pipes, devices and what its writer has closed are as good as absent.
pub(super) fn open_file(folder: &Dir, name: &str) -> Result<File> {
    // Without NONBLOCK the opening of a pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(|error| {
        match io::Error::from(error) {
            error if is_closed(&error) => Error::NotFound,
            error => absent_or(error, "opening a file"),
        }
    })?;
    let file = File::from(file);
    let meta = file
        .metadata()
        .map_err(|error| from_io(error, "opening a file"))?;
    if meta.is_file() {
        Ok(file)
    } else {
        Err(Error::NotFound)
    }
}

/// The folder that holds this one, and its name, to take it away; `None` when the way there is not there.
pub(super) fn parent_of<'a>(root: &Dir, prefix: &'a Prefix) -> Result<Option<(Dir, &'a str)>> {
    let (parent, name) = prefix
        .folder_path()
        .rsplit_once('/')
        .unwrap_or(("", prefix.folder_path()));
    let way = || {
        let mut here = root.try_clone()?;
        for name in parent.split('/') {
            here = enter_to_remove(&here, name)?;
        }
        Ok(here)
    };
    match way() {
        Ok(parent) => Ok(Some((parent, name))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(from_io(error, "looking for a folder")),
    }
}

/// Makes what was done in a folder durable.
pub(super) fn sync(folder: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

/// Whether the error says that a name on the way is a file or a link.
pub(super) fn is_no_folder(error: &io::Error) -> bool {
    // Linux says NOTDIR of a link that should be a folder, macOS says LOOP.
    error.kind() == io::ErrorKind::NotADirectory
        || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Whether the error says that nothing which a reader may see is there.
pub(super) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || is_no_folder(error)
}

pub(super) fn absent_or(error: io::Error, doing: &'static str) -> Error {
    if is_absent(&error) {
        Error::NotFound
    } else {
        from_io(error, doing)
    }
}

/// What the system said, by what a caller can do about it.
pub(super) fn from_io(error: io::Error, doing: &'static str) -> Error {
    use io::ErrorKind as K;
    let few_files = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    match error.kind() {
        K::StorageFull | K::QuotaExceeded => Error::Full(error.to_string()),
        K::ReadOnlyFilesystem | K::StaleNetworkFileHandle | K::TimedOut => {
            Error::Unavailable(error.to_string())
        }
        _ if few_files.contains(&error.raw_os_error()) => Error::Unavailable(error.to_string()),
        _ => Error::Internal(anyhow::Error::new(error).context(doing)),
    }
}
