//! Files of a project: put, read in parts, listed, moved, deleted, packed.
use crate::house::{Api, Home, PASSWORD, Page, Portal, tick_tasks};
use bytes::Bytes;
use http::Method;
use serde_json::json;
use tourmaline::services::{Error, files};

struct Files<'a> {
    api: Api<'a>,
    project: String,
}

impl Files<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/projects/{}/files{rest}", self.project)
    }

    async fn put(&self, path: &str, body: impl Into<axum::body::Body>) -> Page {
        let request = self
            .api
            .request(Method::PUT, &self.path(&format!("/{path}")));
        request.body(body).send().await
    }

    async fn names(&self, query: &str) -> Vec<String> {
        let page = self.api.get(&self.path(query)).await.expect(200).json();
        let items = page["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["path"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn post(&self, what: &str, body: serde_json::Value) -> Page {
        self.api
            .post(&format!("/projects/{}/{what}", self.project), &body)
            .await
    }
}

async fn files(portal: &Portal) -> Files<'_> {
    let api = portal.user("ada").await.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    Files { api, project }
}

#[tokio::test]
async fn a_file_is_new_then_replaced_then_read_in_parts() {
    let portal = Portal::new().await;
    let files = files(&portal).await;
    let _ = files
        .put("data/%C3%BC%201.txt", "0123456789")
        .await
        .expect(201);
    let put = files
        .put("data/%C3%BC%201.txt", "0123456789")
        .await
        .expect(200);
    let tag = put.header("etag").unwrap().to_owned();
    let path = files.path("/data/%C3%BC%201.txt");
    let get = async |headers: &[(&str, &str)]| {
        let mut request = files.api.request(Method::GET, &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await
    };
    let whole = get(&[]).await.expect(200);
    assert_eq!(whole.text(), "0123456789");
    assert_eq!(whole.header("content-security-policy"), Some("sandbox"));
    assert_eq!(
        whole.header("content-type"),
        Some("application/octet-stream")
    );
    let name = "attachment; filename=\"_ 1.txt\"; filename*=UTF-8''%C3%BC%201.txt";
    assert_eq!(whole.header("content-disposition"), Some(name));
    let part = get(&[("range", "bytes=2-4")]).await.expect(206);
    assert_eq!(
        (part.text().as_str(), part.header("content-range")),
        ("234", Some("bytes 2-4/10"))
    );
    assert_eq!(
        get(&[("range", "bytes=-3")]).await.expect(206).text(),
        "789"
    );
    let behind = get(&[("range", "bytes=10-")]).await.expect(416);
    assert_eq!(behind.header("content-range"), Some("bytes */10"));
    assert_eq!(
        get(&[("range", "bytes=2-4"), ("if-range", "\"other\"")])
            .await
            .expect(200)
            .text()
            .len(),
        10
    );
    let _ = get(&[("if-none-match", &tag)]).await.expect(304);
    let head = files
        .api
        .request(Method::HEAD, &path)
        .send()
        .await
        .expect(200);
    assert_eq!(head.header("content-length"), Some("10"));
    let late = files
        .api
        .request(Method::DELETE, &path)
        .header("if-match", "\"old\"")
        .send()
        .await;
    let _ = late.expect(412);
    let _ = files.api.delete(&path).await.expect(204);
    let _ = files.api.delete(&path).await.expect(404);
}

#[tokio::test]
async fn odd_names_and_the_folder_of_outputs_are_refused() {
    let portal = Portal::new().await;
    let files = files(&portal).await;
    let long = "x".repeat(201);
    for odd in [
        "..%2fx",
        "a/%2e%2e/x",
        "a%00b",
        "a//b",
        "a/",
        "a%5Cb",
        "jobs/x",
        "jobs",
        "%20a",
        &long,
    ] {
        let answer = files.put(odd, "x").await.expect(422);
        assert_eq!(answer.json()["violations"][0]["field"], "/path", "{odd}");
        assert_ne!(
            files.api.get(&files.path(&format!("/{odd}"))).await.status,
            200,
            "{odd}"
        );
    }
    assert_eq!(files.names("").await, Vec::<String>::new());
    let _ = files.put("data/x", "x").await.expect(201);
    let _ = files.put("data", "x").await.expect(409);
    let _ = files.put("data/x/y", "x").await.expect(409);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_its_first_byte_or_when_it_is() {
    let portal = Portal::with(Home::Sqlite, |config| config.server.upload_limit = 1000).await;
    let files = files(&portal).await;
    let told = files
        .api
        .request(Method::PUT, &files.path("/big"))
        .header("content-length", "1001");
    // A body that would never come: the answer must not wait for it.
    let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let _ = told
        .body(axum::body::Body::from_stream(never))
        .send()
        .await
        .expect(413);
    let chunks =
        futures::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![0; 100]))));
    let _ = files
        .put("big", axum::body::Body::from_stream(chunks))
        .await
        .expect(413);
    let broken = futures::stream::iter([Ok(Bytes::from("x")), Err(std::io::Error::other("gone"))]);
    let answer = files
        .put("big", axum::body::Body::from_stream(broken))
        .await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(
        files.names("").await,
        Vec::<String>::new(),
        "nothing of them is kept"
    );
}

#[tokio::test]
async fn a_list_goes_on_where_it_ended() {
    let portal = Portal::new().await;
    let files = files(&portal).await;
    for path in ["a/1", "a/2", "a/b/3", "a-1", "z"] {
        let _ = files.put(path, "x").await.expect(201);
    }
    assert_eq!(files.names("?prefix=&delimiter=/").await, ["a-1", "a", "z"]);
    assert_eq!(
        files.names("?prefix=a/&delimiter=/").await,
        ["a/1", "a/2", "a/b"]
    );
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = files
            .api
            .get(&files.path(&format!("?limit=2{after}")))
            .await
            .expect(200)
            .json();
        all.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["path"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(all, ["a-1", "a/1", "a/2", "a/b/3", "z"]);
    let _ = files.api.get(&files.path("?limit=0")).await.expect(422);
    let _ = files.api.get(&files.path("?prefix=../x")).await.expect(422);
}

on_both! {
    async fn folders_are_made_moved_and_deleted_by_tasks(portal: Portal) {
        let files = files(&portal).await;
        for n in 0..5 {
            let _ = files.put(&format!("data/in/{n}"), format!("{n}")).await.expect(201);
        }
        let _ = files.post("folders", json!({"path": "data/in/empty"})).await.expect(201);
        let _ = files.post("folders", json!({"path": "data/in"})).await.expect(422);
        let _ = files.post("moves", json!({"from": "data", "to": "data/in/x"})).await.expect(422);
        let _ = files.post("moves", json!({"from": "data", "to": "jobs/x"})).await.expect(422);
        let _ = files.post("moves", json!({"from": "none", "to": "x"})).await.expect(404);
        let _ = files.post("moves", json!({"from": "data/in/0", "to": "zero"})).await.expect(204);
        let moved = files.post("moves", json!({"from": "data", "to": "new/data"})).await.expect(202);
        let task = moved.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
        assert_eq!(files.api.get(&task).await.json()["state"], "waiting");
        let ada = portal.visitor();
        ada.sign_in("ada", PASSWORD).await.leads_to("/");
        let page = ada.page(&files.path("")).await.expect(200);
        assert_eq!(page.attributes("p.task a", "href"), std::slice::from_ref(&task), "the files' page says what goes on");
        tick_tasks(&portal).await;
        let ended = files.api.get(&task).await.json();
        assert_eq!(ended["state"], "done", "{ended}");
        assert_eq!(files.names("").await, ["new/data/in/1", "new/data/in/2", "new/data/in/3", "new/data/in/4", "new/data/in/empty", "zero"]);
        let _ = files.api.delete(&files.path("/new")).await.expect(202);
        tick_tasks(&portal).await;
        assert_eq!(files.names("").await, ["zero"]);
    }

    async fn a_folder_that_holds_more_than_is_shown_is_not_lost_by_a_move(portal: Portal) {
        let files = files(&portal).await;
        let _ = files.put("data/in/a", "a").await.expect(201);
        let _ = files.put("data/z", "z").await.expect(201);
        let data = portal.data().join("store/projects");
        let data = std::fs::read_dir(data).unwrap().next().unwrap().unwrap();
        let data = data.path().join("files/data");
        assert!(data.join("z").is_file());
        // As only a job can name it.
        std::fs::write(data.join("in/back\\slash"), "result").unwrap();
        let moved = files.post("moves", json!({"from": "data", "to": "new"})).await.expect(202);
        let task = moved.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
        tick_tasks(&portal).await;
        let ended = files.api.get(&task).await.json();
        assert_eq!(ended["state"], "failed", "{ended}");
        let outcome = ended["outcome"].as_str().unwrap();
        assert!(outcome.contains("`data/in`") && outcome.contains("slash"), "{outcome}");
        assert_eq!(files.names("").await, ["data/in", "new/in/a", "new/z"]);
        assert_eq!(std::fs::read(data.join("in/back\\slash")).unwrap(), b"result");
    }

    async fn a_task_that_was_told_to_stop_does(portal: Portal) {
        let files = files(&portal).await;
        let _ = files.put("data/1", "x").await.expect(201);
        let begun = files.api.delete(&files.path("/data")).await.expect(202);
        let task = begun.header("location").unwrap().trim_start_matches("/api/v1").to_owned();
        let eve = portal.user("eve").await.api("write").await;
        let _ = eve.get(&task).await.expect(404);
        let _ = eve.post(&format!("{task}/cancel"), &json!({})).await.expect(404);
        for _ in 0..2 {
            let _ = files.api.post(&format!("{task}/cancel"), &json!({})).await.expect(202);
        }
        tick_tasks(&portal).await;
        assert_eq!(files.api.get(&task).await.json()["state"], "cancelled");
        assert_eq!(files.names("").await, ["data/1"]);
    }
}

on_both! {
    async fn an_upload_that_ends_after_its_project_leaves_nothing(portal: Portal) {
        let ada = portal.user("ada").await;
        let api = ada.api("write").await;
        let project = portal.project(&api, "Genomes").await;
        let path = format!("/projects/{project}");
        let id = project.parse().unwrap();
        let name = "late.txt".to_owned().try_into().unwrap();
        let delete = async || {
            let tag = api.get(&path).await.expect(200).header("etag").unwrap().to_owned();
            let delete = api.request(Method::DELETE, &path).header("if-match", &tag);
            let _ = delete.send().await.expect(202);
        };
        let begun = futures::stream::iter([Ok(Bytes::from_static(b"begun"))]);
        let end = futures::stream::once(async {
            delete().await;
            tick_tasks(&portal).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b" and ended"))
        });
        let body = futures::StreamExt::chain(begun, end);
        let put = Box::pin(files::put(&portal.services, &ada.actor(), id, &name, body)).await;
        assert!(matches!(put, Err(Error::NotFound(_))), "{put:?}");
        assert!(!portal.data().join("store/projects").join(&project).exists());
    }
}

#[tokio::test]
#[expect(deprecated, reason = "its successor does not read from memory yet")]
async fn several_files_and_folders_are_one_zip() {
    let portal = Portal::new().await;
    let files = files(&portal).await;
    let text = "héllo ".repeat(10_000);
    let _ = files.put("data/a/x.txt", text.clone()).await.expect(201);
    let _ = files.put("data/b.gz", "dense").await.expect(201);
    let _ = files.put("other", "not asked for").await.expect(201);
    let path = format!(
        "/projects/{}/zip?path=data/a/&path=data/b.gz",
        files.project
    );
    let zip = files.api.get(&path).await.expect(200);
    let read = async_zip::base::read::mem::ZipFileReader::new(zip.body.to_vec())
        .await
        .unwrap();
    let names: Vec<&str> = read
        .file()
        .entries()
        .iter()
        .map(|e| e.filename().as_str().unwrap())
        .collect();
    assert_eq!(names, ["data/a/x.txt", "data/b.gz"]);
    let mut back = String::new();
    let mut entry = read.reader_with_entry(0).await.unwrap();
    entry.read_to_string_checked(&mut back).await.unwrap();
    assert_eq!(back, text);
    let missing = format!("/projects/{}/zip?path=data/none", files.project);
    let _ = files.api.get(&missing).await.expect(404);
}

#[tokio::test]
async fn a_page_previews_text_escaped_and_pictures_from_their_own_address() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let api = ada.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    let files = Files { api, project };
    let page = async |path: &str| {
        ada.page(&format!("/projects/{}/files/view/{path}", files.project))
            .await
            .expect(200)
    };
    let _ = files
        .put("x.html", "<script>alert(1)</script>")
        .await
        .expect(201);
    let shown = page("x.html").await;
    assert_eq!(shown.one("pre.code"), "<script>alert(1)</script>");
    assert!(!shown.has("main script"));
    let _ = files
        .put("p.png", &b"\x89PNG\r\n\x1a\nrest"[..])
        .await
        .expect(201);
    let source = page("p.png").await.attributes("main img", "src").remove(0);
    let picture = ada.page(&source).await.expect(200);
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert_eq!(picture.header("content-security-policy"), Some("sandbox"));
    let _ = files
        .put("x.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
        .await
        .expect(201);
    assert!(
        !page("x.svg").await.has("main img"),
        "an svg can hold scripts"
    );
    let _ = files.put("x.bin", &b"\0\x01"[..]).await.expect(201);
    assert!(page("x.bin").await.text().contains("no preview"));
}

#[tokio::test]
async fn a_plain_form_uploads_several_files_into_a_folder() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let api = ada.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    let files = Files { api, project };
    let send = async |parts: &[(&str, &str)]| {
        let part = |(name, content): &(&str, &str)| {
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n{content}\r\n"
            )
        };
        let mut body = parts.iter().map(part).collect::<Vec<_>>().concat();
        body += "--edge--\r\n";
        let path = format!("/projects/{}/files?folder=data/", files.project);
        ada.request(Method::POST, &path)
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(body)
            .send()
            .await
    };
    send(&[("ü 1.txt", "one"), ("2.txt", "two")])
        .await
        .expect(303)
        .leads_to(&format!("/projects/{}/files?folder=data", files.project));
    assert_eq!(files.names("").await, ["data/2.txt", "data/ü 1.txt"]);
    let nothing = send(&[("", "")]).await.expect(422);
    assert!(nothing.text().contains("No file was chosen"), "{nothing:?}");
    let _ = send(&[("../2.txt", "three")]).await.expect(422);
    let much = "x".repeat(tourmaline::web::FORM_LIMIT);
    let _ = send(&[("much.txt", &much)]).await.expect(413);
    assert_eq!(
        files.names("").await,
        ["data/2.txt", "data/ü 1.txt"],
        "no half of it"
    );
}
