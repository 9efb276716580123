//! Deleting a folder with all that is in it, in bounded steps, whatever a job left there.
use super::{
    super::{Result, keys::Prefix},
    steps,
};
use cap_std::fs::Dir;
use std::io;

/// Folders that lie deeper are moved up first, so that neither open files nor the stack run out.
const DEEPEST: u32 = 64;

/// Removes up to `max` things and says how many.
pub(super) fn some(root: &Dir, prefix: &Prefix, max: usize) -> Result<usize> {
    let Some((parent, name)) = steps::parent_of(root, prefix)? else {
        return Ok(0);
    };
    let mut budget = Budget { left: max.max(1) };
    let all = budget.left;
    budget
        .folder(&parent, name)
        .and_then(|()| steps::sync(&parent))
        .map_err(|error| steps::from_io(error, "deleting a folder"))?;
    Ok(all - budget.left)
}

/// Removes a folder that holds nothing at all; otherwise the name of something that it holds.
pub(super) fn empty(root: &Dir, prefix: &Prefix) -> Result<Option<String>> {
    let failed = |error| steps::from_io(error, "deleting an empty folder");
    let Some((parent, name)) = steps::parent_of(root, prefix)? else {
        return Ok(None);
    };
    match parent.remove_dir(name) {
        Ok(()) => {}
        Err(error) if steps::is_absent(&error) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            let first = steps::enter_to_remove(&parent, name)
                .and_then(|folder| folder.entries()?.next().transpose())
                .map_err(failed)?;
            let held = first.map_or_else(String::new, |entry| {
                entry.file_name().to_string_lossy().into_owned()
            });
            return Ok(Some(held));
        }
        Err(error) => return Err(failed(error)),
    }
    steps::sync(&parent).map_err(failed)?;
    Ok(None)
}

struct Budget {
    left: usize,
}

impl Budget {
    fn folder(&mut self, parent: &Dir, name: &str) -> io::Result<()> {
        match parent.symlink_metadata(name) {
            Err(error) if steps::is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
            // The link goes, what it points to stays.
            Ok(meta) if meta.is_symlink() => {
                parent.remove_file(name)?;
                self.left -= 1;
                return Ok(());
            }
            // A file of this name is an object of its own, not something in the folder.
            Ok(meta) if !meta.is_dir() => return Ok(()),
            Ok(_) => {}
        }
        let top = steps::enter_to_remove(parent, name)?;
        if self.clear(&top, &top, 0)? {
            self.remove_dir(parent, name.as_ref())?;
        }
        Ok(())
    }

    /// Empties a folder; whether it is empty now.
    fn clear(&mut self, top: &Dir, here: &Dir, depth: u32) -> io::Result<bool> {
        let mut is_empty = true;
        let before = self.left;
        for entry in here.entries()? {
            if self.left == 0 {
                is_empty = false;
                break;
            }
            let entry = entry?;
            let name = entry.file_name();
            if !here.symlink_metadata(&name).is_ok_and(|meta| meta.is_dir()) {
                match here.remove_file(&name) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => self.left -= 1,
                }
            } else if depth == DEEPEST {
                here.rename(&name, top, format!(".deep-{}", uuid::Uuid::new_v4()))?;
                self.left -= 1;
            } else {
                let below = steps::enter_to_remove(here, &*name)?;
                if !self.clear(top, &below, depth + 1)? || !self.remove_dir(here, &name)? {
                    is_empty = false;
                }
            }
        }
        if !is_empty && self.left < before {
            steps::sync(here)?;
        }
        Ok(is_empty)
    }

    /// Removes an empty folder; false when something came into it meanwhile or the budget is used up.
    fn remove_dir(&mut self, parent: &Dir, name: &std::ffi::OsStr) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        match parent.remove_dir(name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.left -= 1;
                Ok(true)
            }
        }
    }
}
