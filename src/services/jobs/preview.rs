//! The object that was, or would be, given to a cluster.
use super::accept;
use crate::{
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        job::{JobSpec, Resources},
        names::{ClusterName, FilePath, ObjectName},
    },
    manifest::{self, Addresses, Placement, Populated, SiteConf},
    services::{Error, Portal, Result},
    storage::keys,
    validate::Draft,
};

/// What a job asks for, and its object.
pub struct Preview {
    pub asks: Resources,
    pub populated: Populated,
    /// The cluster's own dry run, or why it was not asked.
    pub cluster_says: String,
}

/// Where a job finds its project, its output and its code.
pub fn addresses(
    portal: &Portal,
    project: ProjectId,
    job: JobId,
    slug: &ObjectName,
    attempt: u32,
) -> Result<Addresses> {
    let output = FilePath::parse(&format!("jobs/{slug}/{attempt}"))
        .map_err(|why| Error::Internal(anyhow::anyhow!(why)))?;
    Ok(Addresses {
        project: portal
            .storage
            .folder_address(&keys::files_prefix(project, None)),
        output: portal
            .storage
            .folder_address(&keys::files_prefix(project, Some(&output))),
        code: portal
            .storage
            .folder_address(&keys::job_code_prefix(project, job)),
    })
}

/// The object of one attempt.
pub fn populated(
    portal: &Portal,
    spec: &JobSpec,
    placement: &Placement,
    slug: &ObjectName,
) -> Result<Populated> {
    let rules = portal.rules.now();
    let addresses = addresses(
        portal,
        placement.project,
        placement.job,
        slug,
        placement.attempt,
    )?;
    let mut fixed = rules.fixed_conf().clone();
    if let Some(cluster) = portal.clusters.get(&placement.cluster) {
        fixed.extend(cluster.fixed_conf());
    }
    let site = SiteConf {
        defaults: rules.default_conf().clone(),
        fixed,
        ..SiteConf::default()
    };
    Ok(manifest::populate(spec, placement, &addresses, &site))
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
    let attempt = attempt.unwrap_or(job.attempts).max(1);
    let latest = portal.store.find_attempt(id, attempt).await?;
    let placement = Placement {
        job: id,
        project: job.project,
        attempt,
        object: job.slug.attempt(attempt),
        cluster: latest
            .as_ref()
            .map_or_else(ClusterName::local, |a| a.cluster.clone()),
        namespace: latest.map_or_else(|| "local".into(), |a| a.namespace),
        image: image(portal, &job.spec),
        service_account: None,
        user: open.place.user_name.to_string(),
    };
    populated(portal, &job.spec, &placement, &job.slug)
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
        namespace: portal
            .clusters
            .get(&cluster)
            .map_or("local", |c| c.namespace())
            .to_owned(),
        cluster,
        image: image(portal, &spec),
        service_account: None,
        user: actor.user.name.to_string(),
    };
    Ok(Preview {
        asks: spec.resources(),
        populated: populated(portal, &spec, &placement, &slug)?,
        cluster_says: match choice.placed {
            Some(cluster) => format!("{cluster} would take it now."),
            None => format!("It would wait: {}.", choice.reason()),
        },
    })
}

/// The image of the job's Spark version.
pub(crate) fn image(portal: &Portal, spec: &JobSpec) -> Option<String> {
    portal
        .rules
        .now()
        .spark_versions()
        .get(&spec.spark_version)
        .map(|version| version.image.clone())
}
