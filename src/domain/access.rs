//! Who may do what: the one module that decides. A decision is a [`Permitted`] that writes demand as proof.
//!
//! What one may not see is not found; what one may see but not do is forbidden.
use super::{
    ids::{ProjectId, UserId},
    project::{Project, Role, Visibility},
    user::{Scope, User},
};
use jiff::Timestamp;

/// Who is calling, and with which proof.
#[derive(Debug, Clone)]
pub struct Actor {
    pub user: User,
    /// What the proof may be used for: everything with a session, less with a token.
    pub scope: Scope,
}

/// What somebody has in a project; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Signed in, and the project is public.
    Reader,
    Observer,
    Editor,
    Administrator,
}

impl From<Role> for Standing {
    fn from(role: Role) -> Self {
        match role {
            Role::Observer => Self::Observer,
            Role::Editor => Self::Editor,
            Role::Administrator => Self::Administrator,
        }
    }
}

/// What can be done to a project and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its name, files, jobs, logs and members.
    See,
    /// Environment values and manifests of its jobs.
    SeeJobInner,
    /// Upload, move and delete files.
    EditFiles,
    /// Submit, cancel, re-run and delete jobs.
    RunJobs,
    /// Give up one's own membership.
    Leave,
    /// Rename, describe, archive, members, delete.
    Manage,
}

impl Action {
    fn needs(self) -> Standing {
        match self {
            Self::See => Standing::Reader,
            Self::SeeJobInner | Self::Leave => Standing::Observer,
            Self::EditFiles | Self::RunJobs => Standing::Editor,
            Self::Manage => Standing::Administrator,
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::See | Self::SeeJobInner => Scope::Read,
            Self::EditFiles | Self::RunJobs | Self::Leave | Self::Manage => Scope::Write,
        }
    }

    /// Whether it is still possible in an archived project.
    fn survives_archive(self) -> bool {
        !matches!(self, Self::EditFiles | Self::RunJobs)
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    NotFound,
    Forbidden(String),
}

/// Proof that somebody may write to `scope`. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Permitted<T> {
    scope: T,
    by: Option<UserId>,
}

impl<T> Permitted<T> {
    /// The portal's own work. `reason` names it; a test lists all uses.
    pub fn by_system(scope: T, _reason: &'static str) -> Self {
        Self { scope, by: None }
    }

    pub fn scope(&self) -> &T {
        &self.scope
    }

    /// The user who acts; `None` for the portal itself.
    pub fn by(&self) -> Option<UserId> {
        self.by
    }
}

impl Permitted<ProjectId> {
    /// The same permission for one of the project's jobs; `None` where the job is another project's.
    pub fn job(&self, job: &super::job::Job) -> Option<Permitted<super::ids::JobId>> {
        (job.project == self.scope).then_some(Permitted {
            scope: job.id,
            by: self.by,
        })
    }
}

/// The whole installation, as the scope of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site;

impl Actor {
    /// Whether this site administrator sees other people's private projects now.
    pub fn is_elevated(&self, now: Timestamp) -> bool {
        self.user.site_admin
            && self.scope == Scope::Admin
            && self.user.elevation.as_ref().is_some_and(|e| e.until > now)
    }

    /// What the actor has in a project, given the role in it. An elevated site administrator looks like an observer;
    /// what they may do they may as a member.
    pub fn standing(
        &self,
        project: &Project,
        role: Option<Role>,
        now: Timestamp,
    ) -> Option<Standing> {
        let public = (project.visibility == Visibility::Public).then_some(Standing::Reader);
        let elevated = self.is_elevated(now).then_some(Standing::Observer);
        role.map(Standing::from).max(elevated).max(public)
    }

    pub fn may(
        &self,
        action: Action,
        project: &Project,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<Permitted<ProjectId>, Denied> {
        let Some(standing) = self.standing(project, role, now) else {
            return Err(Denied::NotFound);
        };
        if project.deleting_at.is_some() {
            return Err(Denied::NotFound);
        }
        if standing < action.needs() {
            let needed = match action.needs() {
                Standing::Reader | Standing::Observer => "a member",
                Standing::Editor => "an editor",
                Standing::Administrator => "an administrator",
            };
            return Err(Denied::Forbidden(format!(
                "Only {needed} of this project may do this. Ask one of its administrators for the role."
            )));
        }
        if self.scope < action.scope() {
            return Err(Denied::Forbidden(format!(
                "This token has the scope `{}`; this needs `{}`.",
                self.scope,
                action.scope()
            )));
        }
        if project.archived_at.is_some() && !action.survives_archive() {
            return Err(Denied::Forbidden(
                "This project is archived: it can be read, not changed. An administrator of it can take it back into use.".into(),
            ));
        }
        Ok(Permitted {
            scope: project.id,
            by: Some(self.user.id),
        })
    }

    /// One's own account: sessions, tokens, password, settings.
    pub fn own_account(&self, needs: Scope) -> Result<Permitted<UserId>, Denied> {
        if self.scope < needs {
            return Err(Denied::Forbidden(format!(
                "This token has the scope `{}`; this needs `{needs}`.",
                self.scope
            )));
        }
        Ok(Permitted {
            scope: self.user.id,
            by: Some(self.user.id),
        })
    }

    /// The administrator's pages. To others they do not exist.
    pub fn administers(&self) -> Result<Permitted<Site>, Denied> {
        if !self.user.site_admin {
            return Err(Denied::NotFound);
        }
        if self.scope < Scope::Admin {
            return Err(Denied::Forbidden(format!(
                "This token has the scope `{}`; this needs `admin`.",
                self.scope
            )));
        }
        Ok(Permitted {
            scope: Site,
            by: Some(self.user.id),
        })
    }
}
