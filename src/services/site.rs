//! The installation itself: its health for its administrators, its queues, who uses it and what was done.
use super::{Error, Portal, Result, error::denied};
use crate::{
    cluster::{CheckUp, Cluster},
    domain::{
        access::{Actor, Permitted, Site},
        ids::AuditId,
        names::{ClusterName, UserName},
        user::User,
    },
    store::{AuditEntry, Queue},
};
use std::time::Duration;

/// What an administrator sees first.
pub struct Overview {
    /// The portal's version.
    pub version: &'static str,
    pub database: &'static str,
    pub storage: StorageHealth,
    pub rules_version: String,
    /// Jobs on this machine run as the portal's own user, so that whoever submits one can read what the portal keeps.
    pub jobs_run_as_portal: bool,
    pub users: i64,
    pub clusters: Vec<ClusterHealth>,
    pub queues: Vec<Queue>,
}

/// Where objects lie and whether the store answers; else why not.
pub struct StorageHealth {
    pub place: String,
    pub healthy: Result<(), String>,
}

/// One cluster's check-up.
pub struct ClusterHealth {
    pub name: ClusterName,
    pub check_up: CheckUp,
}

/// Leave to administer, as the services that need it ask for it.
pub fn permit(actor: &Actor) -> Result<Permitted<Site>> {
    actor.administers().map_err(denied("page"))
}

pub async fn overview(portal: &Portal, actor: &Actor) -> Result<Overview> {
    permit(actor)?;
    let local = &portal.config.local;
    Ok(Overview {
        version: env!("CARGO_PKG_VERSION"),
        database: if portal.store.is_postgres() {
            "PostgreSQL"
        } else {
            "SQLite"
        },
        storage: look_at_storage(portal).await,
        rules_version: portal.rules.now().version().to_owned(),
        jobs_run_as_portal: local.enabled && local.run_as.is_none(),
        users: portal.store.count_users().await?,
        clusters: list_clusters(portal, actor).await?,
        queues: portal.store.list_queues().await?,
    })
}

/// The clusters' names, for everybody who chooses one.
pub fn cluster_names(portal: &Portal) -> impl Iterator<Item = &ClusterName> {
    portal.clusters.iter().map(Cluster::name)
}

/// Every cluster with its check-up; one that does not answer within two seconds is unhealthy here.
pub async fn list_clusters(portal: &Portal, actor: &Actor) -> Result<Vec<ClusterHealth>> {
    permit(actor)?;
    Ok(look_at_clusters(portal).await)
}

async fn look_at_clusters(portal: &Portal) -> Vec<ClusterHealth> {
    let looks = portal.clusters.iter().map(|cluster| async {
        let check_up = check_up(cluster).await;
        ClusterHealth {
            name: cluster.name().clone(),
            check_up: check_up.unwrap_or_else(|why| CheckUp {
                healthy: Err(why),
                findings: Vec::new(),
            }),
        }
    });
    futures::future::join_all(looks).await
}

/// One cluster's check-up, for somebody who waits; the error is the sentence where it takes over two seconds.
pub async fn check_up(cluster: &Cluster) -> Result<CheckUp, String> {
    tokio::time::timeout(Duration::from_secs(2), cluster.check_up())
        .await
        .map_err(|_| "it did not answer within 2 s; look again in a moment".into())
}

async fn look_at_storage(portal: &Portal) -> StorageHealth {
    let answer = tokio::time::timeout(Duration::from_secs(2), portal.storage.ping()).await;
    StorageHealth {
        place: portal.storage.place(),
        healthy: match answer {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("it did not answer within 2 s; look again in a moment".into()),
        },
    }
}

/// Whether the portal can work at all, and what of it cannot, each by its name.
pub struct Readiness {
    pub down: Vec<String>,
    pub warnings: Vec<String>,
}

pub async fn readiness(portal: &Portal) -> Readiness {
    let (database, storage, clusters) = tokio::join!(
        portal.store.ping(),
        look_at_storage(portal),
        look_at_clusters(portal)
    );
    // Much can be done without the store, so that it takes no portal out of service.
    let storage = storage.healthy.err().map(|why| format!("storage: {why}"));
    // What was switched off is no trouble.
    let off = |name: &ClusterName| !portal.config.local.enabled && *name == ClusterName::local();
    let sick = |cluster: ClusterHealth| {
        if off(&cluster.name) {
            return None;
        }
        let why = cluster.check_up.healthy.err()?;
        Some(format!("cluster/{}: {why}", cluster.name))
    };
    Readiness {
        down: database
            .is_err()
            .then(|| "database".into())
            .into_iter()
            .collect(),
        warnings: storage
            .into_iter()
            .chain(clusters.into_iter().filter_map(sick))
            .collect(),
    }
}

/// The queues, for everybody who is signed in.
pub async fn list_queues(portal: &Portal) -> Result<Vec<Queue>> {
    Ok(portal.store.list_queues().await?)
}

/// The users after a name, in order of names.
pub async fn list_users(
    portal: &Portal,
    actor: &Actor,
    after: &str,
    limit: u32,
) -> Result<Vec<User>> {
    permit(actor)?;
    if !after.is_empty() && UserName::parse(after).is_err() {
        return Err(Error::field(
            "/after",
            "Give a user's name, as the page before has it.",
            Some(after),
        ));
    }
    Ok(portal.store.list_users(after, limit).await?)
}

pub async fn find_user(portal: &Portal, actor: &Actor, name: &str) -> Result<User> {
    permit(actor)?;
    let missing = || Error::NotFound("user");
    let name = UserName::parse(name).map_err(|_| missing())?;
    portal
        .store
        .find_user_by_name(&name)
        .await?
        .ok_or_else(missing)
}

/// What was done before an entry, the newest first.
pub async fn list_audit(
    portal: &Portal,
    actor: &Actor,
    before: Option<AuditId>,
    limit: u32,
) -> Result<Vec<AuditEntry>> {
    permit(actor)?;
    Ok(portal.store.list_audit(before, limit).await?)
}
