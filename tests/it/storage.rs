//! A store on other machines, as people notice it.
use crate::house::{Home, Portal};
use serde_json::json;
#[cfg(feature = "production")]
use tourmaline::storage::keys;
use tourmaline::{config::Config, domain::job::Phase, services::jobs};

fn s3(endpoint: &str) -> impl FnOnce(&mut Config) {
    let endpoint = Some(endpoint.to_owned());
    move |config| {
        config.storage.endpoint = endpoint;
        config.storage.bucket = Some("science".into());
        config.storage.access_key = Some("key".into());
        config.storage.secret_key = Some("the-store-secret".into());
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_named_and_stops_no_other_work() {
    // Nobody listens where somebody just did.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = nobody.local_addr().unwrap().to_string();
    let portal = Portal::with(Home::Sqlite, s3(&format!("http://{nobody}"))).await;
    let admin = portal.site_admin("root").await;
    let api = admin.api("write").await;
    let project = portal.project(&api, "Genomes").await;

    let path = format!("/projects/{project}/files");
    let listed = api.get(&path).await.expect(503);
    assert!(listed.text().contains("storage"), "{}", listed.text());
    let put = api.request(http::Method::PUT, &format!("{path}/a.txt"));
    let _ = put.body("x").send().await.expect(503);

    let ready = portal.visitor().page("/readyz").await.expect(200).json();
    let warning = ready["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("storage: "), "{warning}");
    let overview = admin.page("/admin").await.expect(200).text();
    assert!(overview.contains(&nobody), "{overview}");
    assert!(!overview.contains("the-store-secret"));

    // A job is accepted: its code is looked for when it begins.
    let job = json!({"name": "count", "type": "python", "main_file": "main.py"});
    let accepted = api
        .post(&format!("/projects/{project}/jobs"), &job)
        .await
        .expect(201)
        .json();
    let id = accepted["id"].as_str().unwrap().parse().unwrap();
    let found = jobs::find(&portal.services, &admin.actor(), id)
        .await
        .unwrap();
    assert_eq!(found.job().phase, Phase::Queued);
}

#[tokio::test]
async fn what_the_portal_sets_for_its_store_a_job_cannot() {
    let portal = Portal::with(Home::Sqlite, |config| {
        s3("http://127.0.0.1:1")(config);
        config.storage.job_role = Some("arn:aws:iam:::role/jobs".into());
    })
    .await;
    let api = portal.user("ada").await.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    let job = json!({
        "name": "count", "type": "python", "main_file": "main.py", "max_run_seconds": 39_601,
        "spark_conf": {"spark.hadoop.fs.s3a.endpoint": "http://evil.example"},
    });
    let refused = api
        .post(&format!("/projects/{project}/jobs"), &job)
        .await
        .expect(422)
        .text();
    assert!(refused.contains("a run of 39600 s"), "{refused}");
    assert!(
        refused.contains("The portal sets this for its own store"),
        "{refused}"
    );
}

/// On the S3 of `src/storage/s3/tests.rs`.
#[cfg(feature = "production")]
#[tokio::test]
async fn a_browser_that_goes_to_a_file_is_sent_to_the_store() {
    let variable = |name: &str| {
        let name = format!("TOURMALINE_TEST_S3_{name}");
        std::env::var(&name)
            .unwrap_or_else(|_| panic!("{name} must say where a real S3 is: see README.md"))
    };
    let portal = Portal::with(Home::Sqlite, |config| {
        config.storage.endpoint = Some(variable("ENDPOINT"));
        config.storage.browser_endpoint = config.storage.endpoint.clone();
        config.storage.bucket = Some("tourmaline-test".into());
        config.storage.prefix = uuid::Uuid::new_v4().simple().to_string()[..16].into();
        config.storage.region = variable("REGION");
        config.storage.access_key = Some(variable("ACCESS_KEY").into());
        config.storage.secret_key = Some(variable("SECRET_KEY").into());
    })
    .await;
    portal.services.storage.prepare().await.unwrap();
    let ada = portal.user("ada").await;
    let api = ada.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    let put = api.request(
        http::Method::PUT,
        &format!("/projects/{project}/files/a%20b.png"),
    );
    let _ = put.body("not really").send().await.expect(201);

    let path = format!("/projects/{project}/files/content/a%20b.png");
    let get = async |mode: &str, path: &str| {
        let request = ada.request(http::Method::GET, path);
        request.header("sec-fetch-mode", mode).send().await
    };
    let sent = get("navigate", &path).await.expect(303);
    let address = sent.header("location").unwrap();
    assert!(address.starts_with(&variable("ENDPOINT")), "{address}");
    let answer = reqwest::get(address).await.unwrap();
    let shown = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(shown.contains("filename*=UTF-8''a%20b.png"), "{shown}");
    assert_eq!(answer.text().await.unwrap(), "not really");
    // A page shows it as a picture, which must come from here.
    assert_eq!(get("no-cors", &path).await.expect(200).text(), "not really");
    let _ = get("navigate", &path.replace("a%20b", "missing"))
        .await
        .expect(404);

    let all = keys::project_prefix(project.parse().unwrap());
    while portal
        .services
        .storage
        .delete_some(&all, 100)
        .await
        .unwrap()
        > 0
    {}
}
