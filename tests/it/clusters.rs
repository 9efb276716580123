//! What a portal makes of its cluster: whose it is, how slow it may be, what it overrides.
use crate::{
    house::{Api, Page, Portal},
    pretended_spark::script,
};
use http::Method;
use serde_json::{Value, json};
use tourmaline::{
    config::Config,
    domain::{clock::Clock, names::ClusterName},
    server,
    services::{Error, seed, site},
};

on_both! {
    async fn a_database_belongs_to_one_data_folder(portal: Portal) {
        let here = &portal.services;
        seed::claim_home(here, "here /data").await.unwrap();
        let mut there = here.clone();
        there.replica = "another".into();
        let refused = seed::claim_home(&there, "there /data").await;
        let Err(Error::Conflict(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("here /data") && why.contains(&*here.replica), "{why}");
        seed::claim_home(here, "here /moved").await.unwrap();
        let Err(Error::Conflict(why)) = seed::claim_home(&there, "there /data").await else { panic!() };
        assert!(why.contains("here /moved"), "{why}");
    }
}

on_both! {
    async fn portals_share_a_database_and_a_bucket(portal: Portal) {
        let with = |bucket: &str, replica: &str| {
            let mut services = portal.services.clone();
            let mut config = Config::clone(&services.config);
            config.storage.endpoint = Some("http://s3.example".into());
            config.storage.bucket = Some(bucket.into());
            services.config = config.into();
            services.replica = replica.into();
            services
        };
        seed::claim_home(&with("science", "one"), "one /data").await.unwrap();
        seed::claim_home(&with("science", "two"), "two /data").await.unwrap();
        for other in [with("arts", "one"), portal.services.clone()] {
            let refused = seed::claim_home(&other, "one /data").await;
            let Err(Error::Conflict(why)) = refused else { panic!("{refused:?}") };
            assert!(why.contains("the portal of bucket science/"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_machine_that_takes_no_jobs_is_watched_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.local.enabled = false;
    let portal = server::open_portal(config, folder.path(), Clock::system())
        .await
        .unwrap();
    let local = portal.clusters.get(&ClusterName::local()).unwrap();
    let why = local.check_up().await.healthy.unwrap_err();
    assert!(why.contains("local.enabled is false"), "{why}");
    assert!(site::readiness(&portal).await.warnings.is_empty());
}

struct Jobs<'a> {
    api: Api<'a>,
    project: String,
}

impl<'a> Jobs<'a> {
    async fn new(portal: &'a Portal) -> Self {
        let api = portal.user("ada").await.api("write").await;
        let project = portal.project(&api, "Genomes").await;
        let path = format!("/projects/{project}/files/main.py");
        let put = api.request(Method::PUT, &path).body("print(1)");
        let _ = put.send().await.expect(201);
        Self { api, project }
    }

    async fn dry_run(&self, more: Value) -> Page {
        let mut job = json!({
            "name": "count", "type": "python", "main_file": "main.py",
            "executor": {"instances": 1, "memory": "512m"},
        });
        job.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let path = format!("/projects/{}/jobs?dry_run=true", self.project);
        self.api.post(&path, &job).await
    }
}

#[tokio::test]
async fn a_cluster_that_is_slow_to_answer_is_not_waited_for() {
    let portal = Portal::new().await;
    let jobs = Jobs::new(&portal).await;
    let house = portal.data().parent().unwrap().to_owned();
    let wait = format!(
        "#!/bin/sh\nwhile ! [ -e '{}' ]; do sleep 0.05; done\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n",
        house.join("go").display()
    );
    script(&house.join("java/bin/java"), &wait);
    let says = async || {
        let answer = jobs.dry_run(json!({})).await.expect(200).json();
        answer["cluster"].as_str().unwrap().to_owned()
    };
    let said = says().await;
    assert!(said.contains("not asked: "), "{said}");
    std::fs::write(house.join("go"), "").unwrap();
    // The look that was begun goes on by itself.
    while says().await != "local would take it now." {}
}

#[tokio::test]
async fn what_this_machine_overrides_is_told_and_shown() {
    let portal = Portal::new().await;
    let jobs = Jobs::new(&portal).await;
    let wishes = json!({
        "spark_conf": {
            "spark.ui.enabled": "true",
            "spark.sql.shuffle.partitions": "8",
            "spark.driver.extraJavaOptions": "-Djava.io.tmpdir=/scratch",
        },
        "env": {"TMPDIR": "/scratch", "STUDY": "b12"},
    });
    let answer = jobs.dry_run(wishes).await.expect(422).json();
    let violations = answer["violations"].as_array().unwrap();
    let fields: Vec<_> = violations
        .iter()
        .map(|v| v["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "/spark_conf/spark.driver.extraJavaOptions",
            "/spark_conf/spark.ui.enabled",
            "/env/TMPDIR"
        ]
    );
    let same = json!({"spark_conf": {"spark.ui.enabled": "false"}});
    let answer = jobs.dry_run(same).await.expect(200).json();
    let manifest = answer["manifest"].to_string();
    assert!(manifest.contains("fs.file.impl"), "{manifest}");
}
