//! One text looked for everywhere that the caller may look: names of projects, jobs, names of files. Bounded in work, and
//! says where it stopped.
use super::{Error, Portal, Result, files, jobs, projects};
use crate::{
    domain::{
        access::Actor,
        names::{ONE_LINE, Title, is_one_line},
        project::Project,
    },
    storage::Kind,
    store::{JobFilter, Membership, Place},
};
use std::time::Duration;
use tokio::time::Instant;

/// The least characters that jobs and files are searched for.
pub const LEAST: usize = 3;
/// Shown of each kind.
const SHOWN: usize = 20;
/// The newest projects that are looked through.
const PROJECTS: u32 = 1000;
/// Files of a project that are looked at.
const FILES: usize = 2000;
/// All looking at files ends after this.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Default)]
pub struct Found {
    pub projects: Vec<Membership>,
    pub jobs: Vec<Place>,
    /// There are more jobs than those.
    pub more_jobs: bool,
    pub files: Vec<FoundFile>,
    /// There are more files than those.
    pub more_files: bool,
    /// Projects not all of whose files were looked at.
    pub cut: Vec<Title>,
}

impl Found {
    pub fn is_empty(&self) -> bool {
        self.projects.is_empty() && self.jobs.is_empty() && self.files.is_empty()
    }
}

pub struct FoundFile {
    pub project: Project,
    pub path: String,
    pub kind: Kind,
}

/// Looks for a text, whatever its case. With fewer than [`LEAST`] characters only projects are looked through.
pub async fn search(portal: &Portal, actor: &Actor, text: &str) -> Result<Found> {
    let text = text.trim().to_lowercase();
    if !is_one_line(&text) {
        return Err(Error::field("/q", ONE_LINE, Some(&text)));
    }
    let mut found = Found::default();
    if text.is_empty() {
        return Ok(found);
    }
    let mine = projects::list_mine(portal, actor).await?;
    found.projects = projects_named(portal, actor, &mine, &text).await?;
    if text.chars().count() < LEAST {
        return Ok(found);
    }
    let filter = JobFilter {
        text: Some(text.clone()),
        ..JobFilter::default()
    };
    let page = jobs::list_mine(portal, actor, &filter, None, 20).await?;
    found.more_jobs = page.next.is_some();
    found.jobs = page.jobs;
    let until = Instant::now() + PATIENCE;
    for of in &mine {
        files_named(portal, actor, &of.project, &text, until, &mut found).await?;
        if found.more_files {
            break;
        }
    }
    Ok(found)
}

async fn projects_named(
    portal: &Portal,
    actor: &Actor,
    mine: &[Membership],
    text: &str,
) -> Result<Vec<Membership>> {
    let others = projects::list(portal, actor, None, PROJECTS).await?;
    let others = others
        .into_iter()
        .filter(|of| mine.iter().all(|m| m.project.id != of.project.id));
    let named = |of: &Membership| of.project.name.as_str().to_lowercase().contains(text);
    Ok(mine
        .iter()
        .cloned()
        .chain(others)
        .filter(named)
        .take(SHOWN)
        .collect())
}

async fn files_named(
    portal: &Portal,
    actor: &Actor,
    project: &Project,
    text: &str,
    until: Instant,
    found: &mut Found,
) -> Result<()> {
    let mut after = None;
    let mut seen = 0;
    while seen < FILES && Instant::now() < until {
        let page = files::list(
            portal,
            actor,
            project.id,
            None,
            files::Depth::All,
            after.as_deref(),
            FILES - seen,
        )
        .await?;
        seen += page.entries.len();
        for entry in page.entries {
            if !is_named(&entry.name, text) {
                continue;
            }
            if found.files.len() == SHOWN {
                found.more_files = true;
                return Ok(());
            }
            found.files.push(FoundFile {
                project: project.clone(),
                path: entry.name,
                kind: entry.kind,
            });
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
    found.cut.push(project.name.clone());
    Ok(())
}

/// By the file's own name, or by the path where a path is looked for.
fn is_named(path: &str, text: &str) -> bool {
    let name = match path.rsplit_once('/') {
        Some((_, name)) if !text.contains('/') => name,
        _ => path,
    };
    name.to_lowercase().contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_name_and_by_path() {
        assert!(is_named("data/Words.txt", "words"));
        assert!(!is_named("words/a.txt", "words"));
        assert!(is_named("words/a.txt", "words/"));
    }
}
