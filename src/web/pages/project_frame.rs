//! What every page of a project shows around its own: the way here, the tabs, and what the caller may do in it.
//!
//! A page struct has `view: View` and `frame: ProjectFrame`; its template extends `projects/frame.html` and fills the
//! blocks `title`, `here` (breadcrumbs behind the project's name) and `page`.
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        project::Project,
    },
    services::{Portal, Result},
    store::Membership,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Jobs,
    Files,
    Members,
    Settings,
}

#[derive(Debug, Clone)]
pub struct ProjectFrame {
    membership: Membership,
    tab: Tab,
    /// What the caller may do here.
    may: Vec<Action>,
}

impl ProjectFrame {
    /// The frame of a project that the caller may see.
    pub async fn open(portal: &Portal, actor: &Actor, id: ProjectId, tab: Tab) -> Result<Self> {
        let (membership, _) = portal.open_project(actor, id, Action::See).await?;
        Ok(Self::of(portal, actor, membership, tab))
    }

    /// The same for a project that was opened already.
    pub fn of(portal: &Portal, actor: &Actor, membership: Membership, tab: Tab) -> Self {
        let all = [
            Action::EditFiles,
            Action::RunJobs,
            Action::Leave,
            Action::Manage,
        ];
        let may = all
            .into_iter()
            .filter(|&action| portal.may(actor, action, &membership));
        Self {
            may: may.collect(),
            tab,
            membership,
        }
    }

    pub fn project(&self) -> &Project {
        &self.membership.project
    }

    pub fn name(&self) -> &str {
        self.project().name.as_str()
    }

    /// The project's address; pages lie below it.
    pub fn url(&self) -> String {
        format!("/projects/{}", self.project().id)
    }

    /// An address below the project's, such as `/files`.
    pub fn at(&self, rest: &str) -> String {
        format!("{}{rest}", self.url())
    }

    pub fn is_archived(&self) -> bool {
        self.project().archived_at.is_some()
    }

    pub fn manages(&self) -> bool {
        self.may.contains(&Action::Manage)
    }

    /// Upload, move and delete files.
    pub fn edits(&self) -> bool {
        self.may.contains(&Action::EditFiles)
    }

    pub fn runs_jobs(&self) -> bool {
        self.may.contains(&Action::RunJobs)
    }

    /// Give up their own membership.
    pub fn leaves(&self) -> bool {
        self.membership.role.is_some() && self.may.contains(&Action::Leave)
    }

    /// Address, words, and whether it is the current one.
    pub fn tabs(&self) -> Vec<(String, &'static str, bool)> {
        let mut tabs = vec![
            (Tab::Jobs, "/jobs", "Jobs"),
            (Tab::Files, "/files", "Files"),
            (Tab::Members, "/members", "Members"),
        ];
        if self.manages() {
            tabs.push((Tab::Settings, "/settings", "Settings"));
        }
        tabs.into_iter()
            .map(|(tab, rest, words)| (self.at(rest), words, tab == self.tab))
            .collect()
    }
}
