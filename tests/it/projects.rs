//! Projects and their members, by page and by API.
use crate::house::{Portal, Request, tick_tasks};
use http::Method;
use serde_json::json;

impl Portal {
    /// A project that this person's program made, by its API.
    pub async fn project(&self, who: &crate::house::Api<'_>, name: &str) -> String {
        let made = who.post("/projects", &json!({ "name": name })).await;
        made.expect(201).json()["id"].as_str().unwrap().to_owned()
    }
}

on_both! {
    async fn the_same_key_makes_one_project(portal: Portal) {
        let ada = portal.user("ada").await.api("write").await;
        let send = async |key: &str, body: serde_json::Value| {
            ada.request(Method::POST, "/projects").header("idempotency-key", key).json(&body).send().await
        };
        let first = send("k1", json!({"name": "Genomes", "description": "b12"})).await.expect(201);
        let id = first.json()["id"].clone();
        assert_eq!(first.header("location"), Some(format!("/api/v1/projects/{}", id.as_str().unwrap()).as_str()));
        let again = send("k1", json!({"description": "b12", "name": "Genomes"})).await.expect(200);
        assert_eq!(again.json()["id"], id);
        let _ = send("k1", json!({"name": "Other"})).await.expect(409);
        let _ = send("k 1", json!({"name": "Other"})).await.expect(422);
        let two = futures::future::join(send("k2", json!({"name": "Two"})), send("k2", json!({"name": "Two"}))).await;
        assert_eq!(two.0.json()["id"], two.1.json()["id"], "two at once are one");
        portal.advance(25 * crate::house::HOUR);
        let later = send("k1", json!({"name": "Other"})).await.expect(201);
        assert_ne!(later.json()["id"], id, "a key is kept for a day");
    }

    async fn every_wrong_field_of_a_project_is_told(portal: Portal) {
        let ada = portal.user("ada").await.api("write").await;
        let answer = ada.post("/projects", &json!({"name": " ", "visibility": "secret", "description": 1, "colour": 2})).await.expect(422);
        let fields: Vec<String> = answer.json()["violations"].as_array().unwrap().iter()
            .map(|v| v["field"].as_str().unwrap().to_owned()).collect();
        for field in ["/name", "/visibility", "/description", "/colour"] {
            assert!(fields.contains(&field.to_owned()), "{field} in {fields:?}");
        }
    }

    async fn a_change_needs_what_was_read(portal: Portal) {
        let ada = portal.user("ada").await.api("write").await;
        let id = portal.project(&ada, "Genomes").await;
        let path = format!("/projects/{id}");
        let tag = ada.get(&path).await.expect(200).header("etag").unwrap().to_owned();
        let patch = async |tag: &str, body: serde_json::Value| {
            ada.request(Method::PATCH, &path).header("if-match", tag).json(&body).send().await
        };
        let changed = patch(&tag, json!({"name": "Marine", "archived": true})).await.expect(200);
        assert_eq!((changed.json()["name"].clone(), changed.json()["archived"].clone()), (json!("Marine"), json!(true)));
        let _ = patch(&tag, json!({"name": "Late"})).await.expect(412);
        let _ = ada.request(Method::DELETE, &path).header("if-match", &tag).send().await.expect(412);
        let _ = ada.request(Method::GET, &path).header("if-none-match", changed.header("etag").unwrap()).send().await.expect(304);
        let cleared = patch("*", json!({"description": null, "archived": false})).await.expect(200);
        assert_eq!(cleared.json()["description"], "");
        let _ = patch("*", json!({"name": null})).await.expect(422);
    }

    async fn members_come_change_and_go_but_an_administrator_stays(portal: Portal) {
        let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
        let (ada, bob_api) = (ada.api("write").await, bob.api("write").await);
        let id = portal.project(&ada, "Genomes").await;
        let member = |who: &str| format!("/projects/{id}/members/{who}");
        let _ = bob_api.get(&format!("/projects/{id}")).await.expect(404);
        let _ = ada.put(&member("bob"), &json!({"role": "observer"})).await.expect(200);
        let _ = bob_api.get(&format!("/projects/{id}")).await.expect(200);
        let _ = bob_api.put(&member("bob"), &json!({"role": "administrator"})).await.expect(403);
        let _ = ada.delete(&member("ada")).await.expect(409);
        let _ = ada.put(&member("ada"), &json!({"role": "editor"})).await.expect(409);
        let by_id = ada.put(&member(&bob.account.id.to_string()), &json!({"role": "administrator"})).await.expect(200);
        assert_eq!(by_id.json()["name"], "bob");
        let _ = ada.delete(&member("ada")).await.expect(204);
        let _ = ada.get(&format!("/projects/{id}")).await.expect(404);
        let _ = bob_api.put(&member("nobody"), &json!({"role": "editor"})).await.expect(422);
    }

    async fn a_public_project_is_seen_and_not_touched_by_others(portal: Portal) {
        let (ada, eve) = (portal.user("ada").await.api("write").await, portal.user("eve").await.api("write").await);
        let id = portal.project(&ada, "Genomes").await;
        assert_eq!(eve.get("/projects").await.json()["items"], json!([]));
        let _ = ada.patch(&format!("/projects/{id}"), &json!({"visibility": "public"})).await.expect(200);
        let listed = eve.get("/projects").await.json();
        assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["role"]), (&json!(id), &json!(null)));
        let _ = eve.patch(&format!("/projects/{id}"), &json!({"name": "Mine"})).await.expect(403);
        let _ = eve.delete(&format!("/projects/{id}")).await.expect(403);
    }

    async fn a_deleted_project_is_gone_at_once_and_its_task_clears_up(portal: Portal) {
        let ada = portal.user("ada").await;
        let api = ada.api("write").await;
        let id = portal.project(&api, "Genomes").await;
        for n in 0..3 {
            let path = format!("/projects/{id}/files/data/{n}.txt");
            let _ = api.request(Method::PUT, &path).body("x").send().await.expect(201);
        }
        let question = ada.page(&format!("/projects/{id}/delete")).await.expect(200);
        assert!(question.text().contains("3 files"), "it says what will go");
        let answer = api.delete(&format!("/projects/{id}")).await.expect(202);
        let task = answer.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
        let _ = api.get(&format!("/projects/{id}")).await.expect(404);
        let _ = api.post(&format!("{task}/cancel"), &json!({})).await.expect(409);
        tick_tasks(&portal).await;
        let ended = api.get(&task).await.json();
        assert_eq!((&ended["state"], &ended["outcome"]), (&json!("done"), &json!("6 things deleted.")), "files and the folders that held them");
        let left = std::fs::read_dir(portal.data().join("store/projects")).unwrap().count();
        assert_eq!(left, 0);
    }

    async fn a_clone_has_settings_and_members(portal: Portal) {
        let ada = portal.user("ada").await;
        let _bob = portal.user("bob").await;
        let api = ada.api("write").await;
        let id = portal.project(&api, "Genomes").await;
        let _ = api.patch(&format!("/projects/{id}"), &json!({"description": "about", "visibility": "public"})).await.expect(200);
        let _ = api.put(&format!("/projects/{id}/members/bob"), &json!({"role": "editor"})).await.expect(200);
        let answer = ada.post(&format!("/projects/{id}/clone"), &[("/name", "Second")]).await.expect(303);
        let to = answer.header("location").unwrap().split('/').nth(2).unwrap().to_owned();
        let copy = api.get(&format!("/projects/{to}")).await.json();
        assert_eq!((&copy["description"], &copy["visibility"], &copy["role"]), (&json!("about"), &json!("public"), &json!("administrator")));
        assert_eq!(api.get(&format!("/projects/{to}/members/bob")).await.json()["role"], "editor");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_project() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let opened = ada.page("/projects/new").await.expect(200).value("opened");
    let form = |name| {
        [
            ("opened", &*opened),
            ("/name", name),
            ("/visibility", "private"),
        ]
    };
    let first = ada.post("/projects", &form("Genomes")).await.expect(303);
    let again = ada.post("/projects", &form("Genomes")).await.expect(303);
    assert_eq!(first.header("location"), again.header("location"));
    let other = ada.post("/projects", &form("Another")).await.expect(303);
    assert_ne!(first.header("location"), other.header("location"));
    let project = first
        .header("location")
        .unwrap()
        .trim_end_matches("/files")
        .to_owned();
    let clone = format!("{project}/clone");
    let opened = ada.page(&clone).await.expect(200).value("opened");
    let form = [("opened", &*opened), ("/name", "Copy")];
    let first = ada.post(&clone, &form).await.expect(303);
    let again = ada.post(&clone, &form).await.expect(303);
    assert_eq!(first.header("location"), again.header("location"));
}

#[tokio::test]
async fn pages_say_what_is_wrong_and_keep_what_was_typed() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    assert!(
        ada.page("/projects")
            .await
            .has(".empty a[href='/projects/new']")
    );
    let form = [
        ("/name", ""),
        ("/description", "about b12"),
        ("/visibility", "public"),
    ];
    let page = ada.post("/projects", &form).await.expect(422);
    assert_eq!(page.errors_on("/name").len(), 1);
    assert!(page.text().contains("about b12"));
    let made = ada
        .post("/projects", &[("/name", "Genomes")])
        .await
        .expect(303);
    let url = made
        .header("location")
        .unwrap()
        .trim_end_matches("/files")
        .to_owned();
    assert!(ada.page("/projects").await.text().contains("Genomes"));
    ada.page(&url).await.leads_to(&format!("{url}/jobs"));
    let version = ada.page(&format!("{url}/settings")).await.value("version");
    let form = [
        ("/name", "Marine"),
        ("/visibility", "private"),
        ("version", &version),
    ];
    let _ = ada
        .post(&format!("{url}/settings"), &form)
        .await
        .expect(303);
    let _ = ada
        .post(&format!("{url}/settings"), &form)
        .await
        .expect(412);
    let page = ada
        .post(
            &format!("{url}/members"),
            &[("/user", "nobody"), ("/role", "editor")],
        )
        .await
        .expect(422);
    assert_eq!(page.errors_on("/user").len(), 1);
    let _ = ada
        .post(&format!("{url}/archive"), &[("archived", "true")])
        .await
        .expect(303);
    assert!(
        !ada.page(&format!("{url}/files")).await.has("form.drop"),
        "an archived project takes no files"
    );
    let _ = Request::plain(&portal, Method::GET, &url)
        .send()
        .await
        .expect(303);
}
