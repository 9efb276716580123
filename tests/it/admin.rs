//! The administrators' pages and API.
use crate::house::{PASSWORD, Portal};
use serde_json::json;

on_both! {
    async fn users_are_added_suspended_and_restored(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let wrong = [("/name", "Bad Name"), ("/password", "short"), ("/display_name", "Bob")];
        let page = grace.post("/admin/users", &wrong).await.expect(422);
        assert_eq!((page.errors_on("/name").len(), page.errors_on("/password").len()), (1, 1));
        assert_eq!((page.value("/name"), page.value("/password")), ("Bad Name".into(), String::new()));
        let right = [("/name", "bob"), ("/password", PASSWORD), ("/display_name", "Bob")];
        grace.post("/admin/users", &right).await.leads_to("/admin/users");
        assert_eq!(grace.post("/admin/users", &right).await.expect(422).errors_on("/name").len(), 1);

        let bob = portal.visitor();
        bob.sign_in("bob", PASSWORD).await.leads_to("/");
        assert!(grace.page("/admin/users/bob/suspend").await.expect(200).has("form[data-confirm]"));
        grace.post("/admin/users/bob/suspend", &[]).await.leads_to("/admin/users");
        assert!(!bob.is_signed_in().await);
        grace.post("/admin/users/bob/restore", &[]).await.leads_to("/admin/users");
        assert!(bob.is_signed_in().await, "a session that has not ended counts again");
        let _ = grace.post("/admin/users/grace/suspend", &[]).await.expect(409);
        let _ = grace.post("/admin/users/nobody/suspend", &[]).await.expect(404);
        let log = grace.page("/admin/audit").await.expect(200).text();
        assert!(log.contains("suspended a user") && log.contains("restored a user"));
    }

    async fn an_idempotency_key_adds_one_user(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let admin = grace.api("admin").await;
        let ask = |key: &str| {
            let request = admin.request(http::Method::POST, "/admin/users").header("idempotency-key", key);
            request.json(&json!({"name": "ada", "password": PASSWORD})).send()
        };
        let first = ask("k1").await.expect(201).json();
        let again = ask("k1").await.expect(200).json();
        assert_eq!(again["id"], first["id"]);
        let taken = ask("k2").await.expect(422).json();
        assert_eq!(taken["violations"][0]["field"], "/name");
        assert_eq!(ask("k2").await.expect(422).json()["violations"], taken["violations"], "what failed leaves the key free");
    }

    async fn the_api_for_administrators(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let admin = grace.api("admin").await;
        for name in ["ada", "bob"] {
            let made = admin.post("/admin/users", &json!({"name": name, "password": PASSWORD})).await.expect(201);
            assert_eq!(made.header("location"), Some(&*format!("/api/v1/admin/users/{name}")));
            assert!(!made.text().contains(PASSWORD));
        }
        let first = admin.get("/admin/users?limit=2").await.expect(200).json();
        assert_eq!((&first["items"][0]["name"], &first["next"]), (&json!("ada"), &json!("bob")));
        let rest = admin.get("/admin/users?limit=2&after=bob").await.expect(200).json();
        assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("grace"), &json!(null)));
        let gone = admin.post("/admin/users/bob/suspend", &json!(null)).await.expect(200).json();
        assert!(gone["suspended_at"].is_string());
        let back = admin.post("/admin/users/bob/restore", &json!(null)).await.expect(200).json();
        assert!(back["suspended_at"].is_null());

        let log = admin.get("/admin/audit?limit=1").await.expect(200).json();
        assert_eq!((&log["items"][0]["action"], &log["items"][0]["user"]), (&json!("user.restore"), &json!("grace")));
        let earlier = admin.get(&format!("/admin/audit?limit=1&after={}", log["next"].as_str().unwrap())).await;
        assert_eq!(earlier.json()["items"][0]["action"], "user.suspend");
        let _ = admin.get("/admin/audit?after=x").await.expect(422);

        let clusters = admin.get("/admin/clusters").await.expect(200).json();
        assert_eq!(clusters["items"][0]["name"], "local");
        assert_eq!(clusters["items"][0]["findings"][0]["what"], "Spark", "{clusters}");
        let queues = portal.user("carl").await.api("read").await.get("/queues").await.expect(200).json();
        assert_eq!((&queues["items"][0]["name"], &queues["items"][0]["waiting"]), (&json!("default"), &json!(0)));
    }
}

#[tokio::test]
async fn to_others_administration_does_not_exist() {
    let portal = Portal::new().await;
    let (ada, grace) = (portal.user("ada").await, portal.site_admin("grace").await);
    for path in ["/admin", "/admin/users", "/admin/users/new", "/admin/audit"] {
        let _ = ada.page(path).await.expect(404);
        let _ = grace.page(path).await.expect(200);
    }
    let (write, admin) = (grace.api("write").await, grace.api("admin").await);
    for path in ["/admin/users", "/admin/audit", "/admin/clusters"] {
        let _ = ada.api("write").await.get(path).await.expect(404);
        let _ = write.get(path).await.expect(403);
        let _ = admin.get(path).await.expect(200);
    }
}
