//! What follows from what a provider says of those who are signed in: roles by rules, ends of sessions, logout at both ends.
use crate::{
    house::{
        HOUR, MINUTE, Page, Portal, lease,
        provider::{Provider, Wrong, WrongLogout},
        tick,
    },
    providers::sign_in,
};
use serde_json::{Value, json};
use tourmaline::{
    background::{Worker as _, sign_ins::SignIns},
    domain::{grants::Rule, ids::ProjectId, project::Role},
    server,
    services::projects,
};

async fn with(portal: Portal, provider: &Provider, rules: Vec<Rule>) -> Portal {
    let settings = provider.settings("institute");
    portal
        .with_settings(|config| {
            config.sign_in.providers = vec![settings];
            config.sign_in.rules = rules;
        })
        .await
}

async fn new(provider: &Provider) -> Portal {
    with(Portal::new().await, provider, Vec::new()).await
}

/// Five minutes pass, and the background does its work.
async fn five_minutes(portal: &Portal, provider: &Provider) {
    provider.advance(5 * MINUTE);
    portal.advance(5 * MINUTE);
    look(portal).await;
}

async fn look(portal: &Portal) {
    let (portal_, auth) = (portal.services.clone(), portal.auth.clone());
    tick(
        portal,
        &mut SignIns {
            portal: portal_,
            auth,
        },
    )
    .await;
}

async fn project(portal: &Portal, owner: &crate::house::User<'_>) -> ProjectId {
    let draft = projects::Draft {
        name: "Genomes".into(),
        visibility: "private".into(),
        ..projects::Draft::default()
    };
    projects::create(&portal.services, &owner.actor(), &draft, None)
        .await
        .unwrap()
        .into_inner()
}

fn rule(equals: &str) -> Rule {
    Rule {
        equals: Some(equals.into()),
        ..Rule::default()
    }
}

on_both! {
    async fn a_group_gives_and_takes(portal: Portal) {
        let provider = Provider::start().await;
        let id = {
            let grace = portal.user("grace").await;
            project(&portal, &grace).await
        };
        let member = Rule { project: Some(id), role: Some(Role::Editor), ..rule("/biology") };
        let admin = Rule { site_administrator: true, ..rule("/admins") };
        let portal = with(portal, &provider, vec![member, admin]).await;
        let page = format!("/projects/{id}");
        let browser = portal.visitor();
        sign_in(&browser, &provider).await.leads_to("/");
        let members = browser.page(&format!("{page}/members")).await.expect(200);
        assert_eq!(members.one("tbody .tag[title]"), "by a rule");
        let _ = browser.page("/admin").await.expect(404);

        // What a rule gave is not changed by hand, nor left.
        let left = browser.post(&format!("{page}/members/{}/delete", me(&portal).await), &[]).await.expect(409);
        assert!(left.problem().contains("by a rule"), "{}", left.problem());

        provider.say("groups", json!(["/admins"]));
        look(&portal).await;
        let _ = browser.page(&format!("{page}/members")).await.expect(200);
        five_minutes(&portal, &provider).await;
        let _ = browser.page(&format!("{page}/members")).await.expect(404);
        let _ = browser.page("/admin").await.expect(200);
        provider.say("groups", Value::Null);
        five_minutes(&portal, &provider).await;
        let _ = browser.page("/admin").await.expect(404);
        assert!(browser.is_signed_in().await);
    }

    async fn whoever_is_removed_there_is_out_here(portal: Portal) {
        let provider = Provider::start().await;
        let portal = with(portal, &provider, Vec::new()).await;
        let (browser, bystander) = (portal.visitor(), portal.user("bob").await);
        sign_in(&browser, &provider).await.leads_to("/");
        five_minutes(&portal, &provider).await;
        five_minutes(&portal, &provider).await;
        assert!(browser.is_signed_in().await, "by refresh tokens that are good for one time");
        provider.removes_them();
        five_minutes(&portal, &provider).await;
        assert!(!browser.is_signed_in().await);
        assert!(bystander.is_signed_in().await);
    }

    async fn a_refresh_token_that_is_taken_no_more_ends_nobody_whom_userinfo_knows(portal: Portal) {
        let provider = Provider::start().await;
        let portal = with(portal, &provider, Vec::new()).await;
        let browser = portal.visitor();
        sign_in(&browser, &provider).await.leads_to("/");
        provider.forgets_refresh_tokens();
        five_minutes(&portal, &provider).await;
        five_minutes(&portal, &provider).await;
        assert!(browser.is_signed_in().await);
        provider.removes_them();
        five_minutes(&portal, &provider).await;
        assert!(!browser.is_signed_in().await);
    }

    async fn two_who_ask_at_once_use_a_refresh_token_once(portal: Portal) {
        let provider = Provider::start().await;
        let portal = with(portal, &provider, Vec::new()).await;
        let browser = portal.visitor();
        sign_in(&browser, &provider).await.leads_to("/");
        provider.advance(5 * MINUTE);
        portal.advance(5 * MINUTE);
        // Both have read the row before either asks.
        let store = &portal.services.store;
        let (issuer, now) = (provider.issuer(), portal.services.clock.now());
        let due = store.list_unchecked_sessions(&issuer, now, 10).await.unwrap();
        let lease = lease(&portal, SignIns::NAME, "tests").await;
        for _ in 0..2 {
            assert!(portal.auth.check_session(&portal.services, &lease, &due[0]).await.unwrap());
        }
        assert_eq!(provider.refreshed(), 1);
        assert!(browser.is_signed_in().await);
    }

    async fn a_logout_there_is_one_here(portal: Portal) {
        let provider = Provider::start().await;
        let portal = with(portal, &provider, Vec::new()).await;
        let (one, other) = (portal.visitor(), portal.visitor());
        sign_in(&one, &provider).await.leads_to("/");
        provider.say("sid", json!("s-2"));
        sign_in(&other, &provider).await.leads_to("/");
        let token = provider.logout_token(Some("s-2"), None);
        let _ = send(&portal, &token).await.expect(200);
        assert!(one.is_signed_in().await);
        assert!(!other.is_signed_in().await);

        sign_in(&other, &provider).await.leads_to("/");
        let again = send(&portal, &token).await.expect(400);
        assert!(again.problem().contains("used before"), "{}", again.problem());
        assert!(other.is_signed_in().await);

        let _ = send(&portal, &provider.logout_token(None, None)).await.expect(200);
        assert!(!one.is_signed_in().await && !other.is_signed_in().await);
    }
}

/// The one who is signed in by the provider.
async fn me(portal: &Portal) -> String {
    let name = "ada".parse().unwrap();
    let user = portal.services.store.find_user_by_name(&name).await;
    user.unwrap().unwrap().id.to_string()
}

/// As a provider sends it: no browser, no cookies.
async fn send(portal: &Portal, token: &str) -> Page {
    let request =
        crate::house::Request::plain(portal, http::Method::POST, "/login/institute/logout");
    request.form(&[("logout_token", token)]).send().await
}

#[tokio::test]
async fn another_key_is_refused_until_the_one_before_is_given_up() {
    let provider = Provider::start().await;
    let portal = new(&provider).await;
    let (ada, bob) = (portal.visitor(), portal.user("bob").await);
    sign_in(&ada, &provider).await.leads_to("/");
    std::fs::remove_file(portal.services.data.join("secret-key")).unwrap();
    let config = (*portal.services.config).clone();
    let data = portal.services.data.clone();
    let open = || {
        server::open_portal(
            config.clone(),
            &data,
            tourmaline::domain::clock::Clock::system(),
        )
    };
    let refused = format!("{:#}", open().await.err().unwrap());
    assert!(
        refused.contains("server.secret_key_file") && refused.contains("forget-key"),
        "{refused}"
    );
    server::forget_key(&config, &data).await.unwrap();
    assert!(open().await.is_ok());
    assert!(!ada.is_signed_in().await);
    assert!(bob.is_signed_in().await);
}

#[tokio::test]
async fn what_one_has_by_hand_no_rule_takes() {
    let provider = Provider::start().await;
    let portal = Portal::new().await;
    let id = {
        let grace = portal.user("grace").await;
        project(&portal, &grace).await
    };
    let member = Rule {
        project: Some(id),
        role: Some(Role::Editor),
        ..rule("/other")
    };
    let portal = with(portal, &provider, vec![member]).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    let grace = portal
        .services
        .store
        .find_user_by_name(&"grace".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let actor = tourmaline::domain::access::Actor {
        user: grace,
        scope: tourmaline::domain::user::Scope::Admin,
    };
    projects::put_member(&portal.services, &actor, id, "ada", "observer")
        .await
        .unwrap();
    for groups in [json!(["/other"]), json!([])] {
        provider.say("groups", groups);
        five_minutes(&portal, &provider).await;
        let members = browser
            .page(&format!("/projects/{id}/members"))
            .await
            .expect(200);
        assert!(!members.has("tbody .tag[title]"));
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_signs_nobody_out() {
    let provider = Provider::start().await;
    let portal = new(&provider).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    for wrong in [
        Wrong::TokensBroken,
        Wrong::UserinfoBroken,
        Wrong::TokensNoText,
    ] {
        provider.go(Some(wrong));
        five_minutes(&portal, &provider).await;
        assert!(browser.is_signed_in().await, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_provider_that_speaks_of_somebody_else_gives_them_nothing() {
    let provider = Provider::start().await;
    let admin = Rule {
        site_administrator: true,
        ..rule("/admins")
    };
    let portal = with(Portal::new().await, &provider, vec![admin]).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    provider.say("groups", json!(["/admins"]));
    provider.go(Some(Wrong::UserinfoOfAnother));
    five_minutes(&portal, &provider).await;
    let _ = browser.page("/admin").await.expect(404);
}

#[tokio::test]
async fn signing_out_here_leads_to_the_provider() {
    let provider = Provider::start().await;
    let portal = new(&provider).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    let out = browser.post("/logout", &[]).await.expect(303);
    let to = out.header("location").unwrap();
    assert!(
        to.starts_with(&format!("{}/goodbye?", provider.issuer())),
        "{to}"
    );
    assert!(
        to.contains("post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Flogin"),
        "{to}"
    );
    assert!(to.contains("id_token_hint=ey"), "{to}");
    assert_eq!(browser.session(), None);
    let csp = out.header("content-security-policy").unwrap();
    assert!(
        csp.contains(&format!("form-action 'self' {};", provider.issuer())),
        "{csp}"
    );

    // Too long a hint for an address: then the provider asks.
    let groups: Vec<String> = (0..1000).map(|n| format!("/many/project-{n:04}")).collect();
    provider.say("groups", json!(groups));
    sign_in(&browser, &provider).await.leads_to("/");
    let out = browser.post("/logout", &[]).await.expect(303);
    let to = out.header("location").unwrap();
    assert!(
        !to.contains("id_token_hint") && to.contains("client_id=tourmaline"),
        "{to}"
    );
}

#[tokio::test]
async fn a_logout_token_that_is_not_right_ends_nothing() {
    let provider = Provider::start().await;
    let portal = new(&provider).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    for wrong in [
        WrongLogout::Issuer,
        WrongLogout::Audience,
        WrongLogout::NoEvents,
        WrongLogout::OtherEvent,
        WrongLogout::WithNonce,
        WrongLogout::NoJti,
        WrongLogout::Nobody,
        WrongLogout::Expired,
        WrongLogout::FromTheFuture,
        WrongLogout::Unsigned,
        WrongLogout::SignedWithPublicKey,
        WrongLogout::UnknownKey,
        WrongLogout::Tampered,
        WrongLogout::OtherKind,
    ] {
        let token = provider.logout_token(Some("s-1"), Some(wrong));
        assert_eq!(send(&portal, &token).await.status, 400, "{wrong:?}");
        assert!(browser.is_signed_in().await, "{wrong:?}");
    }
    for odd in ["", "a.b.c", &"x".repeat(20_000)] {
        assert_eq!(send(&portal, odd).await.status, 400);
    }
    // One that was right, but is old.
    let token = provider.logout_token(Some("s-1"), None);
    portal.advance(HOUR);
    assert_eq!(send(&portal, &token).await.status, 400);
    assert!(browser.is_signed_in().await);
}

#[tokio::test]
async fn an_administrator_tries_the_rules() {
    let provider = Provider::start().await;
    let admin = Rule {
        site_administrator: true,
        ..rule("/admins")
    };
    let portal = with(Portal::new().await, &provider, vec![admin]).await;
    sign_in(&portal.visitor(), &provider).await.leads_to("/");
    let root = portal.site_admin("root").await;
    let page = root.page("/admin/rules").await.expect(200);
    assert_eq!(page.one("tbody td:nth-child(2)"), "a group is /admins");
    assert_eq!(page.one("tbody td:nth-child(3)"), "site administrator");

    let claims = r#"{"groups": ["/biology", "/admins"]}"#;
    let form = [("/provider", "institute"), ("/claims", claims)];
    let page = root.post("/admin/rules", &form).await.expect(200);
    let tried = page.one("#tried");
    assert!(
        tried.contains("site administrator") && tried.contains("Rule 1 fits /admins"),
        "{tried}"
    );
    let page = root
        .post("/admin/rules", &[("/user", "ada")])
        .await
        .expect(200);
    assert!(page.one("#tried").contains("no rule fits"));
    let form = [("/provider", "institute"), ("/claims", "[]")];
    let page = root.post("/admin/rules", &form).await.expect(422);
    assert_eq!(page.errors_on("/claims").len(), 1);
    let page = root
        .post("/admin/rules", &[("/user", "root")])
        .await
        .expect(422);
    assert_eq!(page.errors_on("/user").len(), 1);
}
