//! What one user may have at once, and how fast their programs may ask.
use crate::house::{Home, Portal};
use http::Method;

#[tokio::test]
async fn a_user_has_so_many_streams_open_and_no_more() {
    let portal = Portal::new().await;
    let (ada, bob) = (portal.user("ada").await, portal.user("bob").await);
    let open = async || ada.request(Method::GET, "/jobs/stream").open().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        let stream = open().await;
        assert_eq!(stream.status(), 200);
        streams.push(stream);
    }
    let refused = ada.page("/jobs/stream").await.expect(429);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.problem().contains("64"), "{}", refused.problem());
    let others = bob.request(Method::GET, "/jobs/stream").open().await;
    assert_eq!(others.status(), 200);
    streams.pop();
    assert_eq!(open().await.status(), 200, "what was closed is free again");
}

#[tokio::test]
async fn a_user_has_two_zips_under_way_and_no_more() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let api = ada.api("write").await;
    let project = portal.project(&api, "Genomes").await;
    let file = format!("/projects/{project}/files/data/a.bin");
    let _ = api
        .request(Method::PUT, &file)
        .body("x".repeat(1 << 20))
        .send()
        .await
        .expect(201);
    let zip = format!("/projects/{project}/zip?path=data/");
    let under_way = [
        api.request(Method::GET, &zip).open().await,
        api.request(Method::GET, &zip).open().await,
    ];
    assert!(under_way.iter().all(|zip| zip.status() == 200));
    let _ = api.get(&zip).await.expect(429);
    let page = ada
        .post(
            &format!("/projects/{project}/files/zip"),
            &[("path", "data/")],
        )
        .await;
    let page = page.expect(429);
    assert!(page.problem().contains("2 zips"), "{}", page.problem());
    drop(under_way);
    let _ = api.get(&zip).await.expect(200);
}

#[tokio::test]
async fn programs_ask_so_fast_and_no_faster() {
    let portal = Portal::with(Home::Sqlite, |config| {
        config.server.api_requests_per_second = 1;
        config.server.api_requests_at_once = 20;
    })
    .await;
    let ada = portal.user("ada").await;
    let (one, other) = (ada.api("read").await, ada.api("read").await);
    let mut refused = None;
    for n in 0..100 {
        // Another token of the same user is no way around.
        let api = if n % 2 == 0 { &one } else { &other };
        let answer = api.get("/user").await;
        if answer.status == 429 {
            refused = Some((n, answer));
            break;
        }
    }
    let (n, answer) = refused.expect("a hundred requests were taken");
    assert!(n >= 20, "{n}");
    assert!(answer.header("retry-after").is_some());
    let _ = portal
        .user("bob")
        .await
        .api("read")
        .await
        .get("/user")
        .await
        .expect(200);
    let _ = ada.page("/account").await.expect(200);
}

#[tokio::test]
async fn searches_are_counted() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let mut last = 200;
    for _ in 0..60 {
        last = ada.page("/search?q=x").await.status.as_u16();
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}
