//! What all of the API's resources have in common: dry runs, keys against doing things twice, tags, and what is refused.
use crate::house::{Api, PASSWORD, Page};
use http::Method;
use serde_json::{Value, json};

async fn twice(api: &Api<'_>, path: &str, key: &str, body: &Value) -> Page {
    let request = api.request(Method::POST, path);
    request
        .header("idempotency-key", key)
        .json(body)
        .send()
        .await
}

fn count(list: &Page) -> usize {
    list.json()["items"].as_array().unwrap().len()
}

on_both! {
    async fn a_dry_run_checks_everything_and_keeps_nothing(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let api = grace.api("admin").await;
        let project = portal.project(&api, "Genomes").await;
        let file = format!("/projects/{project}/files/code/main.py");
        let _ = api.request(Method::PUT, &file).body("print(1)").send().await.expect(201);
        let jobs = format!("/projects/{project}/jobs");
        let job = json!({"name": "one", "type": "python", "main_file": "code/main.py"});
        let first = api.post(&jobs, &job).await.expect(201).json()["id"].as_str().unwrap().to_owned();
        for (path, right, wrong, list, kept) in [
            ("/projects".to_owned(), json!({"name": "Second"}), json!({"name": ""}), "/projects".to_owned(), 1),
            (format!("/projects/{project}/clone"), json!({"name": "Copy"}), json!({"name": ""}), "/projects".to_owned(), 1),
            ("/user/tokens".to_owned(), json!({"name": "nightly"}), json!({"name": "x", "scope": "all"}), "/user/tokens".to_owned(), 1),
            ("/admin/users".to_owned(), json!({"name": "eve", "password": PASSWORD}), json!({"name": "grace", "password": PASSWORD}), "/admin/users".to_owned(), 1),
            (format!("/projects/{project}/folders"), json!({"path": "new"}), json!({"path": "code"}), format!("/projects/{project}/files?prefix=new/"), 0),
            (jobs.clone(), job.clone(), json!({"name": "one", "type": "python", "main_file": "none.py"}), jobs.clone(), 1),
            (format!("/jobs/{first}/rerun"), json!({"name": "two"}), json!({"queue": "none"}), jobs.clone(), 1),
        ] {
            let dry = format!("{path}?dry_run=true");
            let _ = api.post(&dry, &right).await.expect(200);
            let _ = api.post(&dry, &wrong).await.expect(422);
            assert_eq!(count(&api.get(&list).await.expect(200)), kept, "{path}");
        }
    }

    async fn a_dry_run_needs_the_right_that_the_create_needs(portal: Portal) {
        let ada = portal.user("ada").await;
        let (reads, writes) = (ada.api("read").await, ada.api("write").await);
        let _ = reads.post("/projects?dry_run=true", &json!({"name": "x"})).await.expect(403);
        let _ = writes.post("/user/tokens?dry_run=true", &json!({"name": "x"})).await.expect(403);
        let _ = writes.post("/admin/users?dry_run=true", &json!({"name": "eve", "password": PASSWORD})).await.expect(404);
    }

    async fn the_same_key_makes_one_folder_one_move_one_clone_one_example(portal: Portal) {
        let ada = portal.user("ada").await.api("write").await;
        let project = portal.project(&ada, "Genomes").await;
        let at = |rest: &str| format!("/projects/{project}{rest}");
        for name in ["a.txt", "b/c.txt"] {
            let put = ada.request(Method::PUT, &at(&format!("/files/{name}"))).body("x");
            let _ = put.send().await.expect(201);
        }
        let folder = json!({"path": "new"});
        let made = twice(&ada, &at("/folders"), "k", &folder).await.expect(201);
        let listed = made.header("location").unwrap().strip_prefix("/api/v1").unwrap();
        let _ = ada.get(listed).await.expect(200);
        let _ = twice(&ada, &at("/folders"), "k", &folder).await.expect(200);
        let _ = twice(&ada, &at("/folders"), "k", &json!({"path": "other"})).await.expect(409);
        let _ = ada.post(&at("/folders"), &folder).await.expect(422);

        let file = json!({"from": "a.txt", "to": "z.txt"});
        let _ = twice(&ada, &at("/moves"), "k", &file).await.expect(204);
        let _ = twice(&ada, &at("/moves"), "k", &file).await.expect(204);
        let tree = json!({"from": "b", "to": "d"});
        let first = twice(&ada, &at("/moves"), "l", &tree).await.expect(202);
        let again = twice(&ada, &at("/moves"), "l", &tree).await.expect(202);
        assert_eq!(first.header("location"), again.header("location"));
        assert_eq!(count(&ada.get("/tasks").await), 1);

        let copy = json!({"name": "Copy"});
        let first = twice(&ada, &at("/clone"), "k", &copy).await.expect(201).json()["id"].clone();
        assert_eq!(twice(&ada, &at("/clone"), "k", &copy).await.expect(200).json()["id"], first);

        let example = async || {
            let request = ada.request(Method::POST, "/example");
            request.header("idempotency-key", "k").send().await
        };
        let (one, other) = tokio::join!(example(), example());
        assert_eq!(one.header("location"), other.header("location"));
        let job = one.header("location").unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        assert_eq!(ada.get(&job).await.expect(200).json()["name"], "word-count");
        let names = ada.get("/projects").await.json();
        let names: Vec<_> = names["items"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
        assert_eq!(names, ["Example", "Copy", "Genomes"]);
    }

    async fn what_was_read_is_what_is_changed(portal: Portal) {
        let ada = portal.user("ada").await;
        let _bob = portal.user("bob").await;
        let api = ada.api("write").await;
        let project = portal.project(&api, "Genomes").await;
        let member = format!("/projects/{project}/members/bob");
        let put = async |condition: (&str, &str), role: &str| {
            let request = api.request(Method::PUT, &member).header(condition.0, condition.1);
            request.json(&json!({"role": role})).send().await
        };
        let _ = put(("if-match", "\"x\""), "observer").await.expect(412);
        let made = put(("if-none-match", "*"), "observer").await.expect(200);
        let tag = made.header("etag").unwrap().to_owned();
        let read = api.get(&member).await.expect(200);
        assert_eq!(read.header("etag"), Some(&*tag));
        let known = api.request(Method::GET, &member).header("if-none-match", &tag);
        let _ = known.send().await.expect(304);
        let _ = put(("if-none-match", "*"), "editor").await.expect(412);
        let _ = put(("if-match", &tag), "editor").await.expect(200);
        let late = api.request(Method::DELETE, &member).header("if-match", &tag);
        let _ = late.send().await.expect(412);
        assert_eq!(api.get(&member).await.json()["role"], "editor");
        let any = api.request(Method::DELETE, &member).header("if-match", "*");
        let _ = any.send().await.expect(204);

        let token = api.get("/user/tokens").await.json()["items"][0]["id"].as_str().unwrap().to_owned();
        let token = format!("/user/tokens/{token}");
        let tag = api.get(&token).await.expect(200).header("etag").unwrap().to_owned();
        let other = api.request(Method::DELETE, &token).header("if-match", "\"x\"");
        let _ = other.send().await.expect(412);
        let same = api.request(Method::DELETE, &token).header("if-match", &tag);
        let _ = same.send().await.expect(204);
    }

    async fn control_characters_are_told_by_field(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let api = grace.api("admin").await;
        let project = portal.project(&api, "Genomes").await;
        let fields = |answer: Page| -> Vec<String> {
            let answer = answer.expect(422).json();
            let all = answer["violations"].as_array().unwrap();
            all.iter().map(|v| v["field"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(fields(api.get("/search?q=abc%00").await), ["/q"]);
        for list in ["/jobs".to_owned(), format!("/projects/{project}/jobs")] {
            let query = "?q=abc%00&queue=a%00b&name=c%1fd&user=x%00y";
            assert_eq!(fields(api.get(&format!("{list}{query}")).await), ["/user", "/queue", "/name", "/q"]);
            let page = grace.page(&format!("{list}?q=abc%00")).await;
            let _ = page.expect(422);
        }
        let page = grace.page("/search?q=abc%00").await.expect(422);
        assert!(page.one(".notice-bad").contains("control characters"));
        let draft = |text: &str| json!({"name": "x", "description": text});
        assert_eq!(fields(api.post("/projects", &draft("a\u{0}b")).await), ["/description"]);
        let _ = api.post("/projects", &draft("two\nlines\tand a tab")).await.expect(201);
        assert_eq!(fields(api.request(Method::PUT, "/user/elevation").json(&json!({"reason": "ticket\u{0}4711"})).send().await), ["/reason"]);
        let _ = grace.post("/account/elevation", &[("/reason", "ticket\u{0}4711")]).await.expect(422);
        assert_eq!(fields(api.get("/admin/users?after=%00").await), ["/after"]);
        assert_eq!(fields(api.get(&format!("/projects/{project}/members?after=%00")).await), ["/after"]);
    }

    async fn lists_go_on_where_they_end(portal: Portal) {
        let ada = portal.user("ada").await;
        let api = ada.api("write").await;
        let project = portal.project(&api, "Genomes").await;
        for name in ["bob", "cleo", "dan"] {
            portal.user(name).await;
            let member = format!("/projects/{project}/members/{name}");
            let _ = api.put(&member, &json!({"role": "observer"})).await.expect(200);
        }
        for _ in 0..3 {
            ada.token("read").await;
        }
        for (list, by) in [(format!("/projects/{project}/members"), "name"), ("/user/tokens".to_owned(), "id")] {
            let whole = api.get(&list).await.expect(200).json();
            let (mut read, mut path) = (Vec::new(), format!("{list}?limit=3"));
            loop {
                let page = api.get(&path).await.expect(200).json();
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= 3);
                read.extend(items.iter().map(|item| item[by].clone()));
                let Some(next) = page["next"].as_str() else { break };
                path = format!("{list}?limit=3&after={next}");
            }
            let whole: Vec<_> = whole["items"].as_array().unwrap().iter().map(|item| item[by].clone()).collect();
            assert_eq!((read.len(), read), (4, whole), "{list}");
        }
        // An old token can be revoked, however many there are since.
        let first = api.get("/user/tokens").await.json()["items"][3]["id"].as_str().unwrap().to_owned();
        let _ = ada.page(&format!("/account/tokens/{first}/revoke")).await.expect(200);
    }

    async fn what_pages_do_programs_do(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let (api, ada) = (grace.api("admin").await, portal.user("ada").await);
        let changed = api.patch("/user", &json!({"display_name": "Grace H.", "time_zone": "Europe/Oslo", "theme": "dark"})).await;
        let user = changed.expect(200).json();
        assert_eq!((&user["display_name"], &user["time_zone"], &user["theme"]), (&json!("Grace H."), &json!("Europe/Oslo"), &json!("dark")));
        let user = api.patch("/user", &json!({"time_zone": null})).await.expect(200).json();
        assert_eq!((&user["display_name"], &user["time_zone"]), (&json!("Grace H."), &json!(null)));
        let _ = api.patch("/user", &json!({"theme": "pink"})).await.expect(422);

        let theirs = portal.project(&ada.api("write").await, "Hidden").await;
        let theirs = format!("/projects/{theirs}");
        let _ = api.get(&theirs).await.expect(404);
        let _ = api.put("/user/elevation", &json!({"reason": "ticket 4711"})).await.expect(204);
        assert!(api.get("/user").await.json()["elevated_until"].is_string());
        let _ = api.get(&theirs).await.expect(200);
        let _ = api.patch(&theirs, &json!({"name": "Mine"})).await.expect(403);
        let _ = api.delete("/user/elevation").await.expect(204);
        let _ = api.get(&theirs).await.expect(404);

        let found = api.get("/search?q=hidden").await.expect(200).json();
        assert_eq!(found["projects"], json!([]));
        let found = ada.api("read").await.get("/search?q=HIDD").await.expect(200).json();
        assert_eq!(found["projects"][0]["name"], "Hidden");

        let writes = ada.api("write").await;
        let password = async |old: &str, new: &str| writes.put("/user/password", &json!({"old": old, "new": new})).await;
        let wrong = password("guessed", "short").await.expect(422).json();
        let fields: Vec<_> = wrong["violations"].as_array().unwrap().iter().map(|v| v["field"].clone()).collect();
        assert_eq!(fields, ["/old", "/new"]);
        assert!(ada.is_signed_in().await);
        let _ = password(PASSWORD, "four whales sing along").await.expect(204);
        assert!(!ada.is_signed_in().await);
        ada.sign_in("ada", "four whales sing along").await.leads_to("/");
        let _ = writes.delete("/user/sessions").await.expect(204);
        assert!(!ada.is_signed_in().await);
    }
}
