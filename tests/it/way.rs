//! The way of a job, tick by tick: checked, placed, put off, tried again, cancelled in between, deleted.
use crate::{
    house::{Home, MINUTE, Portal, User, lease, tick, tick_tasks, word_count},
    store::{find, insert_job, insert_project, of_job, start},
};
use serde_json::{Value, json};
use std::{fs, os::unix::net::UnixListener};
use tourmaline::{
    background::{dispatcher::Dispatcher, janitor::Janitor, monitor::Monitor},
    cluster::local::object,
    domain::{
        access::{Permitted, Site},
        ids::{JobId, ProjectId},
        job::{AttemptPhase, Cause, EnvValue, Exit, Job, JobSpec, Phase},
        names::{ClusterName, FilePath, ObjectName, QueueName},
        quantity::Memory,
    },
    services::{Error, attempts, home, jobs},
    storage::keys,
    store::NewJob,
    validate::Rules,
};

/// A portal whose machine has room for four word counts, with a project of somebody's and their program in it.
struct Works<'a> {
    portal: &'a Portal,
    ada: User<'a>,
    project: ProjectId,
}

async fn roomy() -> Portal {
    Portal::with(Home::Sqlite, |config| {
        config.local.cores = Some(8);
        config.local.memory = Some(Memory::parse("64g").unwrap());
    })
    .await
}

impl<'a> Works<'a> {
    async fn new(portal: &'a Portal) -> Self {
        let ada = portal.user("ada").await;
        let project = insert_project(portal, &ada, "Genomes").await;
        let works = Self {
            portal,
            ada,
            project,
        };
        works.write("code/wordcount.py", "print(1)").await;
        works
    }

    async fn write(&self, path: &str, text: &'static str) {
        let key = keys::project_file(self.project, &FilePath::parse(path).unwrap());
        let storage = &self.portal.services.storage;
        storage.put_bytes(&key, text.into()).await.unwrap();
    }

    async fn job(&self, spec: JobSpec) -> JobId {
        insert_job(self.portal, &self.ada, self.project, spec).await
    }

    /// Many at once, which no cluster here will ever take.
    async fn stuck(&self, name: &str, count: u32) {
        let mut tx = self.portal.services.store.begin().await.unwrap();
        for n in 0..count {
            let spec = JobSpec {
                cluster: Some(ClusterName::parse("elsewhere").unwrap()),
                ..word_count()
            };
            let job = NewJob {
                id: JobId::new(),
                user: self.ada.account.id,
                slug: format!("stuck-{name}-{n}").try_into().unwrap(),
                spec,
                rules_version: "1".into(),
                created_at: self.portal.now(),
            };
            let project = Permitted::by_system(self.project, "tests");
            tx.insert_job(&project, &job, "ada").await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn find(&self, job: JobId) -> Job {
        find(&self.portal.services.store, job).await
    }

    async fn phase(&self, job: JobId) -> Phase {
        self.find(job).await.phase
    }

    /// The bytes that an attempt was given to run.
    async fn program(&self, job: JobId) -> String {
        let object = jobs::manifest(&self.portal.services, &self.ada.actor(), job, None).await;
        let address = object.unwrap().app.spec.main_application_file;
        fs::read_to_string(address.strip_prefix("file://").unwrap()).unwrap()
    }
}

fn of_queue(name: &str, executors: u32) -> JobSpec {
    let mut spec = word_count();
    spec.queue = QueueName::parse(name).unwrap();
    spec.executor.instances = executors;
    spec
}

on_both! {
    async fn a_cancel_that_meets_a_retry_stands(portal: Portal) {
        let works = Works::new(&portal).await;
        let services = &portal.services;
        let job = works.job(word_count()).await;
        start(&portal, job).await;
        let exit = Exit::NotStarted { why: "no disk".into() };
        let mut tx = services.store.begin().await.unwrap();
        tx.attempt_ending(&of_job(job), 1, AttemptPhase::Starting, &exit, portal.now()).await.unwrap();
        tx.commit().await.unwrap();
        let attempt = services.store.find_attempt(job, 1).await.unwrap().unwrap();
        let lease = lease(&portal, "monitor", "tests").await;

        let as_it_was = works.find(job).await;
        jobs::cancel(services, &works.ada.actor(), job).await.unwrap();
        let settled = attempts::settle(services, &lease, &as_it_was, &attempt).await;
        assert!(matches!(settled, Err(Error::Conflict(_))), "{settled:?}");
        assert_eq!(works.phase(job).await, Phase::Starting, "nothing of it is written");
        attempts::settle(services, &lease, &works.find(job).await, &attempt).await.unwrap();
        assert_eq!(works.phase(job).await, Phase::Cancelled);
    }

    async fn a_waiting_job_that_is_to_be_cancelled_is_ended(portal: Portal) {
        let works = Works::new(&portal).await;
        let job = works.job(word_count()).await;
        let mut tx = portal.services.store.begin().await.unwrap();
        tx.request_cancel(&of_job(job), works.ada.account.id, portal.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(works.phase(job).await, Phase::Queued, "as a retry once left it");
        tick(&portal, &mut Dispatcher::new(portal.services.clone())).await;
        assert_eq!(works.phase(job).await, Phase::Cancelled);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_holds_up_its_own_job_alone() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let mut odd = word_count();
    odd.main_file = "code/odd.py".to_owned().try_into().unwrap();
    works.write("code/odd.py", "print(2)").await;
    let folder = format!("store/{}code", keys::files_prefix(works.project, None));
    let folder = portal.data().join(folder);
    fs::remove_file(folder.join("odd.py")).unwrap();
    // The system refuses to open a socket; root may read all else.
    let socket = UnixListener::bind(folder.join("odd.py")).unwrap();
    let (odd, other) = (works.job(odd).await, works.job(word_count()).await);

    let mut dispatcher = Dispatcher::new(portal.services.clone());
    tick(&portal, &mut dispatcher).await;
    assert_eq!(works.phase(other).await, Phase::Starting);
    let waits = works.find(odd).await;
    let reason = waits.reason.unwrap();
    assert_eq!(waits.phase, Phase::Queued);
    assert!(reason.contains("`code/odd.py` cannot be read"), "{reason}");

    drop(socket);
    fs::remove_file(folder.join("odd.py")).unwrap();
    works.write("code/odd.py", "print(2)").await;
    portal.advance(MINUTE);
    tick(&portal, &mut dispatcher).await;
    assert_eq!(works.phase(odd).await, Phase::Starting);
    assert_eq!(works.program(odd).await, "print(2)");
}

#[tokio::test]
async fn jobs_that_cannot_be_placed_keep_no_other_from_its_turn() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    works.stuck("a", 250).await;
    let behind = works.job(word_count()).await;
    let mut dispatcher = Dispatcher::new(portal.services.clone());
    tick(&portal, &mut dispatcher).await;
    assert_eq!(works.phase(behind).await, Phase::Starting);

    works.stuck("b", 400).await;
    let behind = works.job(word_count()).await;
    tick(&portal, &mut dispatcher).await;
    assert_eq!(
        works.phase(behind).await,
        Phase::Queued,
        "a tick's work is bounded"
    );
    tick(&portal, &mut dispatcher).await;
    assert_eq!(
        works.phase(behind).await,
        Phase::Starting,
        "the next goes on from there"
    );
}

#[tokio::test]
async fn one_queue_does_not_wait_for_the_room_of_another() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let mut tx = portal.services.store.begin().await.unwrap();
    let night = QueueName::parse("night").unwrap();
    tx.insert_queue(
        &Permitted::by_system(Site, "tests"),
        &night,
        "",
        portal.now(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let first = works.job(of_queue("default", 2)).await;
    let large = works.job(of_queue("default", 8)).await;
    let small = works.job(of_queue("default", 1)).await;
    let other = works.job(of_queue("night", 1)).await;
    tick(&portal, &mut Dispatcher::new(portal.services.clone())).await;
    assert_eq!(works.phase(first).await, Phase::Starting);
    assert_eq!(works.phase(large).await, Phase::Queued);
    assert_eq!(
        works.phase(small).await,
        Phase::Queued,
        "it would take what the large one waits for"
    );
    assert_eq!(works.phase(other).await, Phase::Starting);
}

#[tokio::test]
async fn every_attempt_runs_the_bytes_that_the_first_was_given() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let services = &portal.services;
    let job = works.job(word_count()).await;
    let as_it_was = works.find(job).await;
    let before = lease(&portal, "dispatcher", "before").await;
    let after = lease(&portal, "dispatcher", "after").await;
    let local = ClusterName::local();
    let load = as_it_was.spec.resources();
    let placed = attempts::place(services, &after, &as_it_was, &local, load).await;
    assert_eq!(placed.unwrap(), attempts::Placed::Starts);

    works.write("code/wordcount.py", "print('other')").await;
    let late = attempts::place(services, &before, &as_it_was, &local, load).await;
    assert!(late.is_err(), "it lost the lease while it copied: {late:?}");
    assert_eq!(works.program(job).await, "print(1)");
}

#[tokio::test]
async fn the_object_that_is_shown_is_the_one_that_was_placed() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let services = &portal.services;
    let (placed, waits) = (
        works.job(word_count()).await,
        works.job(of_queue("default", 8)).await,
    );
    tick(&portal, &mut Dispatcher::new(services.clone())).await;
    let rules = include_str!("../../deploy/rules.toml").replace("\"UTC\" }", "\"Europe/Lisbon\" }");
    services.rules.replace(Rules::parse(&rules).unwrap());

    let zone = async |job| {
        let object = jobs::manifest(services, &works.ada.actor(), job, None).await;
        object.unwrap().app.spec.spark_conf["spark.sql.session.timeZone"].clone()
    };
    assert_eq!(zone(placed).await, "UTC");
    assert_eq!(
        zone(waits).await,
        "Europe/Lisbon",
        "it is still to be placed"
    );
    let place = services.store.find_job(placed).await.unwrap().unwrap();
    let attempt = services
        .store
        .find_attempt(placed, 1)
        .await
        .unwrap()
        .unwrap();
    let created = jobs::placed(services, &place, &attempt).await.unwrap();
    assert_eq!(
        created.app.spec.spark_conf["spark.sql.session.timeZone"],
        "UTC"
    );
}

#[tokio::test]
async fn every_mistake_is_told_at_once_also_what_must_be_looked_up() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let api = works.ada.api("write").await;
    let path = format!("/projects/{}/jobs", works.project);
    let told = async |change: Value| {
        let mut job = json!({"name": "", "type": "python", "main_file": "code/wordcount.py"});
        json_patch::merge(&mut job, &change);
        let refused = api.post(&path, &job).await.expect(422).json();
        let all = refused["violations"].as_array().unwrap().clone();
        all.iter()
            .map(|v| v["field"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let elsewhere = json!({
        "main_file": "code/gone.py", "queue": "nowhere", "cluster": "nowhere",
        "py_files": ["code/wordcount.py", "code/bad.txt", "code/gone.py"], "jars": ["gone.jar"],
    });
    assert_eq!(
        told(elsewhere).await,
        [
            "/name",
            "/main_file",
            "/queue",
            "/cluster",
            "/py_files/1",
            "/py_files/2",
            "/jars/0"
        ]
    );
    let too_large =
        json!({"executor": {"instances": 400}, "env": {"A": {"secret": "x"}, "B": "text"}});
    assert_eq!(
        told(too_large).await,
        ["/name", "/executor/instances", "/env/A"]
    );
    let odd = json!({"executor": {"instances": 400, "cores": "many"}});
    assert_eq!(
        told(odd).await,
        ["/name", "/executor/cores"],
        "nothing is reckoned with what is wrong"
    );
}

#[tokio::test]
async fn what_a_cluster_refuses_is_not_tried_again() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let services = &portal.services;
    let secret = EnvValue::Secret { secret: "x".into() };
    let job = works
        .job(JobSpec {
            env: [("A".into(), secret)].into(),
            ..word_count()
        })
        .await;
    tick(&portal, &mut Dispatcher::new(services.clone())).await;
    tick(&portal, &mut Monitor(services.clone())).await;
    let attempt = services.store.find_attempt(job, 1).await.unwrap().unwrap();
    assert_eq!(attempt.phase, AttemptPhase::Ending);
    let lease = lease(&portal, "monitor", "tests").await;
    attempts::settle(services, &lease, &works.find(job).await, &attempt)
        .await
        .unwrap();
    let failed = works.find(job).await;
    assert_eq!(
        (failed.phase, failed.cause),
        (Phase::Failed, Some(Cause::UserInput))
    );
    assert!(
        failed
            .card
            .unwrap()
            .what
            .contains("takes its value from a secret")
    );
}

#[tokio::test]
async fn a_reason_goes_when_what_it_said_is_past() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let services = &portal.services;
    let job = works.job(word_count()).await;
    start(&portal, job).await;
    let lease = lease(&portal, "monitor", "tests").await;
    let attempt = services.store.find_attempt(job, 1).await.unwrap().unwrap();
    let look = async || works.find(job).await;
    attempts::running(services, &lease, &look().await, &attempt, portal.now())
        .await
        .unwrap();
    let full = Error::Unavailable(vec!["storage".into()]);
    let conflict = Error::Conflict("Somebody was first.".into());

    attempts::waits(services, &lease, &look().await, "Its cluster is silent.")
        .await
        .unwrap();
    attempts::log_not_kept(services, &lease, &look().await, &full)
        .await
        .unwrap();
    attempts::log_kept(services, &lease, &look().await)
        .await
        .unwrap();
    assert_eq!(
        look().await.reason.as_deref(),
        Some("Its cluster is silent.")
    );
    attempts::heard(services, &lease, &look().await)
        .await
        .unwrap();
    assert_eq!(look().await.reason, None);

    attempts::log_not_kept(services, &lease, &look().await, &conflict)
        .await
        .unwrap();
    assert_eq!(look().await.reason, None, "a conflict is no trouble");
    attempts::log_not_kept(services, &lease, &look().await, &full)
        .await
        .unwrap();
    attempts::heard(services, &lease, &look().await)
        .await
        .unwrap();
    assert!(
        look().await.reason.unwrap().contains("storage"),
        "not the monitor's to take back"
    );
    attempts::log_kept(services, &lease, &look().await)
        .await
        .unwrap();
    assert_eq!(look().await.reason, None);
}

#[tokio::test]
async fn a_large_job_is_deleted_by_a_task_and_seen_by_nobody_meanwhile() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let (services, store) = (&portal.services, &portal.services.store);
    let job = works.job(word_count()).await;
    jobs::cancel(services, &works.ada.actor(), job)
        .await
        .unwrap();
    let outputs = jobs::folder(&works.find(job).await).unwrap();
    for n in 0..450 {
        works.write(&format!("{outputs}/1/part-{n}"), "x").await;
    }
    let api = works.ada.api("write").await;
    let begun = api
        .delete(&format!("/jobs/{job}?outputs=delete"))
        .await
        .expect(202);
    let task = begun
        .header("location")
        .unwrap()
        .trim_start_matches("/api/v1")
        .to_owned();
    let _ = api.get(&format!("/jobs/{job}")).await.expect(404);
    let _ = api
        .post(&format!("/jobs/{job}/rerun"), &json!({}))
        .await
        .expect(404);
    let _ = api.delete(&format!("/jobs/{job}")).await.expect(404);
    let list = api
        .get(&format!("/projects/{}/jobs", works.project))
        .await
        .json();
    assert_eq!(list["items"], json!([]));
    let _ = api
        .post(&format!("{task}/cancel"), &json!({}))
        .await
        .expect(409);
    assert_eq!(
        store
            .list_doomed_jobs(works.project, 10)
            .await
            .unwrap()
            .len(),
        1,
        "its rows go last"
    );

    tick_tasks(&portal).await;
    assert_eq!(api.get(&task).await.json()["state"], "done");
    assert!(
        store
            .list_doomed_jobs(works.project, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let prefix = keys::files_prefix(works.project, Some(&outputs));
    assert!(!services.storage.folder_exists(&prefix).await.unwrap());
    assert_eq!(
        store.list_audit(None, 10).await.unwrap()[0].action,
        "job.delete"
    );
}

#[tokio::test]
async fn home_has_what_ended_however_much_waits() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let ended = works.job(word_count()).await;
    jobs::cancel(&portal.services, &works.ada.actor(), ended)
        .await
        .unwrap();
    works.stuck("a", 40).await;
    let home = home::look(&portal.services, &works.ada.actor())
        .await
        .unwrap();
    assert_eq!(
        home.recent
            .iter()
            .map(|place| place.job.id)
            .collect::<Vec<_>>(),
        [ended]
    );
    assert_eq!(home.live.len(), 20);
}

#[tokio::test]
async fn what_no_attempt_knows_of_is_cleared_away() {
    let portal = roomy().await;
    let works = Works::new(&portal).await;
    let job = works.job(word_count()).await;
    let known = object(start(&portal, job).await.object);
    let stray = object(ObjectName::parse("left-behind-1").unwrap());
    let local = portal.services.clusters.get(&ClusterName::local()).unwrap();
    for object in [&known, &stray] {
        // One that was barred from starting has a run folder, too.
        local.stop(object).await.unwrap();
    }
    tick(&portal, &mut Janitor::new(portal.services.clone())).await;
    assert_eq!(local.objects().await.unwrap(), [known]);
}
