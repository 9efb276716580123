//! What an empty database is given at the first start.
use super::{Portal, Result};
use crate::domain::{
    access::{Permitted, Site},
    names::QueueName,
};

/// The installation's short id: it tells apart the cookies of two portals on one machine.
pub async fn installation_id(portal: &Portal, fresh: &str) -> Result<String> {
    let site = Permitted::by_system(Site, "first start");
    if let Some(id) = portal.store.find_fact("id").await? {
        return Ok(id);
    }
    let mut tx = portal.store.begin().await?;
    let id = tx.set_fact_once(&site, "id", fresh).await?;
    tx.insert_queue(
        &site,
        &QueueName::default_queue(),
        "For everything",
        portal.clock.now(),
    )
    .await?;
    tx.commit().await?;
    Ok(id)
}
