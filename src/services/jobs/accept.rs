//! Accepting a job: validated, authorised, held against fixed limits, committed with its first event. Milliseconds.
use super::{acceptor::Wanted, placing};
use crate::{
    cluster::Cluster,
    domain::{
        access::{Action, Actor},
        ids::{JobId, ProjectId},
        job::{EnvValue, Job, JobSpec, Phase},
        names::{FilePath, QueueName},
        violation::Violations,
    },
    services::{Error, Portal, Result, idempotency::Key},
    storage::{self, keys},
    store::{self, NewJob, Place, QueueState},
    validate::{self, Checked, Draft, Parts},
};
use std::time::Duration;

/// The job, and what this call made.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub id: JobId,
    /// The job as it was made; none where an earlier call made it.
    pub new: Option<Box<Place>>,
}

/// Accepts a job. The same key and body give the job that the first call made.
pub async fn submit(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    draft: &Draft,
    key: Option<&Key>,
) -> Result<Accepted> {
    let (membership, permit) = portal.open_project(actor, project, Action::RunJobs).await?;
    if let Some(key) = key
        && let Some(id) = key.find(portal, actor).await?
    {
        return Ok(Accepted { id, new: None });
    }
    let live = async { Ok(portal.store.count_live_jobs(project).await?) };
    let (spec, live) = tokio::try_join!(check(portal, project, draft), live)?;
    let most = portal.config.work.live_jobs_per_project;
    if live >= i64::from(most) {
        return Err(Error::TooMany {
            why: format!(
                "This project has {live} jobs that wait or run; {most} are taken. Wait for some to end, or cancel some."
            ),
            retry_seconds: 60,
        });
    }
    let job = NewJob {
        id: JobId::new(),
        user: actor.user.id,
        slug: portal.acceptor.draw_name(&spec.name)?,
        rules_version: portal.rules.now().version().to_owned(),
        created_at: portal.clock.now(),
        spec,
    };
    let wanted = Wanted {
        permit,
        actor: actor.clone(),
        job,
        key: key.cloned(),
    };
    match portal.acceptor.accept(portal, wanted).await? {
        Ok((job, number)) => Ok(Accepted {
            id: job.id,
            new: Some(Box::new(Place {
                user_name: actor.user.name.clone(),
                project_name: membership.project.name,
                cancelled_by: None,
                placed_on: None,
                job: queued(job, project, number),
            })),
        }),
        Err(error) => match (error, key) {
            // Another with the same key was first; its answer is ours.
            (store::Error::Duplicate(_), Some(key)) => match key.find(portal, actor).await? {
                Some(id) => Ok(Accepted { id, new: None }),
                None => Err(Error::Conflict(
                    "Another request with this Idempotency-Key failed just now. Send it again."
                        .into(),
                )),
            },
            (other, _) => Err(other.into()),
        },
    }
}

/// The job as its row was written.
fn queued(job: NewJob, project: ProjectId, number: i64) -> Job {
    Job {
        id: job.id,
        number,
        project,
        user: job.user,
        slug: job.slug,
        spec: job.spec,
        rules_version: job.rules_version,
        phase: Phase::Queued,
        phase_since: job.created_at,
        reason: None,
        created_at: job.created_at,
        started_at: None,
        ended_at: None,
        attempts: 0,
        not_before: None,
        cause: None,
        card: None,
        cancel_requested: None,
        code_copy: None,
        last_event: 1,
    }
}

/// Everything that is wrong with a draft, or the job: what is right in a draft is looked up beside what is not.
pub(super) async fn check(portal: &Portal, project: ProjectId, draft: &Draft) -> Result<JobSpec> {
    let Checked {
        spec,
        parts,
        mut wrong,
    } = validate::job(draft, &portal.rules.now());
    if let Some(queue) = &parts.queue {
        look_up_queue(portal, queue, &mut wrong).await?;
    }
    look_up_cluster(portal, &parts, &mut wrong);
    look_up_store(portal, &parts, &mut wrong);
    look_up(portal, project, &parts.code, &mut wrong).await;
    validate::sort(&mut wrong);
    match spec {
        Some(spec) if wrong.is_empty() => Ok(spec),
        _ => Err(Error::Invalid(wrong)),
    }
}

async fn look_up_queue(portal: &Portal, queue: &QueueName, wrong: &mut Violations) -> Result<()> {
    match portal.store.find_queue_state(queue).await? {
        Some(QueueState::Open | QueueState::Hold) => {}
        Some(QueueState::Drain) => wrong.add(
            "/queue",
            format!("The queue `{queue}` takes no new jobs at present. Choose another."),
            Some(queue.as_str()),
        ),
        None => {
            let names: Vec<String> = portal
                .store
                .list_queues()
                .await?
                .iter()
                .map(|q| format!("`{}`", q.name))
                .collect();
            wrong.add(
                "/queue",
                format!(
                    "There is no such queue. Choose one of {}.",
                    names.join(", ")
                ),
                Some(queue.as_str()),
            );
        }
    }
    Ok(())
}

/// What no cluster could ever run is refused now; what is only in use waits.
fn look_up_cluster(portal: &Portal, parts: &Parts, wrong: &mut Violations) {
    let pinned = parts.cluster.as_ref();
    if let Some(name) = pinned
        && portal.clusters.get(name).is_none()
    {
        let names: Vec<String> = portal
            .clusters
            .iter()
            .map(|c| format!("`{}`", c.name()))
            .collect();
        wrong.add(
            "/cluster",
            format!(
                "There is no such cluster. Choose one of {}, or none.",
                names.join(", ")
            ),
            Some(name.as_str()),
        );
        return;
    }
    if let Some(size) = &parts.size
        && let Some((field, why)) = placing::never_fits(portal, pinned, size)
    {
        wrong.add(field, why, None);
    }
    for (field, why) in placing::overridden(portal, parts) {
        wrong.add(&field, why, None);
    }
    if !placing::eligible(portal, pinned).any(Cluster::takes_secrets) {
        for (name, value) in &parts.env {
            if !matches!(value, EnvValue::Secret { .. }) {
                continue;
            }
            wrong.add(
                &format!("/env/{name}"),
                "Jobs here cannot take a value from a secret. Give the value as text.",
                None,
            );
        }
    }
}

/// What does not go together with where objects lie.
fn look_up_store(portal: &Portal, parts: &Parts, wrong: &mut Violations) {
    if let (Some(asked), Some(longest)) = (parts.max_run_seconds, portal.storage.longest_run())
        && asked > longest.as_secs()
    {
        wrong.add(
            "/max_run_seconds",
            format!(
                "The store lets a job's credentials last for a run of {} s at most (storage.longest_session_seconds). Give at most that.",
                longest.as_secs()
            ),
            Some(&asked.to_string()),
        );
    }
    let own = portal.storage.job_conf();
    for key in parts.conf.keys().filter(|key| own.contains_key(*key)) {
        wrong.add(
            &format!("/spark_conf/{key}"),
            "The portal sets this for its own store. For another store, set spark.hadoop.fs.s3a.bucket.NAME.… of its bucket.",
            None,
        );
    }
}

/// One second for all files; a store that does not answer refuses nobody.
async fn look_up(
    portal: &Portal,
    project: ProjectId,
    files: &[(String, FilePath)],
    wrong: &mut Violations,
) {
    let all = async {
        let mut missing = Violations::default();
        for (field, path) in files {
            match portal
                .storage
                .head(&keys::project_file(project, path))
                .await
            {
                Err(storage::Error::NotFound) => {
                    let near = near(portal, project, path).await;
                    missing.add(
                        field,
                        format!("There is no file `{path}` in this project.{near}"),
                        Some(path.as_str()),
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a job's code was not looked up"),
            }
        }
        missing
    };
    match tokio::time::timeout(Duration::from_secs(1), all).await {
        Ok(missing) => wrong.extend(missing),
        Err(_) => tracing::warn!("a job's code was not looked up: the store took over a second"),
    }
}

/// Names in the same folder, or at the top, that somebody may have meant.
async fn near(portal: &Portal, project: ProjectId, path: &FilePath) -> String {
    let mut folders = vec![path.parent()];
    if folders[0].is_some() {
        folders.push(None);
    }
    let mut found: Vec<(usize, String)> = Vec::new();
    for folder in folders {
        let Ok(page) = portal
            .storage
            .list(&keys::files_prefix(project, folder.as_ref()), None, 1000)
            .await
        else {
            continue;
        };
        for entry in page
            .entries
            .into_iter()
            .filter(|e| e.kind == storage::Kind::File)
        {
            let distance = strsim::damerau_levenshtein(
                &entry.name.to_lowercase(),
                &path.file_name().to_lowercase(),
            );
            if distance <= 3.max(path.file_name().len() / 3) {
                let full = folder
                    .as_ref()
                    .map_or(entry.name.clone(), |f| format!("{f}/{}", entry.name));
                found.push((distance, full));
            }
        }
    }
    found.sort();
    found.truncate(3);
    if found.is_empty() {
        return " Upload it first.".into();
    }
    let names: Vec<String> = found
        .into_iter()
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    format!(" Did you mean {}?", names.join(" or "))
}
