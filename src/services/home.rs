//! What somebody sees first: what they wait for, what ended lately, where they work.
use super::{Portal, Result, projects};
use crate::{
    domain::access::Actor,
    store::{Membership, Place},
};

/// Jobs shown as live; the list of all jobs has the rest.
const LIVE: u32 = 20;
/// Ended jobs shown.
const RECENT: u32 = 10;

pub struct Home {
    /// The caller's jobs that wait or run, newest first.
    pub live: Vec<Place>,
    /// The caller's jobs that have ended, newest first.
    pub recent: Vec<Place>,
    pub projects: Vec<Membership>,
}

impl Home {
    /// Whether the caller has nothing yet.
    pub fn is_new(&self) -> bool {
        self.live.is_empty() && self.recent.is_empty() && self.projects.is_empty()
    }
}

pub async fn look(portal: &Portal, actor: &Actor) -> Result<Home> {
    let projects = projects::list_mine(portal, actor).await?;
    Ok(Home {
        live: portal.store.list_live_jobs_of(actor.user.id, LIVE).await?,
        recent: portal
            .store
            .list_ended_jobs_of(actor.user.id, RECENT)
            .await?,
        projects,
    })
}
