//! Deleting an ended job. It is hidden at once, in the transaction that leaves a task; then its objects go, then its
//! bytes, then its rows, so that whatever is killed at whatever moment, what is left can still be found.
use super::folder;
use crate::{
    cluster::Object,
    domain::{
        access::{Action, Actor, Permitted},
        ids::{JobId, ProjectId},
        names::FilePath,
    },
    services::{Error, Portal, Result, files::Started, tasks::Work},
    storage::keys,
    store::{self, NewTask, TaskState},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// What becomes of a deleted job's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    Keep,
    Delete,
}

/// A job that is being deleted, as its task knows it: the row goes before the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doomed {
    pub job: JobId,
    pub number: i64,
    /// The folder of its outputs, where they go with it.
    pub outputs: Option<FilePath>,
}

/// Things that go before the answer; where there are more the task goes on.
const SMALL: usize = 200;
const SOON: Duration = Duration::from_secs(3);

/// Removes an ended job with its logs and its copies of the code: a small one at once, all else by a task.
pub async fn delete(
    portal: &Portal,
    actor: &Actor,
    id: JobId,
    outputs: Outputs,
) -> Result<Started> {
    let open = portal.open_job(actor, id, Action::RunJobs).await?;
    let job = open.job();
    if !job.phase.is_terminal() {
        return Err(Error::Conflict(
            "This job has not ended. Cancel it first, then delete it.".into(),
        ));
    }
    let doomed = Doomed {
        job: id,
        number: job.number,
        outputs: match outputs {
            Outputs::Keep => None,
            Outputs::Delete => Some(folder(job)?),
        },
    };
    let title = format!("Delete the job “{}”", job.spec.name);
    let task = Work::DeleteJob(doomed.clone()).task(portal, actor, job.project, title)?;
    let now = portal.clock.now();
    let mut tx = portal.store.begin().await?;
    tx.begin_deleting_job(&open.permit, job.project, now)
        .await?;
    tx.insert_task(&task).await?;
    tx.add_audit(
        open.permit.by(),
        "job.delete",
        &id.to_string(),
        job.spec.name.as_str(),
        now,
    )
    .await?;
    tx.commit().await?;
    match at_once(portal, job.project, &doomed, &open.permit, &task).await {
        Ok(started) => Ok(started),
        Err(error) => {
            tracing::warn!(job = %id, ?error, "a job was not deleted at once; its task goes on");
            Ok(Started::Task(task.id))
        }
    }
}

/// What its task would do, perhaps beside it: either may find that the other was there before.
async fn at_once(
    portal: &Portal,
    project: ProjectId,
    doomed: &Doomed,
    permit: &Permitted<JobId>,
    task: &NewTask,
) -> Result<Started> {
    let begun = Instant::now();
    if clear(portal, project, doomed, SMALL).await? == SMALL
        || clear(portal, project, doomed, SMALL).await? > 0
        || begun.elapsed() > SOON
    {
        return Ok(Started::Task(task.id));
    }
    let mut tx = portal.store.begin().await?;
    match tx.delete_job(permit, doomed.number).await {
        Ok(()) => {}
        Err(store::Error::Stale(_)) => return Ok(Started::Done),
        Err(error) => return Err(error.into()),
    }
    tx.end_task(task.id, TaskState::Done, "Deleted.", portal.clock.now())
        .await?;
    tx.commit().await?;
    Ok(Started::Done)
}

/// Deletes its objects, then up to `most` of its bytes' keys, and says how many; with 0 only its rows are left.
pub async fn clear(
    portal: &Portal,
    project: ProjectId,
    doomed: &Doomed,
    most: usize,
) -> Result<usize> {
    clear_objects(portal, doomed.job).await?;
    let mut prefixes = vec![
        keys::log_prefix(project, doomed.job),
        keys::job_code_prefix(project, doomed.job),
    ];
    if let Some(outputs) = &doomed.outputs {
        prefixes.push(keys::files_prefix(project, Some(outputs)));
    }
    let mut gone = 0;
    for prefix in prefixes {
        gone += portal.storage.delete_some(&prefix, most - gone).await?;
        if gone >= most {
            break;
        }
    }
    Ok(gone)
}

/// Deletes what its attempts left on their clusters: nobody could find it once the rows are gone.
pub async fn clear_objects(portal: &Portal, job: JobId) -> Result<()> {
    let permit = Permitted::by_system(job, "the objects of a deleted job");
    for attempt in portal.store.list_objects_of(job).await? {
        let Some(cluster) = portal.clusters.get(&attempt.cluster) else {
            continue;
        };
        if let Err(error) = cluster.delete(&Object::of(&attempt)).await {
            tracing::warn!(object = %attempt.object, %error, "an object of a deleted job stays for now");
            return Err(Error::Unavailable(vec![format!(
                "cluster/{}",
                attempt.cluster
            )]));
        }
        let mut tx = portal.store.begin().await?;
        tx.object_deleted(&permit, attempt.number, portal.clock.now())
            .await?;
        tx.commit().await?;
    }
    Ok(())
}
