//! A site administrator's look into other people's private projects.
use super::super::{Error, Portal, Result, error::denied};
use crate::domain::{
    access::Actor,
    names::{ONE_LINE, is_one_line},
    user::Elevation,
};

/// Lets a site administrator see other people's private projects for a time.
pub async fn elevate(portal: &Portal, actor: &Actor, reason: &str) -> Result<()> {
    let site = actor.administers().map_err(denied("page"))?;
    let reason = reason.trim();
    if reason.chars().count() < 5 || reason.chars().count() > 500 {
        return Err(Error::field(
            "/reason",
            "Say why, in 5 to 500 characters; it is kept in the audit log.",
            Some(reason),
        ));
    }
    if !is_one_line(reason) {
        return Err(Error::field("/reason", ONE_LINE, Some(reason)));
    }
    let now = portal.clock.now();
    let until = now
        .checked_add(std::time::Duration::from_secs(
            portal.config.sign_in.elevation_seconds,
        ))
        .unwrap_or(now);
    let mut tx = portal.store.begin().await?;
    tx.set_elevation(
        &site,
        Some(&Elevation {
            until,
            reason: reason.to_owned(),
        }),
    )
    .await?;
    tx.add_audit(
        site.by(),
        "elevation.begin",
        actor.user.name.as_str(),
        reason,
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

pub async fn end_elevation(portal: &Portal, actor: &Actor) -> Result<()> {
    let site = actor.administers().map_err(denied("page"))?;
    let mut tx = portal.store.begin().await?;
    tx.set_elevation(&site, None).await?;
    tx.add_audit(
        site.by(),
        "elevation.end",
        actor.user.name.as_str(),
        "",
        portal.clock.now(),
    )
    .await?;
    Ok(tx.commit().await?)
}
