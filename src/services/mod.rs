//! What the portal does: each function authorises, then combines the adapters. No HTTP, no SQL.
pub mod accounts;
pub mod attempts;
pub mod diagnosis;
mod error;
pub mod example;
pub mod files;
pub mod home;
pub mod idempotency;
pub mod jobs;
pub mod logs;
pub mod projects;
mod seal;
pub mod search;
pub mod seed;
pub mod site;
pub mod tasks;
pub mod zip;

pub use error::{Error, Result};
pub use seal::Seal;

use crate::{
    cluster::Clusters,
    config::Config,
    domain::{
        access::{Action, Actor, Permitted},
        clock::Clock,
        ids::{JobId, ProjectId},
        job::Job,
        project::Project,
    },
    storage::Storage,
    store::{Membership, Place, Store},
    validate::Rules,
};
use error::denied;
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

/// Everything that the services work with. Cheap to clone; there are no globals.
#[derive(Clone)]
pub struct Portal {
    pub store: Store,
    pub storage: Storage,
    pub clusters: Arc<Clusters>,
    pub rules: CurrentRules,
    pub acceptor: jobs::Acceptor,
    pub searches: logs::Searches,
    pub config: Arc<Config>,
    pub seal: Seal,
    pub clock: Clock,
    /// The data folder.
    pub data: Arc<PathBuf>,
    /// The data folder's own id: whoever serves it takes over the background work of whoever served it before.
    pub replica: Arc<str>,
    /// This installation's short id: a cookie's or an object's name or label says by it whose it is.
    pub installation: Arc<str>,
}

/// The operator's rules, which can change while the portal runs.
#[derive(Clone)]
pub struct CurrentRules(Arc<RwLock<Arc<Rules>>>);

impl CurrentRules {
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(rules))))
    }

    pub fn now(&self) -> Arc<Rules> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn replace(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

/// A job that the caller may see, with what it is in and leave to write to it.
pub struct OpenJob {
    pub place: Place,
    pub project: Project,
    pub permit: Permitted<JobId>,
    pub project_permit: Permitted<ProjectId>,
}

impl OpenJob {
    pub fn job(&self) -> &Job {
        &self.place.job
    }
}

impl Portal {
    /// A project, if the caller may do this in it.
    pub async fn open_project(
        &self,
        actor: &Actor,
        id: ProjectId,
        action: Action,
    ) -> Result<(Membership, Permitted<ProjectId>)> {
        let membership = self
            .store
            .find_project(id, actor.user.id)
            .await?
            .ok_or(Error::NotFound("project"))?;
        let permit = actor
            .may(
                action,
                &membership.project,
                membership.role,
                self.clock.now(),
            )
            .map_err(denied("project"))?;
        Ok((membership, permit))
    }

    /// A job, if the caller may do this in its project.
    pub async fn open_job(&self, actor: &Actor, id: JobId, action: Action) -> Result<OpenJob> {
        let place = self
            .store
            .find_job(id)
            .await?
            .ok_or(Error::NotFound("job"))?;
        let (membership, project_permit) =
            match self.open_project(actor, place.job.project, action).await {
                Err(Error::NotFound(_)) => return Err(Error::NotFound("job")),
                other => other?,
            };
        let permit = project_permit
            .job(&place.job)
            .ok_or(Error::NotFound("job"))?;
        Ok(OpenJob {
            place,
            project: membership.project,
            permit,
            project_permit,
        })
    }

    /// Whether the caller may do this in a project that was opened already.
    pub fn may(&self, actor: &Actor, action: Action, membership: &Membership) -> bool {
        actor
            .may(
                action,
                &membership.project,
                membership.role,
                self.clock.now(),
            )
            .is_ok()
    }
}
