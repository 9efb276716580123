//! The object that was, or would be, given to a cluster.
use super::accept;
use crate::{
    cluster::{self, local},
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        job::{Attempt, JobSpec, Resources},
        names::{ClusterName, FilePath, ObjectName},
    },
    manifest::{self, Addresses, Placement, Populated, SiteConf},
    services::{Error, Portal, Result},
    storage::keys,
    store::Place,
    validate::Draft,
};
use std::time::Duration;

/// What a job asks for, and its object.
pub struct Preview {
    pub asks: Resources,
    pub populated: Populated,
    /// The cluster's own dry run, or why it was not asked.
    pub cluster_says: String,
}

/// The object of one attempt of a job, by the rules as they are now. What was placed once is read from its row.
pub(in crate::services) fn populated(
    portal: &Portal,
    spec: &JobSpec,
    placement: &Placement,
    slug: &ObjectName,
    copy: Option<i64>,
) -> Result<Populated> {
    let rules = portal.rules.now();
    let (job, project) = (placement.job, placement.project);
    let output = FilePath::parse(&format!("jobs/{slug}/{}", placement.attempt))
        .map_err(|why| Error::Internal(anyhow::anyhow!(why)))?;
    let address = |prefix| portal.storage.folder_address(&prefix);
    let addresses = Addresses {
        project: address(keys::files_prefix(project, None)),
        output: address(keys::files_prefix(project, Some(&output))),
        code: address(keys::job_code_copy(project, job, copy)),
    };
    let mut site = SiteConf {
        defaults: rules.default_conf().clone(),
        fixed: rules.fixed_conf().clone(),
        ..SiteConf::default()
    };
    site.fixed.extend(portal.storage.job_conf());
    if let Some(cluster) = portal.clusters.get(&placement.cluster) {
        let there = cluster.site();
        site.fixed.extend(cluster.fixed_conf());
        site.cluster = there.conf;
        site.service_account = there.service_account;
        site.image_pull_policy = there.image_pull_policy;
        site.image_pull_secrets = there.image_pull_secrets;
    }
    Ok(manifest::populate(spec, placement, &addresses, &site))
}

/// Where one attempt of a job goes.
pub(in crate::services) fn place_for(
    portal: &Portal,
    place: &Place,
    attempt: u32,
    cluster: &ClusterName,
) -> Placement {
    let job = &place.job;
    Placement {
        job: job.id,
        project: job.project,
        attempt,
        object: job.slug.attempt(attempt),
        namespace: namespace(portal, cluster, job.project),
        cluster: cluster.clone(),
        installation: portal.installation.to_string(),
        image: image(portal, cluster, &job.spec),
        user: place.user_name.to_string(),
    }
}

fn namespace(portal: &Portal, cluster: &ClusterName, project: ProjectId) -> String {
    let known = portal.clusters.get(cluster);
    known
        .map_or(local::NAMESPACE, |cluster| cluster.namespace(project))
        .to_owned()
}

/// The object that an attempt was placed with, whatever the rules have become since.
pub async fn placed(portal: &Portal, place: &Place, attempt: &Attempt) -> Result<Populated> {
    let job = &place.job;
    if let Some(kept) = portal.store.find_manifest(job.id, attempt.number).await? {
        return Ok(serde_json::from_str(&kept).map_err(anyhow::Error::from)?);
    }
    // Placed before objects were kept.
    let placement = Placement {
        namespace: attempt.namespace.clone(),
        ..place_for(portal, place, attempt.number, &attempt.cluster)
    };
    populated(portal, &job.spec, &placement, &job.slug, job.code_copy)
}

/// The object of an attempt; of the latest where none is named, or of the first, which is still to come.
pub async fn manifest(
    portal: &Portal,
    actor: &Actor,
    id: JobId,
    attempt: Option<u32>,
) -> Result<Populated> {
    let open = portal.open_job(actor, id, Action::SeeJobInner).await?;
    let job = open.job();
    let number = attempt.unwrap_or(job.attempts).max(1);
    if let Some(attempt) = portal.store.find_attempt(id, number).await? {
        return placed(portal, &open.place, &attempt).await;
    }
    let placement = place_for(portal, &open.place, number, &ClusterName::local());
    populated(portal, &job.spec, &placement, &job.slug, job.code_copy)
}

/// What a draft would become, without keeping anything.
pub async fn preview(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    draft: &Draft,
) -> Result<Preview> {
    portal.open_project(actor, project, Action::RunJobs).await?;
    let spec = accept::check(portal, project, draft).await?;
    let job = JobId::new();
    let slug = ObjectName::for_job(&spec.name, [0; 6]);
    let choice = super::placement(portal, &spec).await?;
    let cluster = choice.placed.clone().unwrap_or_else(ClusterName::local);
    let placement = Placement {
        job,
        project,
        attempt: 1,
        object: slug.attempt(1),
        namespace: namespace(portal, &cluster, project),
        installation: portal.installation.to_string(),
        image: image(portal, &cluster, &spec),
        cluster,
        user: actor.user.name.to_string(),
    };
    let populated = populated(portal, &spec, &placement, &slug, None)?;
    let cluster_says = match &choice.placed {
        Some(cluster) => {
            let tried = dry_run(portal, cluster, &populated).await;
            format!("{cluster} would take it now.{tried}")
        }
        None => format!("It would wait: {}.", choice.reason()),
    };
    Ok(Preview {
        asks: spec.resources(),
        populated,
        cluster_says,
    })
}

/// Longest that somebody who types waits for the cluster's word.
const DRY_RUN: Duration = Duration::from_secs(2);

/// What the cluster itself says of an object, as a sentence after another; nothing where there is nobody to ask.
async fn dry_run(portal: &Portal, cluster: &ClusterName, populated: &Populated) -> String {
    let Some(cluster) = portal.clusters.get(cluster) else {
        return String::new();
    };
    match tokio::time::timeout(DRY_RUN, cluster.dry_run(&populated.app)).await {
        Ok(None) => String::new(),
        Ok(Some(Ok(()))) => " Its dry run takes it as it is.".into(),
        Ok(Some(Err(cluster::Error::Refused(why)))) => format!(" Its dry run refuses it: {why}"),
        Ok(Some(Err(error))) => format!(" Its dry run was not asked: {error}."),
        Err(_) => format!(
            " Its dry run was not asked: it did not answer within {} s.",
            DRY_RUN.as_secs()
        ),
    }
}

/// The image of the job's Spark version: the cluster's own, or that of the rules.
fn image(portal: &Portal, cluster: &ClusterName, spec: &JobSpec) -> Option<String> {
    let known = portal.clusters.get(cluster);
    if let Some(image) = known.and_then(|cluster| cluster.image(&spec.spark_version)) {
        return Some(image.to_owned());
    }
    portal
        .rules
        .now()
        .spark_versions()
        .get(&spec.spark_version)
        .map(|version| version.image.clone())
}
