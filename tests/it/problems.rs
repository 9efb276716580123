//! What goes wrong is told in the form that was asked for, and every answer has the headers that keep browsers safe.
use crate::house::{Page, Portal, Request};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn a_page_that_is_not_there() {
    let portal = Portal::new().await;
    let page = portal.visitor().page("/no/such").await.expect(404);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.one("h1"), "Not found");
    assert_eq!(
        page.problem(),
        "There is no such page, or it is not yours to see."
    );
    // Who is signed in stays so on an error's page.
    let ada = portal.user("ada").await;
    let page = ada.page("/no/such").await.expect(404);
    assert!(page.text().contains("ada"), "{}", page.text());
}

#[tokio::test]
async fn a_resource_that_is_not_there() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let program = ada.api("read").await;
    let answer = program.get("/no/such").await.expect(404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(
        answer.json(),
        json!({
            "type": "about:blank",
            "title": "Not found",
            "status": 404,
            "detail": "There is no such page, or it is not yours to see.",
            "instance": "/api/v1/no/such",
            "request_id": id,
        })
    );
}

#[tokio::test]
async fn a_method_that_is_not_taken() {
    let portal = Portal::new().await;
    let visitor = portal.visitor();
    let page = visitor.request(Method::DELETE, "/login").send().await;
    assert_eq!(page.expect(405).one("h1"), "Not this way");
    let answer = Request::plain(&portal, Method::POST, "/healthz")
        .send()
        .await
        .expect(405);
    assert_eq!(answer.json()["status"], 405);
}

#[tokio::test]
async fn a_form_in_another_form() {
    let portal = Portal::new().await;
    let visitor = portal.visitor();
    let request = visitor.request(Method::POST, "/login");
    let page = request.json(&json!({ "/name": "ada" })).send().await;
    let page = page.expect(415);
    assert!(page.problem().contains("application/x-www-form-urlencoded"));
    let request = visitor.request(Method::POST, "/login");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let page = request.body("%2Fname=%FF%FE%zz").send().await;
    assert!(
        [400, 422].contains(&page.status.as_u16()),
        "{}",
        page.status
    );
}

#[tokio::test]
async fn a_form_that_is_too_large() {
    let portal = Portal::new().await;
    let visitor = portal.visitor();
    let long = "x".repeat(3 << 20);
    let page = visitor
        .post("/login", &[("/name", &long)])
        .await
        .expect(413);
    assert!(page.problem().contains("2 MiB"), "{}", page.problem());
}

#[tokio::test]
async fn a_form_of_another_site_is_not_carried_out() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    for site in ["cross-site", "same-site"] {
        let request = ada.request(Method::POST, "/logout");
        let page = request.header("sec-fetch-site", site).send().await;
        let page = page.expect(403);
        assert!(
            page.problem().contains("another site"),
            "{}",
            page.problem()
        );
    }
    // A browser that is too old to say where a form comes from tells its origin.
    let request = ada.request(Method::POST, "/logout");
    let request = request.without("sec-fetch-site");
    let _ = request
        .header("origin", "https://evil.example")
        .send()
        .await
        .expect(403);
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn every_answer_keeps_the_browser_safe() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let api = ada.api("read").await;
    let cross = ada.request(Method::POST, "/logout");
    let cross = cross.header("sec-fetch-site", "cross-site").send().await;
    let style = ada.page("/login?").await;
    assert_eq!(style.status, 303);
    let style = portal.visitor().page("/login").await;
    let style = style.attributes("link[rel=stylesheet]", "href");
    let answers = [
        portal.visitor().page("/login").await.expect(200),
        ada.page("/no/such").await.expect(404),
        ada.request(Method::PUT, "/login").send().await.expect(405),
        ada.page(&style[0]).await.expect(200),
        cross.expect(403),
        api.get("/user").await.expect(200),
        api.get("/openapi.json").await.expect(200),
        api.get("/no/such").await.expect(404),
        Request::plain(&portal, Method::GET, "/healthz")
            .send()
            .await,
        Request::plain(&portal, Method::GET, "/api/v1/user")
            .send()
            .await,
    ];
    for answer in answers {
        is_safe(&answer);
    }
}

fn is_safe(answer: &Page) {
    let csp = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for (name, value) in [
        ("content-security-policy", csp),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        assert_eq!(answer.header(name), Some(value), "{}", answer.asked);
    }
    assert!(answer.header("cache-control").is_some(), "{}", answer.asked);
    assert!(
        answer
            .header("x-request-id")
            .is_some_and(|id| id.len() == 32),
        "{}",
        answer.asked
    );
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[tokio::test]
async fn pages_hold_no_script_or_style_of_their_own() {
    let portal = Portal::new().await;
    let page = portal.visitor().page("/login").await.expect(200);
    assert!(
        !page.has("style") && !page.has("[style]"),
        "{}",
        page.text()
    );
    let sources = page.attributes("script", "src");
    assert_eq!(sources.len(), page.select("script").len());
    for source in sources {
        assert!(source.starts_with("/static/"), "{source}");
        let _ = portal.visitor().page(&source).await.expect(200);
    }
}
