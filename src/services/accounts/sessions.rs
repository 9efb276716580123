//! Where one is signed in.
use super::super::{Error, Portal, Result, error::denied};
use crate::domain::{
    access::Actor,
    ids::SessionId,
    user::{Scope, Session},
};
use jiff::Timestamp;

/// The moments before which a session has ended, by rest and by age.
pub fn session_ends(portal: &Portal) -> (Timestamp, Timestamp) {
    let now = portal.clock.now();
    let before = |seconds: u64| {
        now.checked_sub(std::time::Duration::from_secs(seconds))
            .unwrap_or(Timestamp::MIN)
    };
    let config = &portal.config.sign_in;
    (before(config.idle_seconds), before(config.absolute_seconds))
}

/// The caller's living sessions that were begun before one, the newest first.
pub async fn list_sessions(
    portal: &Portal,
    actor: &Actor,
    before: Option<SessionId>,
    limit: u32,
) -> Result<Vec<Session>> {
    let (idle, born) = session_ends(portal);
    Ok(portal
        .store
        .list_sessions(actor.user.id, idle, born, before, limit)
        .await?)
}

/// One of the caller's own living sessions.
pub async fn find_session(portal: &Portal, actor: &Actor, id: SessionId) -> Result<Session> {
    let (idle, born) = session_ends(portal);
    portal
        .store
        .find_own_session(actor.user.id, id, idle, born)
        .await?
        .ok_or(Error::NotFound("session"))
}

pub async fn end_session(portal: &Portal, actor: &Actor, id: SessionId) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    if !tx.delete_session(&own, id).await? {
        return Err(Error::NotFound("session"));
    }
    Ok(tx.commit().await?)
}

/// Ends all of the caller's sessions but the one to keep.
pub async fn end_other_sessions(
    portal: &Portal,
    actor: &Actor,
    keep: Option<SessionId>,
) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    tx.delete_other_sessions(&own, keep).await?;
    Ok(tx.commit().await?)
}
