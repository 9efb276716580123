//! The account pages, and the API for one's own tokens and sessions.
use crate::house::{HOUR, PASSWORD};
use serde_json::json;

on_both! {
    async fn a_token_is_shown_once_and_is_in_no_address(portal: Portal) {
        let ada = portal.user("ada").await;
        assert!(ada.page("/account/tokens").await.expect(200).has(".empty"));
        let form = [("/name", "nightly upload"), ("/scope", "write"), ("/expires_in_days", "30")];
        let made = ada.post("/account/tokens", &form).await.expect(201);
        assert_eq!(made.header("location"), None);
        let secret = made.one("#secret");
        let _ = portal.api(&secret.clone().into()).get("/user").await.expect(200);
        let list = ada.page("/account/tokens").await.expect(200);
        assert!(list.text().contains("nightly upload") && !list.text().contains(&secret));

        let ask = list.attributes("td.tight a", "href").remove(0);
        let question = ada.page(&ask).await.expect(200);
        assert!(question.has("form[data-confirm]"));
        ada.post(&ask, &[]).await.leads_to("/account/tokens");
        let _ = portal.api(&secret.into()).get("/user").await.expect(401);
        let _ = ada.post(&ask, &[]).await.expect(404);
    }

    async fn a_new_password_ends_the_other_sessions(portal: Portal) {
        let ada = portal.user("ada").await;
        let elsewhere = portal.visitor();
        elsewhere.sign_in("ada", PASSWORD).await.leads_to("/");
        let form = |old, new, again| [("/old", old), ("/new", new), ("/again", again)];
        let wrong = ada.post("/account/password", &form("guessed", "short", "other")).await.expect(422);
        for field in ["/old", "/new", "/again"] {
            assert_eq!(wrong.errors_on(field).len(), 1, "{field}");
            assert_eq!(wrong.value(field), "", "a password is never sent back");
        }
        assert!(elsewhere.is_signed_in().await);
        let next = "four whales sing along";
        ada.post("/account/password", &form(PASSWORD, next, next)).await.leads_to("/account/password");
        assert!(ada.is_signed_in().await && !elsewhere.is_signed_in().await);
        let _ = portal.visitor().sign_in("ada", PASSWORD).await.expect(422);
        portal.visitor().sign_in("ada", next).await.leads_to("/");
    }

    async fn sessions_are_signed_out_from_afar(portal: Portal) {
        let ada = portal.user("ada").await;
        let bob = portal.user("bob").await;
        let elsewhere = portal.visitor();
        elsewhere.sign_in("ada", PASSWORD).await.leads_to("/");
        let list = ada.page("/account/sessions").await.expect(200);
        assert_eq!(list.select("tbody tr").len(), 2);
        let ask = list.attributes("td.tight a", "href").remove(0);
        let _ = bob.page(&ask).await.expect(404);
        let _ = bob.post(&ask, &[]).await.expect(404);
        assert!(elsewhere.is_signed_in().await);
        ada.post(&ask, &[]).await.leads_to("/account/sessions");
        assert!(!elsewhere.is_signed_in().await && ada.is_signed_in().await);

        elsewhere.sign_in("ada", PASSWORD).await.leads_to("/");
        ada.post("/account/sessions/others/end", &[]).await.leads_to("/account/sessions");
        assert!(!elsewhere.is_signed_in().await && ada.is_signed_in().await);
    }

    async fn the_profile_keeps_what_was_typed(portal: Portal) {
        let ada = portal.user("ada").await;
        let form = |zone| [("/display_name", "Ada L."), ("/time_zone", zone), ("/theme", "dark")];
        let wrong = ada.post("/account", &form("Europe/Nowhere")).await.expect(422);
        assert_eq!(wrong.errors_on("/time_zone").len(), 1);
        assert_eq!(wrong.value("/display_name"), "Ada L.");
        ada.post("/account", &form("Europe/Oslo")).await.leads_to("/account");
        let page = ada.page("/account").await.expect(200);
        assert_eq!(page.value("/time_zone"), "Europe/Oslo");
        assert!(page.has("html[data-bs-theme=dark][data-zone='Europe/Oslo']"));
    }

    async fn a_look_into_private_projects_has_a_reason_and_an_end(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let ada = portal.user("ada").await;
        let _ = ada.page("/account/elevation").await.expect(404);
        let _ = ada.post("/account/elevation", &[("/reason", "curious")]).await.expect(404);
        let none = grace.post("/account/elevation", &[("/reason", "  ")]).await.expect(422);
        assert_eq!(none.errors_on("/reason").len(), 1);
        let begin = [("/reason", "ticket 4711")];
        grace.post("/account/elevation", &begin).await.leads_to("/account/elevation");
        assert!(grace.page("/account").await.has(".elevated"));
        portal.advance(HOUR);
        assert!(!grace.page("/account").await.has(".elevated"));
        grace.post("/account/elevation", &begin).await.leads_to("/account/elevation");
        grace.post("/account/elevation/end", &[]).await.leads_to("/account/elevation");
        assert!(!grace.page("/account").await.has(".elevated"));
        assert!(grace.page("/admin/audit").await.text().contains("ticket 4711"));
    }

    async fn the_api_for_tokens_and_sessions(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let admin = grace.api("admin").await;
        let wrong = admin.post("/user/tokens", &json!({"name": 3, "scop": "read"})).await.expect(422).json();
        let fields: Vec<_> = wrong["violations"].as_array().unwrap().iter().map(|v| v["field"].clone()).collect();
        assert_eq!(fields, ["/name", "/scop"]);
        let made = admin.post("/user/tokens", &json!({"name": "nightly", "expires_in_days": 7})).await.expect(201);
        let token = made.json();
        assert_eq!((&token["scope"], &token["last_used_at"]), (&json!("read"), &json!(null)));
        let one = made.header("location").unwrap().strip_prefix("/api/v1").unwrap().to_owned();
        let made: secrecy::SecretString = token["secret"].as_str().unwrap().into();
        let _ = portal.api(&made).delete(&one).await.expect(403);

        let first = admin.get("/user/tokens?limit=1").await.expect(200).json();
        let rest = admin.get(&format!("/user/tokens?after={}", first["next"].as_str().unwrap())).await.expect(200).json();
        assert_eq!(first["items"].as_array().unwrap().len() + rest["items"].as_array().unwrap().len(), 2);
        assert!(first["items"][0].get("secret").is_none());
        let _ = admin.delete(&one).await.expect(204);
        let _ = admin.delete(&one).await.expect(404);
        let _ = portal.api(&made).get("/user").await.expect(401);

        let sessions = admin.get("/user/sessions").await.expect(200).json();
        let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
        let _ = admin.delete(&format!("/user/sessions/{session}")).await.expect(204);
        assert!(!grace.is_signed_in().await);
    }
    async fn an_idempotency_key_makes_one_token(portal: Portal) {
        let grace = portal.site_admin("grace").await;
        let admin = grace.api("admin").await;
        let ask = |key: &str, name: &str| {
            let request = admin.request(http::Method::POST, "/user/tokens").header("idempotency-key", key);
            request.json(&json!({"name": name})).send()
        };
        let first = ask("k1", "nightly").await.expect(201).json();
        let again = ask("k1", "nightly").await.expect(200).json();
        assert_eq!((&again["id"], &again["secret"]), (&first["id"], &json!(null)));
        let _ = ask("k1", "another").await.expect(409);
        let other = ask("k2", "nightly").await.expect(201).json();
        assert_ne!(other["id"], first["id"]);
    }
}
