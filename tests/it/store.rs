//! Every query of the store, on both databases.
mod attempts;
mod jobs;
mod people;
mod projects;
mod work;

use crate::house::{Portal, User, word_count};
use tourmaline::{
    domain::{
        access::Permitted,
        ids::{JobId, ProjectId, UserId},
        job::{Job, JobSpec, Phase},
        names::{ClusterName, ObjectName},
        project::{Project, Visibility},
    },
    manifest::{self, Addresses, Placement, SiteConf},
    store::{NewAttempt, NewJob, PhaseChange, Store},
};

const HERE: &str = "tests";

fn own(user: UserId) -> Permitted<UserId> {
    Permitted::by_system(user, HERE)
}

fn of_project(id: ProjectId) -> Permitted<ProjectId> {
    Permitted::by_system(id, HERE)
}

pub fn of_job(id: JobId) -> Permitted<JobId> {
    Permitted::by_system(id, HERE)
}

fn new_project(portal: &Portal, name: &str) -> Project {
    Project {
        id: ProjectId::new(),
        name: name.to_owned().try_into().unwrap(),
        description: String::new(),
        visibility: Visibility::Private,
        created_at: portal.now(),
        archived_at: None,
        deleting_at: None,
        version: 1,
    }
}

pub async fn insert_project(portal: &Portal, maker: &User<'_>, name: &str) -> ProjectId {
    let project = new_project(portal, name);
    let mut tx = portal.services.store.begin().await.unwrap();
    tx.insert_project(&project, &own(maker.account.id))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    project.id
}

fn new_job(portal: &Portal, user: &User<'_>, spec: JobSpec) -> NewJob {
    let id = JobId::new();
    NewJob {
        id,
        user: user.account.id,
        slug: ObjectName::for_job(
            &spec.name,
            id.to_string().as_bytes()[30..].try_into().unwrap(),
        ),
        spec,
        rules_version: "1".into(),
        created_at: portal.now(),
    }
}

pub async fn insert_job(
    portal: &Portal,
    user: &User<'_>,
    project: ProjectId,
    spec: JobSpec,
) -> JobId {
    let job = new_job(portal, user, spec);
    let mut tx = portal.services.store.begin().await.unwrap();
    tx.insert_job(&of_project(project), &job, user.account.name.as_str())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    job.id
}

pub async fn find(store: &Store, job: JobId) -> Job {
    store.find_job(job).await.unwrap().unwrap().job
}

async fn move_job(portal: &Portal, job: JobId, from: Phase, to: Phase) {
    let mut tx = portal.services.store.begin().await.unwrap();
    tx.move_job(&of_job(job), from, to, &PhaseChange::at(portal.now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A job with its first attempt on the way.
pub async fn started(portal: &Portal, user: &User<'_>, project: ProjectId) -> (JobId, NewAttempt) {
    let job = insert_job(portal, user, project, word_count()).await;
    (job, start(portal, job).await)
}

/// What a job's first attempt is placed with.
fn manifest(job: &Job) -> String {
    let placement = Placement {
        job: job.id,
        project: job.project,
        attempt: 1,
        object: job.slug.attempt(1),
        cluster: ClusterName::local(),
        namespace: "local".into(),
        installation: "test".into(),
        image: None,
        user: "ada".into(),
    };
    let addresses = Addresses {
        project: "file:///project".into(),
        output: "file:///output".into(),
        code: "file:///code".into(),
    };
    let object = manifest::populate(&job.spec, &placement, &addresses, &SiteConf::default());
    serde_json::to_string(&object).unwrap()
}

/// Puts the first attempt of a waiting job on the way.
pub async fn start(portal: &Portal, job: JobId) -> NewAttempt {
    let waiting = find(&portal.services.store, job).await;
    let attempt = NewAttempt {
        number: 1,
        object: waiting.slug.attempt(1),
        cluster: ClusterName::parse("local").unwrap(),
        namespace: "local".into(),
        resources: waiting.spec.resources(),
        manifest: manifest(&waiting),
    };
    move_job(portal, job, Phase::Queued, Phase::Starting).await;
    let mut tx = portal.services.store.begin().await.unwrap();
    tx.insert_attempt(&of_job(job), &attempt, portal.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    attempt
}
