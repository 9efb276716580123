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

pub async fn list_sessions(portal: &Portal, actor: &Actor) -> Result<Vec<Session>> {
    let (idle, born) = session_ends(portal);
    Ok(portal
        .store
        .list_sessions(actor.user.id, idle, born)
        .await?)
}

pub async fn end_session(portal: &Portal, actor: &Actor, id: SessionId) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    if !tx.delete_session(&own, id).await? {
        return Err(Error::NotFound("session"));
    }
    Ok(tx.commit().await?)
}

pub async fn end_other_sessions(portal: &Portal, actor: &Actor, keep: SessionId) -> Result<()> {
    let own = actor.own_account(Scope::Admin).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    tx.delete_other_sessions(&own, Some(keep)).await?;
    Ok(tx.commit().await?)
}
