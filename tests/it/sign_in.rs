//! Signing in, sessions and their ends, and the first administrator's link.
use crate::house::{Browser, DAY, HOUR, Home, MINUTE, PASSWORD, Page, Portal};
use http::Method;
use std::os::unix::fs::PermissionsExt as _;
use tourmaline::{
    auth::first_start,
    domain::access::{Permitted, Site},
    services::accounts,
};

on_both! {
    async fn one_signs_in_with_name_and_password(portal: Portal) {
        portal.user("ada").await;
        let visitor = portal.visitor();

        let wrong = visitor.sign_in("ada", "something else").await.expect(422);
        assert_eq!(wrong.errors_on("/password"), ["Name and password do not fit together."]);
        assert_eq!(wrong.value("/name"), "ada");
        assert_eq!(wrong.value("/password"), "");
        assert_eq!(visitor.session(), None);
        let nobody = visitor.sign_in("nobody", PASSWORD).await.expect(422);
        assert_eq!(nobody.errors_on("/password"), wrong.errors_on("/password"));

        let right = visitor.sign_in(" ada ", PASSWORD).await;
        right.leads_to("/");
        assert!(visitor.is_signed_in().await);
        let cookie = right.header("set-cookie").unwrap();
        for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=1209600"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("Secure"), "{cookie}");
    }

    async fn each_sign_in_is_a_new_session_and_ends_the_one_before(portal: Portal) {
        let ada = portal.user("ada").await;
        let thief = ada.copy();
        ada.sign_in("ada", PASSWORD).await.leads_to("/");
        assert_ne!(ada.session(), thief.session());
        assert!(ada.is_signed_in().await);
        assert!(!thief.is_signed_in().await);
    }

    async fn signing_out_ends_the_session_at_the_portal(portal: Portal) {
        let ada = portal.user("ada").await;
        let thief = ada.copy();
        ada.post("/logout", &[]).await.leads_to("/login");
        assert_eq!(ada.session(), None);
        assert!(!thief.is_signed_in().await);
    }

    async fn a_session_ends_after_rest_and_after_a_fortnight(portal: Portal) {
        let ada = portal.user("ada").await;
        portal.advance(12 * HOUR - MINUTE);
        assert!(ada.is_signed_in().await);
        portal.advance(12 * HOUR + MINUTE);
        assert!(!ada.is_signed_in().await, "after 12 hours of rest");

        let bob = portal.user("bob").await;
        let mut hours = 0;
        while bob.is_signed_in().await {
            portal.advance(8 * HOUR);
            hours += 8;
        }
        assert_eq!(hours, 14 * 24, "however busy");
    }

    async fn a_suspended_user_is_out_until_restored(portal: Portal) {
        let ada = portal.user("ada").await;
        let program = ada.api("read").await;
        let site = Permitted::by_system(Site, "tests");
        accounts::set_suspended(&portal.services, &site, "ada", true).await.unwrap();
        assert!(!ada.is_signed_in().await);
        let _ = program.get("/user").await.expect(401);
        let refused = ada.sign_in("ada", PASSWORD).await.expect(403);
        assert!(refused.problem().contains("suspended"), "{}", refused.problem());
        // Whoever does not know the password learns nothing.
        let _ = ada.sign_in("ada", "something else").await.expect(422);

        accounts::set_suspended(&portal.services, &site, "ada", false).await.unwrap();
        ada.sign_in("ada", PASSWORD).await.leads_to("/");
        let _ = program.get("/user").await.expect(200);
    }

    async fn a_restart_signs_nobody_out(portal: Portal) {
        let cookie = portal.user("ada").await.session().unwrap();
        let portal = portal.restart().await;
        let ada = portal.visitor();
        ada.set_cookie(&cookie.0, &cookie.1);
        assert!(ada.is_signed_in().await);
    }

    async fn the_first_start_link_makes_one_administrator(portal: Portal) {
        let link = first_start::offer(&portal.services).await.unwrap().unwrap();
        let path = link.strip_prefix("http://127.0.0.1:8080").unwrap();
        let file = first_start::file(&portal.services);
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), link);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        let visitor = portal.visitor();
        let _ = visitor.page("/first-start/somethingelse").await.expect(409);
        let _ = visitor.page(path).await.expect(200);
        let short = [("/name", "Grace Hopper"), ("/password", "short")];
        let mend = visitor.post(path, &short).await.expect(422);
        assert!(!mend.errors_on("/password").is_empty());

        let form = [("/name", "grace"), ("/display_name", "Grace"), ("/password", PASSWORD)];
        visitor.post(path, &form).await.leads_to("/");
        assert!(visitor.is_signed_in().await);
        assert!(!file.exists());
        let other = portal.visitor();
        let again = other.page(path).await.expect(409);
        assert!(again.problem().contains("works once"), "{}", again.problem());
        let second = [("/name", "mallory"), ("/password", PASSWORD)];
        let _ = other.post(path, &second).await.expect(409);
        assert_eq!(first_start::offer(&portal.services).await.unwrap(), None);
    }

    async fn the_first_start_link_lasts_an_hour_and_a_new_one_ends_it(portal: Portal) {
        let path = |link: String| link.strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
        let first = path(first_start::offer(&portal.services).await.unwrap().unwrap());
        let second = path(first_start::offer(&portal.services).await.unwrap().unwrap());
        let visitor = portal.visitor();
        let _ = visitor.page(&first).await.expect(409);
        portal.advance(HOUR - MINUTE);
        let _ = visitor.page(&second).await.expect(200);
        portal.advance(MINUTE);
        let _ = visitor.page(&second).await.expect(409);
        let form = [("/name", "late"), ("/password", PASSWORD)];
        let _ = visitor.post(&second, &form).await.expect(409);
    }
}

/// Guesses until it is refused, and says how many were let through.
async fn guess<'a>(next: impl Fn(usize) -> (Browser<'a>, String)) -> (usize, Page) {
    for n in 0..500 {
        let (browser, name) = next(n);
        let answer = browser.sign_in(&name, "guess").await;
        if answer.status == 429 {
            return (n, answer);
        }
        let _ = answer.expect(422);
    }
    panic!("nobody was slowed");
}

#[tokio::test]
async fn guessing_is_slowed_per_account_and_per_address() {
    let portal = Portal::new().await;
    portal.user("ada").await;
    portal.user("bob").await;
    let guesser = || portal.visitor().at("192.0.2.66");
    // However the name is written, it is one account.
    let names = ["ada", " ada", "ada\u{2003}", "\u{3000}ada ", "ada\t"];
    let (through, slowed) = guess(|n| (guesser(), names[n % names.len()].to_owned())).await;
    assert!((10..30).contains(&through), "{through}");
    let wait: u64 = slowed.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(slowed.problem().contains("Wait"), "{}", slowed.problem());
    let (through, _) = guess(|n| (guesser(), format!("name{n}"))).await;
    assert!(through >= 10, "{through}");
    // Nobody else is held, and neither is ada elsewhere.
    let elsewhere = portal.visitor().at("192.0.2.7");
    elsewhere.sign_in("bob", PASSWORD).await.leads_to("/");
    elsewhere.sign_in("ada", PASSWORD).await.leads_to("/");
}

#[tokio::test]
async fn a_network_of_version_six_is_one_guesser() {
    let portal = Portal::new().await;
    portal.user("ada").await;
    let next = |n: usize| portal.visitor().at(&format!("2001:db8:1:2::{n:x}"));
    let (through, _) = guess(|n| (next(n), "ada".to_owned())).await;
    assert!(through >= 10, "{through}");
    let other = portal.visitor().at("2001:db8:1:3::1");
    other.sign_in("ada", PASSWORD).await.leads_to("/");
}

#[tokio::test]
async fn who_knows_the_password_is_never_slowed_nor_locked_out() {
    let portal = Portal::new().await;
    portal.user("ada").await;
    let busy = portal.visitor();
    for _ in 0..40 {
        busy.sign_in("ada", PASSWORD).await.leads_to("/");
    }
    for n in 0..31 {
        let guesser = portal.visitor().at(&format!("198.51.100.{n}"));
        let _ = guesser.sign_in("ada", "guess").await.expect(422);
    }
    portal
        .visitor()
        .sign_in("ada", PASSWORD)
        .await
        .leads_to("/");
    // From where nobody is signed in it takes a moment longer.
    let away = portal.visitor().at("203.0.113.9");
    away.sign_in("ada", PASSWORD).await.leads_to("/");
}

#[tokio::test]
async fn sign_in_leads_back_to_pages_of_this_portal_alone() {
    let portal = Portal::new().await;
    portal.user("ada").await;
    for (next, to) in [
        ("/jobs?phase=running", "/jobs?phase=running"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: b=c", "/"),
        ("/\t/evil.example", "/"),
        ("/\0", "/"),
        ("/jobs\u{85}", "/"),
        ("", "/"),
    ] {
        let visitor = portal.visitor();
        let form = [("/name", "ada"), ("/password", PASSWORD), ("next", next)];
        visitor.post("/login", &form).await.leads_to(to);
    }
}

#[tokio::test]
async fn behind_tls_the_cookie_is_bound_to_the_host() {
    let portal = Portal::with(Home::Sqlite, |config| {
        config.server.public_url = Some("https://portal.test".into());
    })
    .await;
    portal.user("ada").await;
    let visitor = portal.visitor();
    let answer = visitor.sign_in("ada", PASSWORD).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-tourmaline="), "{cookie}");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    assert!(visitor.is_signed_in().await);
    let form = [("/display_name", "Ada L."), ("/theme", "dark")];
    let saved = visitor.post("/account", &form).await;
    let notice = saved.header("set-cookie").unwrap();
    assert!(
        notice.starts_with("__Host-tourmaline-notice=") && notice.ends_with("; Secure"),
        "{notice}"
    );
    let page = visitor.page("/account").await.expect(200);
    assert!(page.one("#notices").contains("saved"));
    let again = visitor.page("/account").await.expect(200);
    assert_eq!(again.one("#notices"), "", "said once");
}

#[tokio::test]
async fn an_unused_session_is_written_to_at_most_once_a_minute() {
    let portal = Portal::new().await;
    let ada = portal.user("ada").await;
    let seen = async || {
        let all = accounts::list_sessions(&portal.services, &ada.actor(), None, 10).await;
        all.unwrap()[0].last_seen_at
    };
    let begun = seen().await;
    portal.advance(MINUTE / 2);
    assert!(ada.is_signed_in().await);
    assert_eq!(seen().await, begun);
    portal.advance(MINUTE / 2);
    assert!(ada.is_signed_in().await);
    assert_eq!(seen().await, portal.now());
}

#[tokio::test]
async fn an_address_is_believed_from_a_trusted_proxy_alone() {
    let portal = Portal::with(Home::Sqlite, |config| {
        config.server.trusted_proxies = ["192.0.2.10", "10.232.0.0/16"]
            .map(|proxy| proxy.parse().unwrap())
            .into();
    })
    .await;
    portal.user("ada").await;
    for (peer, forwarded, kept) in [
        ("192.0.2.10", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.10", "203.0.113.9, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.11", "203.0.113.5", "192.0.2.11"),
        ("10.232.7.1", "203.0.113.5, 10.232.0.9", "203.0.113.5"),
        ("10.233.0.1", "203.0.113.5", "10.233.0.1"),
        ("::ffff:192.0.2.10", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.10", "::ffff:203.0.113.5", "203.0.113.5"),
    ] {
        let visitor = portal.visitor().at(peer);
        let form = [("/name", "ada"), ("/password", PASSWORD)];
        let request = visitor.request(Method::POST, "/login").form(&form);
        let answer = request.header("x-forwarded-for", forwarded).send().await;
        answer.leads_to("/");
        portal.advance(DAY / 1000);
        let found = portal
            .auth
            .find_session(&portal.services, &visitor.session().unwrap().1)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.session.address, kept);
    }
}
