//! Tokens, the API's only proof.
use crate::house::{DAY, MINUTE, Portal, Request};
use http::Method;
use secrecy::ExposeSecret as _;
use tourmaline::services::{Error, accounts};

on_both! {
    async fn a_token_says_who_calls_and_what_it_may(portal: Portal) {
        let ada = portal.user("ada").await;
        for scope in ["read", "write"] {
            let answer = ada.api(scope).await.get("/user").await.expect(200);
            let user = answer.json();
            assert_eq!(user["name"], "ada");
            assert_eq!(user["scope"], scope);
            assert_eq!(user["id"], ada.account.id.to_string());
        }
        let grace = portal.site_admin("grace").await;
        let user = grace.api("admin").await.get("/user").await.expect(200).json();
        assert_eq!((&user["site_admin"], &user["scope"]), (&true.into(), &"admin".into()));

        let wanted = portal.auth.create_token(&portal.services, &ada.actor(), "x", "admin", "").await;
        let Err(Error::Invalid(wrong)) = wanted else { panic!("{wanted:?}") };
        assert_eq!(wrong.on("/scope").len(), 1, "only a site administrator's may have the scope admin");
    }

    async fn a_token_expires(portal: Portal) {
        let ada = portal.user("ada").await;
        let made = portal.auth.create_token(&portal.services, &ada.actor(), "for a month", "read", "30").await;
        let (token, secret) = made.unwrap();
        assert_eq!(token.expires_at.unwrap(), portal.now() + 30 * DAY);
        let program = portal.api(&secret);
        portal.advance(30 * DAY - MINUTE);
        let _ = program.get("/user").await.expect(200);
        portal.advance(MINUTE);
        let _ = program.get("/user").await.expect(401);
    }

    async fn a_token_is_revoked_by_its_user_alone(portal: Portal) {
        let ada = portal.user("ada").await;
        let bob = portal.user("bob").await;
        let made = portal.auth.create_token(&portal.services, &ada.actor(), "notebook", "write", "").await;
        let (token, secret) = made.unwrap();
        assert!(secret.expose_secret().starts_with("tml_"));
        let program = portal.api(&secret);
        let used = async || {
            let all = accounts::list_tokens(&portal.services, &ada.actor(), None, 10).await.unwrap();
            all.into_iter().find(|t| t.id == token.id).unwrap().last_used_at
        };
        assert_eq!(used().await, None);
        let _ = program.get("/user").await.expect(200);
        assert_eq!(used().await, Some(portal.now()));

        let theirs = accounts::revoke_token(&portal.services, &bob.actor(), token.id).await;
        assert!(matches!(theirs, Err(Error::NotFound(_))), "{theirs:?}");
        let _ = program.get("/user").await.expect(200);
        accounts::revoke_token(&portal.services, &ada.actor(), token.id).await.unwrap();
        let _ = program.get("/user").await.expect(401);
    }

    async fn tokens_do_not_depend_on_sessions_and_survive_a_restart(portal: Portal) {
        let ada = portal.user("ada").await;
        let token = ada.token("read").await;
        ada.post("/logout", &[]).await.leads_to("/login");
        let portal = portal.restart().await;
        let _ = portal.api(&token).get("/user").await.expect(200);
    }
}

#[tokio::test]
async fn without_a_token_the_api_says_how_to_bring_one() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let ask = || Request::plain(&portal, Method::GET, "/api/v1/user");
    for request in [
        ask(),
        ask().header("authorization", "Bearer tml_wrong"),
        ask().header("authorization", "Basic YWRhOnBhc3N3b3Jk"),
        ask().header("authorization", "Bearer"),
        // A session is no proof here.
        ada.request(Method::GET, "/api/v1/user"),
    ] {
        let answer = request.send().await.expect(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let problem = answer.json();
        assert!(
            problem["detail"].as_str().unwrap().contains("account page"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_per_address() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let right = ada.api("read").await;
    let guess = async || {
        let request = Request::plain(&portal, Method::GET, "/api/v1/user");
        let request = request.header("authorization", "Bearer tml_guess");
        request.at("192.0.2.66").send().await
    };
    let mut through = 0;
    let slowed = loop {
        let answer = guess().await;
        if answer.status == 429 {
            break answer;
        }
        let _ = answer.expect(401);
        through += 1;
        assert!(through < 1000, "nobody was slowed");
    };
    assert!(through >= 60, "{through}");
    assert!(slowed.header("retry-after").is_some());
    let _ = right.get("/user").await.expect(200);
}
