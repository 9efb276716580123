//! Listings in the order of S3 (bytes of the whole key), with memory for no more than the page that was asked for.
use super::{
    super::{Entry, Kind, Page},
    steps,
};
use crate::domain::names::FilePath;
use cap_std::fs::Dir;
use std::{collections::BinaryHeap, io};

/// How far a listing goes down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    One,
    All,
}

/// A name in a folder, ordered as its key is: a folder's name counts with its slash.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    position: String,
    is_folder: bool,
}

pub(super) fn page(folder: &Dir, depth: Depth, after: &str, limit: usize) -> io::Result<Page> {
    // One more than asked tells whether there is a next page.
    let mut walk = Walk {
        depth,
        want: limit + 1,
        entries: Vec::new(),
    };
    walk.folder(folder, "", after)?;
    let mut entries = walk.entries;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(Entry::position);
    Ok(Page { entries, next })
}

struct Walk {
    depth: Depth,
    want: usize,
    entries: Vec<Entry>,
}

impl Walk {
    /// Adds what lies in a folder behind a position, which is relative to it as `base` is to the top.
    fn folder(&mut self, folder: &Dir, base: &str, after: &str) -> io::Result<()> {
        let mut last: Option<String> = None;
        loop {
            let need = self.want - self.entries.len();
            let batch = match &last {
                None => scan(folder, need, |position| {
                    let holds_it = position.ends_with('/') && after.starts_with(position);
                    position > after || (self.depth == Depth::All && holds_it)
                })?,
                Some(last) => scan(folder, need, |position| position > last.as_str())?,
            };
            let whole = batch.len() < need;
            for found in batch {
                self.add(folder, base, after, &found)?;
                if self.entries.len() == self.want {
                    return Ok(());
                }
                last = Some(found.position);
            }
            if whole {
                return Ok(());
            }
        }
    }

    fn add(&mut self, folder: &Dir, base: &str, after: &str, found: &Found) -> io::Result<()> {
        let path = format!("{base}{}", found.position);
        let name = path.trim_end_matches('/').to_owned();
        // What a job named so that no key can name it is not shown; deleting its folder deletes it.
        if FilePath::parse(&name).is_err() {
            return Ok(());
        }
        if !found.is_folder {
            let meta = match folder.symlink_metadata(&found.position) {
                Err(error) if steps::is_absent(&error) || steps::is_closed(&error) => return Ok(()),
                other => other?,
            };
            let modified = meta.modified()?.into_std().try_into().ok();
            self.entries.push(Entry {
                name,
                kind: Kind::File,
                size: meta.len(),
                modified,
            });
            return Ok(());
        }
        let before = self.entries.len();
        let resumed = after.strip_prefix(&found.position);
        if self.depth == Depth::All {
            let below = steps::enter(folder, found.position.trim_end_matches('/'))
                .and_then(|below| self.folder(&below, &path, resumed.unwrap_or("")));
            match below {
                Err(error) if steps::is_absent(&error) => return Ok(()),
                // Its writer has taken the rights away: it shows nothing.
                Err(error) if steps::is_closed(&error) => {}
                below => below?,
            }
        }
        if self.entries.len() == before && resumed.is_none() {
            self.entries.push(Entry {
                name,
                kind: Kind::Folder,
                size: 0,
                modified: None,
            });
        }
        Ok(())
    }
}

/// The first `want` names of a folder that are wanted, in order. Links, pipes and devices are left out.
fn scan(folder: &Dir, want: usize, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Found>> {
    let mut first = BinaryHeap::with_capacity(want.min(super::super::PAGE) + 1);
    for entry in folder.entries()? {
        let entry = entry?;
        let Ok(mut position) = entry.file_name().into_string() else {
            continue;
        };
        let mut kind = entry.file_type()?;
        if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
            // Some file systems do not tell the kind in a listing.
            match folder.symlink_metadata(&position) {
                Ok(meta) => kind = meta.file_type(),
                Err(_) => continue,
            }
        }
        if !kind.is_file() && !kind.is_dir() {
            continue;
        }
        let is_folder = kind.is_dir();
        if is_folder {
            position.push('/');
        }
        if !wanted(&position) {
            continue;
        }
        let found = Found {
            position,
            is_folder,
        };
        if first.len() < want {
            first.push(found);
        } else if first.peek().is_some_and(|largest| found < *largest) {
            first.pop();
            first.push(found);
        }
    }
    Ok(first.into_sorted_vec())
}
