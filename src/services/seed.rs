//! What an empty database is given at the first start.
use super::{Error, Portal, Result, Seal};
use crate::{
    domain::{
        access::{Permitted, Site},
        clock::Clock,
        names::QueueName,
    },
    store::Store,
};

/// Takes the database for the place in which the files lie that its rows name: a bucket, which portals share, or this data
/// folder, in which the jobs run as well. A portal of another place would take them for vanished, and run jobs again.
pub async fn claim_home(portal: &Portal, place: &str) -> Result<()> {
    let site = Permitted::by_system(Site, "first start");
    let bucket = portal.config.storage.place();
    let (own, place) = match &bucket {
        Some(bucket) => (bucket.as_str(), bucket.as_str()),
        None => (&*portal.replica, place),
    };
    let mut tx = portal.store.begin().await?;
    let home = tx.set_fact_once(&site, "home", own).await?;
    if home == own {
        tx.set_fact(&site, "home_place", place).await?;
        return Ok(tx.commit().await?);
    }
    drop(tx);
    let other = portal.store.find_fact("home_place").await?;
    let other = other.as_deref().unwrap_or("another data folder");
    if bucket.is_some() {
        return Err(Error::Conflict(format!(
            "this database belongs to the portal of {other}, where its files lie, and not to that of {place}. Name that place in [storage], or another database in database.url"
        )));
    }
    Err(Error::Conflict(format!(
        "this database belongs to the portal of {other}, where its jobs run and its files lie. Serve that data folder, or name another database in database.url. If that folder is gone for good, or was moved without its file `replica`, write {home} into {}",
        portal.data.join("replica").display()
    )))
}

const KEY: &str = "secret_key";

/// Whether the key is that by which the database's secrets are sealed: with another they could not be read, and two portals
/// with a key each would take turns in losing them.
pub async fn claim_key(store: &Store, seal: &Seal) -> Result<()> {
    let proof = match store.find_fact(KEY).await? {
        Some(proof) => proof,
        None => {
            let site = Permitted::by_system(Site, "first start");
            let mut tx = store.begin().await?;
            let proof = seal.seal(KEY, &"tourmaline".to_owned().into())?;
            let proof = tx.set_fact_once(&site, KEY, &proof).await?;
            tx.commit().await?;
            proof
        }
    };
    if seal.unseal(KEY, &proof).is_some() {
        return Ok(());
    }
    Err(Error::Conflict(
        "server.secret_key_file: this is not the key by which secrets in this database were sealed. Put that key back: it lies with the backup, and every portal on this database has the same (default: `secret-key` in the data folder). If it is lost for good, `tourmaline admin forget-key` lets the portal start with another: whoever signed in by an identity provider signs in again, and secrets of projects must be set again".into(),
    ))
}

/// Gives up what was sealed with a key that is lost, so that the next start takes another.
pub async fn forget_key(store: &Store) -> Result<()> {
    let site = Permitted::by_system(Site, "a lost key");
    let proof = store.find_fact(KEY).await?;
    let mut tx = store.begin().await?;
    if let Some(proof) = proof {
        tx.take_fact(&site, KEY, &proof).await?;
    }
    tx.delete_sealed_sessions(&site).await?;
    Ok(tx.commit().await?)
}

/// The installation's short id: it tells apart the cookies of two portals on one machine, and their objects on one cluster.
pub async fn installation_id(store: &Store, clock: &Clock, fresh: &str) -> Result<String> {
    let site = Permitted::by_system(Site, "first start");
    if let Some(id) = store.find_fact("id").await? {
        return Ok(id);
    }
    let mut tx = store.begin().await?;
    let id = tx.set_fact_once(&site, "id", fresh).await?;
    tx.insert_queue(
        &site,
        &QueueName::default_queue(),
        "For everything",
        clock.now(),
    )
    .await?;
    tx.commit().await?;
    Ok(id)
}
