//! Tasks: long work that goes on by itself, seen and stopped here and carried out by `background::tasks`.
use super::{Error, Portal, Result, error::denied, files::Target, jobs::Doomed};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{ProjectId, TaskId},
        names::FilePath,
        user::Scope,
    },
    store::{NewTask, Task},
};
use serde::{Deserialize, Serialize};

/// What a task is to do; kept in its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "input")]
pub enum Work {
    DeleteFiles {
        targets: Vec<Target>,
    },
    /// `to` is the new path itself, not the folder that it goes to.
    MoveFiles {
        from: Target,
        to: FilePath,
    },
    DeleteProject,
    DeleteJob(Doomed),
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Self::DeleteFiles { .. } => "delete_files",
            Self::MoveFiles { .. } => "move_files",
            Self::DeleteProject => "delete_project",
            Self::DeleteJob(_) => "delete_job",
        }
    }

    /// What a row says; an error where this portal does not know such work.
    pub fn of(task: &Task) -> anyhow::Result<Self> {
        Ok(serde_json::from_str(&task.input)?)
    }

    /// Half a project or half a job is of no use to anybody: its deletion goes on to its end.
    pub fn is_stoppable(&self) -> bool {
        !matches!(self, Self::DeleteProject | Self::DeleteJob(_))
    }

    /// The row of a new task.
    pub(super) fn task(
        &self,
        portal: &Portal,
        actor: &Actor,
        project: ProjectId,
        title: String,
    ) -> Result<NewTask> {
        Ok(NewTask {
            id: TaskId::new(),
            kind: self.kind(),
            title,
            project: Some(project),
            user: actor.user.id,
            input: serde_json::to_string(self).map_err(anyhow::Error::from)?,
            created_at: portal.clock.now(),
        })
    }
}

/// The caller's own tasks, the newest first.
pub async fn list(
    portal: &Portal,
    actor: &Actor,
    before: Option<TaskId>,
    limit: u32,
) -> Result<Vec<Task>> {
    Ok(portal
        .store
        .list_tasks(actor.user.id, before, limit)
        .await?)
}

/// The first few of a project's tasks that have not ended.
pub async fn list_live(portal: &Portal, actor: &Actor, project: ProjectId) -> Result<Vec<Task>> {
    portal.open_project(actor, project, Action::See).await?;
    Ok(portal.store.list_live_tasks_of(project, 5).await?)
}

/// A task of the caller's own, or of a project that they may see.
pub async fn find(portal: &Portal, actor: &Actor, id: TaskId) -> Result<Task> {
    open(portal, actor, id, Action::See).await
}

async fn open(portal: &Portal, actor: &Actor, id: TaskId, action: Action) -> Result<Task> {
    let missing = Error::NotFound("task");
    let Some(task) = portal.store.find_task(id).await? else {
        return Err(missing);
    };
    if task.user == actor.user.id {
        return Ok(task);
    }
    let Some(project) = task.project else {
        return Err(missing);
    };
    match portal.open_project(actor, project, action).await {
        Ok(_) => Ok(task),
        Err(Error::NotFound(_)) => Err(missing),
        Err(other) => Err(other),
    }
}

/// Asks a task to stop after the step that it is at. Again is no error, and neither is one that has ended.
pub async fn cancel(portal: &Portal, actor: &Actor, id: TaskId) -> Result<()> {
    let task = open(portal, actor, id, Action::Manage).await?;
    actor.own_account(Scope::Write).map_err(denied("account"))?;
    if !can_stop(&task) {
        if task.ended_at.is_some() || task.cancel_requested {
            return Ok(());
        }
        return Err(Error::Conflict(
            "The deletion of a project or a job cannot be stopped: half of one is of no use."
                .into(),
        ));
    }
    let mut tx = portal.store.begin().await?;
    tx.cancel_task(id, portal.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// Whether it still goes on and could be asked to stop.
pub fn can_stop(task: &Task) -> bool {
    task.ended_at.is_none()
        && !task.cancel_requested
        && Work::of(task).is_ok_and(|work| work.is_stoppable())
}
