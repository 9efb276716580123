//! Carries out tasks in small steps. A step looks at what is left and needs no memory of those before it, so that another
//! replica or the next start goes on where this one stopped. Each progress and end is written under the lease.
use super::Worker;
use crate::{
    domain::{
        access::Permitted,
        ids::{JobId, ProjectId},
        names::FilePath,
    },
    services::{
        Portal,
        files::Target,
        jobs::{self, Doomed},
        tasks::Work,
    },
    storage::{self, Kind, keys},
    store::{self, Lease, Task, TaskState},
};
use std::time::{Duration, Instant};

pub struct Tasks(pub Portal);

/// Things that one step deletes or moves.
const STEP: usize = 200;
/// How long a tick goes on; well within the lease.
const TICK: Duration = Duration::from_secs(5);
/// Pages of a listing that are counted to know how much there is to do.
const COUNTED: usize = 20;

/// What a step did.
enum Step {
    /// So many things; there may be more.
    Some(u64),
    /// Nothing was left.
    Over,
}

impl Worker for Tasks {
    const NAME: &'static str = "tasks";
    const PERIOD: Duration = Duration::from_secs(10);

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let mut moved = false;
            for task in self.0.store.list_live_tasks(100).await? {
                moved |= self.advance(lease, &task).await?;
                if begun.elapsed() > TICK {
                    return Ok(());
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }
}

impl Tasks {
    /// One step of one task; whether there is reason to look again at once.
    async fn advance(&self, lease: &Lease, task: &Task) -> anyhow::Result<bool> {
        let work = match Work::of(task) {
            Ok(work) => work,
            Err(error) => {
                tracing::error!(task = %task.id, %error, "this task cannot be read");
                let why = "This version of the portal does not know this kind of task.";
                self.end(lease, task, TaskState::Failed, why).await?;
                return Ok(true);
            }
        };
        if task.cancel_requested && work.is_stoppable() {
            let words = format!("Stopped as asked; {} done by then.", things(task.done));
            self.end(lease, task, TaskState::Cancelled, &words).await?;
            return Ok(true);
        }
        match self.step(lease, task, &work).await {
            Ok(Step::Some(count)) => {
                let done = task.done + count;
                let total = match task.total {
                    None if task.done == 0 => {
                        self.count(task, &work).await?.map(|left| left + count)
                    }
                    known => known,
                };
                let mut tx = self.0.store.begin_under(lease).await?;
                tx.task_progress(task.id, done, total.map(|total| total.max(done)))
                    .await?;
                tx.commit().await?;
                Ok(true)
            }
            Ok(Step::Over) => {
                let words = format!("{} {}.", things(task.done), past(&work));
                self.end(lease, task, TaskState::Done, &words).await?;
                Ok(true)
            }
            Err(error) => self.failed(lease, task, &work, error).await,
        }
    }

    /// What may go away is tried again at the next tick; the rest ends the task with its reason.
    async fn failed(
        &self,
        lease: &Lease,
        task: &Task,
        work: &Work,
        error: anyhow::Error,
    ) -> anyhow::Result<bool> {
        use storage::Error::{Conflict, Full, Unavailable};
        if error.downcast_ref::<store::Error>().is_some() {
            return Err(error);
        }
        let why = match error.downcast_ref() {
            Some(Unavailable(_) | Full(_)) => None,
            Some(Conflict(why)) => Some(format!("It stopped: {why}.")),
            _ => Some(match error.downcast_ref::<NotMoved>() {
                Some(why) => why.to_string(),
                None => "Something went wrong here; what was done so far stays done.".into(),
            }),
        };
        match why {
            Some(why) if work.is_stoppable() => {
                tracing::warn!(task = %task.id, ?error, "a task failed");
                self.end(lease, task, TaskState::Failed, &why).await?;
                Ok(true)
            }
            _ => {
                tracing::warn!(task = %task.id, ?error, "a task waits; the next tick tries again");
                Ok(false)
            }
        }
    }

    async fn end(
        &self,
        lease: &Lease,
        task: &Task,
        state: TaskState,
        outcome: &str,
    ) -> anyhow::Result<()> {
        let mut tx = self.0.store.begin_under(lease).await?;
        tx.end_task(task.id, state, outcome, self.0.clock.now())
            .await?;
        Ok(tx.commit().await?)
    }

    async fn step(&self, lease: &Lease, task: &Task, work: &Work) -> anyhow::Result<Step> {
        let project = task
            .project
            .ok_or_else(|| anyhow::anyhow!("the task names no project"))?;
        match work {
            Work::DeleteFiles { targets } => self.delete_files(project, targets).await,
            Work::MoveFiles { from, to } => self.move_files(project, from, to).await,
            Work::DeleteProject => self.delete_project(lease, project).await,
            Work::DeleteJob(doomed) => self.delete_job(lease, project, doomed).await,
        }
    }

    async fn delete_files(&self, project: ProjectId, targets: &[Target]) -> anyhow::Result<Step> {
        let storage = &self.0.storage;
        let mut count = 0;
        for target in targets {
            match target {
                Target::File(path) => {
                    let key = keys::project_file(project, path);
                    if storage.exists(&key).await? {
                        storage.delete(&key).await?;
                        count += 1;
                    }
                }
                Target::Folder(path) => {
                    let prefix = keys::files_prefix(project, Some(path));
                    count += storage.delete_some(&prefix, STEP).await?;
                }
            }
            if count >= STEP {
                break;
            }
        }
        Ok(some(count))
    }

    async fn move_files(
        &self,
        project: ProjectId,
        from: &Target,
        to: &FilePath,
    ) -> anyhow::Result<Step> {
        let storage = &self.0.storage;
        let Target::Folder(folder) = from else {
            let (old, new) = (
                keys::project_file(project, from.path()),
                keys::project_file(project, to),
            );
            return match storage.rename(&old, &new).await {
                Err(storage::Error::NotFound) => Ok(Step::Over),
                moved => Ok(moved.map(|()| Step::Some(1))?),
            };
        };
        let prefix = keys::files_prefix(project, Some(folder));
        if !storage.folder_exists(&prefix).await? {
            return Ok(Step::Over);
        }
        let begun = Instant::now();
        let (mut count, mut left, mut after) = (0, None, None);
        loop {
            let page = storage.list_all(&prefix, after.as_deref(), STEP).await?;
            for entry in page.entries {
                let (old, new) = (folder.join(&entry.name), to.join(&entry.name));
                let (Ok(old), Ok(new)) = (old, new) else {
                    return Err(NotMoved::TooLong(entry.name).into());
                };
                if entry.kind == Kind::Folder {
                    match self.move_empty(project, &old, &new).await? {
                        None => count += 1,
                        Some(held) => left = left.or(Some((old, held))),
                    }
                } else {
                    let (old, new) = (
                        keys::project_file(project, &old),
                        keys::project_file(project, &new),
                    );
                    match storage.rename(&old, &new).await {
                        // Deleted since it was listed.
                        Err(storage::Error::NotFound) => {}
                        moved => moved?,
                    }
                    count += 1;
                }
                if begun.elapsed() > TICK {
                    return Ok(Step::Some(count));
                }
            }
            after = page.next;
            // Folders that stay are passed by, so that all else is moved before the task ends for them.
            if count > 0 {
                return Ok(Step::Some(count));
            }
            if after.is_none() {
                break;
            }
        }
        if left.is_none() {
            let held = self.move_empty(project, folder, to).await?;
            left = held.map(|held| (folder.clone(), held));
        }
        match left {
            Some((folder, held)) => Err(NotMoved::Holds { folder, held }.into()),
            None => Ok(Step::Over),
        }
    }

    /// Moves a folder in which a listing shows nothing; else the name of what it holds all the same, and it stays.
    async fn move_empty(
        &self,
        project: ProjectId,
        from: &FilePath,
        to: &FilePath,
    ) -> anyhow::Result<Option<String>> {
        let storage = &self.0.storage;
        let (old, new) = (
            keys::files_prefix(project, Some(from)),
            keys::files_prefix(project, Some(to)),
        );
        // The new one first: a crash between the two loses nothing.
        storage.make_folder(&new).await?;
        let held = storage.delete_empty(&old).await?;
        if held.is_some() {
            storage.delete_empty(&new).await?;
        }
        Ok(held)
    }

    async fn delete_project(&self, lease: &Lease, project: ProjectId) -> anyhow::Result<Step> {
        let portal = &self.0;
        let jobs = portal.store.list_doomed_jobs(project, 20).await?;
        if !jobs.is_empty() {
            for (job, number) in &jobs {
                jobs::clear_objects(portal, *job).await?;
                let permit = Permitted::by_system(*job, "a job of a deleted project");
                self.delete_rows(lease, &permit, *number).await?;
            }
            return Ok(some(jobs.len()));
        }
        let count = portal
            .storage
            .delete_some(&keys::project_prefix(project), STEP)
            .await?;
        if count > 0 {
            return Ok(some(count));
        }
        let mut tx = portal.store.begin_under(lease).await?;
        let permit = Permitted::by_system(project, "the end of a deleted project");
        tx.delete_project(&permit).await?;
        tx.commit().await?;
        Ok(Step::Over)
    }

    /// With its rows gone it looks once more: whoever was merging its log may have ended only then.
    async fn delete_job(
        &self,
        lease: &Lease,
        project: ProjectId,
        doomed: &Doomed,
    ) -> anyhow::Result<Step> {
        let count = jobs::clear(&self.0, project, doomed, STEP).await?;
        if count > 0 {
            return Ok(some(count));
        }
        let permit = Permitted::by_system(doomed.job, "a deleted job");
        let was_there = self.delete_rows(lease, &permit, doomed.number).await?;
        Ok(some(usize::from(was_there)))
    }

    /// Whether they were still there.
    async fn delete_rows(
        &self,
        lease: &Lease,
        job: &Permitted<JobId>,
        number: i64,
    ) -> anyhow::Result<bool> {
        let mut tx = self.0.store.begin_under(lease).await?;
        match tx.delete_job(job, number).await {
            Ok(()) => {}
            Err(store::Error::Stale(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        tx.commit().await?;
        Ok(true)
    }

    /// How much is left, where that is quickly known.
    async fn count(&self, task: &Task, work: &Work) -> anyhow::Result<Option<u64>> {
        let Some(project) = task.project else {
            return Ok(None);
        };
        let (mut left, prefixes) = match work {
            Work::DeleteFiles { targets } => {
                let folders = targets.iter().filter(|target| target.is_folder());
                let prefixes = folders
                    .map(|target| keys::files_prefix(project, Some(target.path())))
                    .collect();
                (0, prefixes)
            }
            Work::MoveFiles { from, .. } => {
                (0, vec![keys::files_prefix(project, Some(from.path()))])
            }
            Work::DeleteProject => {
                let jobs = self.0.store.count_jobs(project).await?;
                let prefix = keys::project_prefix(project);
                (u64::try_from(jobs).unwrap_or(0), vec![prefix])
            }
            Work::DeleteJob(doomed) => {
                let outputs = doomed.outputs.iter();
                let outputs = outputs.map(|folder| keys::files_prefix(project, Some(folder)));
                let mut prefixes = vec![
                    keys::log_prefix(project, doomed.job),
                    keys::job_code_prefix(project, doomed.job),
                ];
                prefixes.extend(outputs);
                (1, prefixes)
            }
        };
        let mut pages = 0;
        for prefix in prefixes {
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .0
                    .storage
                    .list_all(&prefix, after.as_deref(), storage::PAGE)
                    .await?;
                left += page.entries.len() as u64;
                pages += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
                if pages == COUNTED {
                    return Ok(None);
                }
            }
        }
        Ok(Some(left))
    }
}

/// What cannot have its new place.
#[derive(Debug, thiserror::Error)]
enum NotMoved {
    #[error(
        "`{0}` would have too long or too deep a path there (900 bytes, 64 parts); what was moved before it stays moved."
    )]
    TooLong(String),
    #[error(
        "The folder `{folder}` stays where it was: it holds `{}`, which is a link or has a name that no file here can have. What can be moved is moved; delete the folder to be rid of the rest.",
        held.escape_default()
    )]
    Holds { folder: FilePath, held: String },
}

fn some(count: usize) -> Step {
    if count == 0 {
        Step::Over
    } else {
        Step::Some(count as u64)
    }
}

fn things(count: u64) -> String {
    if count == 1 {
        "1 thing".into()
    } else {
        format!("{count} things")
    }
}

fn past(work: &Work) -> &'static str {
    match work {
        Work::MoveFiles { .. } => "moved",
        Work::DeleteFiles { .. } | Work::DeleteProject | Work::DeleteJob(_) => "deleted",
    }
}
