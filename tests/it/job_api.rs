//! What the API tells of jobs: outputs, events, the object, logs, and to whom.
use crate::{
    house::{Api, Page, Portal, Request, User},
    jobs::AtWork,
};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::time::Duration;

struct Lab<'a> {
    api: Api<'a>,
    project: String,
}

impl<'a> Lab<'a> {
    /// A public project with a program in it.
    async fn new(user: &User<'a>) -> Self {
        let api = user.api("write").await;
        let made = api
            .post(
                "/projects",
                &json!({"name": "Genomes", "visibility": "public"}),
            )
            .await;
        let project = made.expect(201).json()["id"].as_str().unwrap().to_owned();
        let file = format!("/projects/{project}/files/code/main.py");
        let _ = api
            .request(Method::PUT, &file)
            .body("print(1)")
            .send()
            .await
            .expect(201);
        Self { api, project }
    }

    /// The address of a new job that runs a piece of shell.
    async fn job(&self, shell: &str) -> String {
        let job = json!({
            "name": "count", "type": "python", "main_file": "code/main.py", "arguments": [shell],
            "executor": {"instances": 1, "memory": "512m"}, "env": {"TOKEN_OF_LAB": "sesame"},
        });
        let made = self
            .api
            .post(&format!("/projects/{}/jobs", self.project), &job)
            .await
            .expect(201);
        made.header("location")
            .unwrap()
            .strip_prefix("/api/v1")
            .unwrap()
            .to_owned()
    }

    /// The job as it is once it has ended.
    async fn ended(&self, portal: &Portal, job: &str) -> Value {
        let mut changes = portal.services.store.changes().subscribe();
        let looked = async {
            loop {
                let read = self.api.get(job).await.expect(200).json();
                if !read["ended_at"].is_null() {
                    return read;
                }
                let _ = tokio::time::timeout(Duration::from_millis(500), changes.recv()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looked)
            .await
            .expect("the job ends")
    }

    async fn accepting(&self, path: &str, accept: &str) -> Page {
        self.api
            .request(Method::GET, path)
            .header("accept", accept)
            .send()
            .await
    }
}

fn items(page: &Page) -> Vec<Value> {
    page.json()["items"].as_array().unwrap().clone()
}

/// Reads a stream to its end.
async fn read(request: Request<'_>) -> String {
    let mut body = request.open().await.into_body();
    let mut text = String::new();
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("the stream ends");
    text
}

const LINES: &str = "for n in 1 2 3 4 5; do echo line $n; done";

#[tokio::test]
async fn a_jobs_outputs_events_and_object() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let _work = AtWork::begin(&portal);
    let shell = r#"d="{output}"; d="${d#file://}"; mkdir -p "$d/counts [1]" && echo 42 > "$d/counts [1]/part 0.txt""#;
    let job = lab.job(shell).await;
    let ended = lab.ended(&portal, &job).await;
    assert_eq!(ended["phase"], "succeeded", "{ended}");
    assert_eq!(ended["placed_on"]["cluster"], "local");
    let listed = items(&lab.api.get("/jobs").await.expect(200));
    assert_eq!(
        listed[0]["placed_on"], ended["placed_on"],
        "lists say where, too"
    );

    let outputs = items(&lab.api.get(&format!("{job}/outputs")).await.expect(200));
    assert_eq!(outputs.len(), 1, "{outputs:?}");
    assert_eq!(outputs[0]["size"], 3);
    let url = outputs[0]["url"]
        .as_str()
        .unwrap()
        .strip_prefix("/api/v1")
        .unwrap();
    assert_eq!(lab.api.get(url).await.expect(200).text(), "42\n");

    let events = format!("{job}/events");
    let all = items(&lab.api.get(&events).await.expect(200));
    assert_eq!(all[0]["kind"], "accepted");
    assert_eq!(all.last().unwrap()["kind"], "succeeded");
    let page = lab
        .api
        .get(&format!("{events}?limit=2"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &page["next"]),
        (2, &json!("2"))
    );
    let rest = items(&lab.api.get(&format!("{events}?after=2")).await.expect(200));
    assert_eq!(rest[..], all[2..]);
    let _ = lab.api.get(&format!("{events}?limit=0")).await.expect(422);
    let follows = lab.api.request(Method::GET, &events);
    let stream = read(follows.header("accept", "text/event-stream")).await;
    assert_eq!(stream.matches("event: changed").count(), all.len());
    assert!(stream.ends_with("event: end\ndata: end\n\n"), "{stream}");
    let resumes = lab
        .api
        .request(Method::GET, &events)
        .header("accept", "text/event-stream");
    let stream = read(resumes.header("last-event-id", "2")).await;
    assert_eq!(stream.matches("event: changed").count(), all.len() - 2);

    let manifest = format!("{job}/manifest");
    let yaml = lab
        .accepting(&manifest, "application/yaml")
        .await
        .expect(200);
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(yaml.text().contains("kind: SparkApplication"));
    let object = lab
        .accepting(&manifest, "application/json")
        .await
        .expect(200);
    assert_eq!(object.json()["kind"], "SparkApplication");
    let _ = lab.accepting(&manifest, "image/png").await.expect(406);
}

#[tokio::test]
async fn a_log_is_read_whole_in_ranges_by_lines_and_as_it_comes() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let _work = AtWork::begin(&portal);
    let job = lab.job(LINES).await;
    lab.ended(&portal, &job).await;
    let streams = items(
        &lab.api
            .get(&format!("{job}/attempts/1/logs"))
            .await
            .expect(200),
    );
    assert_eq!(
        (&streams[0]["stream"], &streams[0]["complete"]),
        (&json!("driver"), &json!(true))
    );
    let log = format!("{job}/attempts/1/logs/driver");
    let whole = lab.api.get(&log).await.expect(200).text();
    assert!(whole.ends_with("line 4\nline 5\n"), "{whole}");
    assert_eq!(streams[0]["size"], whole.len());

    let ranged = async |range: &str| {
        lab.api
            .request(Method::GET, &log)
            .header("range", range)
            .send()
            .await
    };
    let part = ranged("bytes=1-3").await.expect(206);
    assert_eq!(part.text(), whole[1..4]);
    let shown = format!("bytes 1-3/{}", whole.len());
    assert_eq!(part.header("content-range"), Some(&*shown));
    assert_eq!(ranged("bytes=-7").await.expect(206).text(), "line 5\n");
    assert_eq!(
        ranged("bytes=0-0,5-6").await.expect(200).text(),
        whole,
        "several ranges mean the whole"
    );
    let beyond = ranged(&format!("bytes={}-", whole.len())).await.expect(416);
    assert_eq!(
        beyond.header("content-range"),
        Some(&*format!("bytes */{}", whole.len()))
    );
    let other = lab
        .api
        .request(Method::GET, &log)
        .header("range", "bytes=1-3");
    let other = other.header("if-range", "\"another\"").send().await;
    assert_eq!(
        other.expect(200).text(),
        whole,
        "a range of another version means the whole"
    );

    assert_eq!(
        lab.api
            .get(&format!("{log}?tail=2"))
            .await
            .expect(200)
            .text(),
        "line 4\nline 5\n"
    );
    let _ = lab.api.get(&format!("{log}?tail=0")).await.expect(422);
    let from = whole.len() - 7;
    let followed = lab
        .api
        .request(Method::GET, &format!("{log}?follow=true&after={from}"));
    let stream = read(followed).await;
    let data = format!(r#"data: {{"offset":{from},"text":"line 5\n"}}"#);
    assert!(
        stream.contains(&data) && stream.contains(&format!("id: {}", whole.len())),
        "{stream}"
    );
    assert!(stream.ends_with("event: end\ndata: end\n\n"), "{stream}");

    let found = lab
        .api
        .get(&format!("{log}/search?q=LINE+3"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&found["items"][0]["line"], &found["next"]),
        (&json!("line 3"), &json!(null))
    );
    let found = lab
        .api
        .get(&format!("{log}/search?q=%5Eline+%5B45%5D%24&regex=true"))
        .await
        .expect(200)
        .json();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    let _ = lab
        .api
        .get(&format!("{log}/search?q=%5B&regex=true"))
        .await
        .expect(422);
    let _ = lab.api.get(&format!("{log}/search?q=")).await.expect(422);
    let _ = lab
        .api
        .get(&format!("{job}/attempts/1/logs/none"))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_rerun_is_the_old_job_with_a_patch() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let lab = Lab::new(&ada).await;
    let job = lab.job(LINES).await;
    let patch =
        json!({"name": "again", "executor": {"memory": "1g"}, "env": {"TOKEN_OF_LAB": null}});
    let would = lab
        .api
        .post(&format!("{job}/rerun?dry_run=true"), &patch)
        .await
        .expect(200)
        .json();
    assert_eq!(would["manifest"]["kind"], "SparkApplication");
    assert_eq!(items(&lab.api.get("/jobs").await).len(), 1);
    let again = lab
        .api
        .post(&format!("{job}/rerun"), &patch)
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&again["name"], &again["arguments"]),
        (&json!("again"), &json!([LINES]))
    );
    assert_eq!(
        (&again["executor"]["memory"], &again["env"]),
        (&json!("1g"), &json!({}))
    );
    let wrong = lab
        .api
        .post(
            &format!("{job}/rerun"),
            &json!({"executor": {"memory": "1Gi"}}),
        )
        .await
        .expect(422);
    assert_eq!(wrong.json()["violations"][0]["field"], "/executor/memory");
}

on_both! {
    async fn a_job_has_a_tag_and_says_who_cancelled_it(portal: Portal) {
        let ada = portal.user("ada").await;
        let lab = Lab::new(&ada).await;
        let job = lab.job(LINES).await;
        let tag = lab.api.get(&job).await.expect(200).header("etag").unwrap().to_owned();
        let known = lab.api.request(Method::GET, &job).header("if-none-match", &tag);
        let _ = known.send().await.expect(304);
        let asked = lab.api.post(&format!("{job}/cancel"), &json!({})).await.expect(202).json();
        assert_eq!((&asked["phase"], &asked["cancel_requested"]["by"]), (&json!("cancelled"), &json!("ada")));
        let listed = items(&lab.api.get("/jobs").await.expect(200));
        assert_eq!(listed[0]["cancel_requested"]["by"], "ada");
        let late = lab.api.request(Method::DELETE, &job).header("if-match", &tag);
        let _ = late.send().await.expect(412);
        let _ = lab.api.get(&job).await.expect(200);
    }

    async fn a_public_projects_reader_sees_no_environment(portal: Portal) {
        let ada = portal.user("ada").await;
        let eve = portal.user("eve").await.api("write").await;
        let lab = Lab::new(&ada).await;
        let job = lab.job(LINES).await;
        let list = format!("/projects/{}/jobs", lab.project);
        assert_eq!(lab.api.get(&job).await.json()["env"], json!({"TOKEN_OF_LAB": "sesame"}));
        assert_eq!(items(&lab.api.get(&list).await)[0]["env"], json!({"TOKEN_OF_LAB": "sesame"}));
        for path in [job.clone(), list, format!("{job}/placement"), format!("{job}/events"), format!("{job}/attempts")] {
            let seen = eve.get(&path).await.expect(200);
            assert!(!seen.text().contains("sesame"), "{path}: {}", seen.text());
        }
        assert_eq!(eve.get(&job).await.json()["env"], json!({}));
        let _ = eve.get(&format!("{job}/manifest")).await.expect(403);
        let _ = eve.post(&format!("{job}/rerun"), &json!({})).await.expect(403);
    }
}
