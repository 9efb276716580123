//! Signing in by an identity provider: the right way, and every wrong one.
use crate::house::{
    Browser, Home, MINUTE, Page, Portal,
    provider::{Provider, Wrong},
};
use serde_json::json;
use tourmaline::{
    config::FirstLogin,
    domain::access::{Permitted, Site},
    services::accounts,
};

async fn portal_with(provider: &Provider) -> Portal {
    portal_of(Home::Sqlite, provider).await
}

async fn portal_of(home: Home, provider: &Provider) -> Portal {
    let settings = provider.settings("institute");
    Portal::with(home, |config| config.sign_in.providers = vec![settings]).await
}

/// Goes to the provider as its button leads, and back to the portal.
pub async fn sign_in(browser: &Browser<'_>, provider: &Provider) -> Page {
    sign_in_for(browser, provider, "").await
}

async fn sign_in_for(browser: &Browser<'_>, provider: &Provider, next: &str) -> Page {
    let begun = browser
        .page(&format!("/login/institute{next}"))
        .await
        .expect(303);
    let back = provider.visit(begun.header("location").unwrap()).await;
    browser.page(&back).await
}

/// What the page says to whoever signs in, and to an administrator.
fn told(page: &Page) -> String {
    page.one(".problem")
}

on_both! {
    async fn the_first_sign_in_makes_a_user_and_the_next_finds_it(portal: Portal) {
        // The house's database, and a provider of its own.
        let provider = Provider::start().await;
        let portal = portal.with_settings(|config| config.sign_in.providers = vec![provider.settings("institute")]).await;
        let browser = portal.visitor();
        let page = browser.page("/login?next=/account/identities").await.expect(200);
        let buttons = page.attributes(".providers a", "href");
        assert_eq!(buttons, ["/login/institute?next=%2Faccount%2Fidentities"]);
        assert_eq!(page.select(".providers a"), ["Sign in with the institute"]);
        assert!(page.has("[name='/password']"));

        let begun = browser.page(&buttons[0]).await.expect(303);
        let cookie = begun.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax") && cookie.contains("Max-Age=600"), "{cookie}");
        let back = provider.visit(begun.header("location").unwrap()).await;
        browser.page(&back).await.leads_to("/account/identities");
        assert!(browser.is_signed_in().await);
        let page = browser.page("/account/identities").await.expect(200);
        assert_eq!(page.one("tbody td:nth-child(1)"), "the institute");
        assert_eq!(page.one("tbody td:nth-child(2)"), "4711");
        assert_eq!(page.one("tbody td:nth-child(3)"), "ada@example.org");
        assert_eq!(page.one(".menu summary"), "ada");

        provider.say("preferred_username", json!("countess"));
        portal.advance(MINUTE);
        let again = portal.visitor();
        sign_in(&again, &provider).await.leads_to("/");
        let page = again.page("/account").await.expect(200);
        assert_eq!(page.one(".menu summary"), "ada", "the name here stays");
        assert_eq!(portal.services.store.count_users().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_session_is_a_new_one_and_ends_the_one_before() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    sign_in(&browser, &provider).await.leads_to("/");
    let thief = browser.copy();
    sign_in(&browser, &provider).await.leads_to("/");
    assert!(browser.is_signed_in().await);
    assert!(!thief.is_signed_in().await);
}

#[tokio::test]
async fn one_comes_back_to_pages_of_this_portal_alone() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let long = format!("?next=/{}", "x".repeat(2000));
    for (next, to) in [
        ("?next=%2Fjobs%3Fphase%3Drunning", "/jobs?phase=running"),
        ("?next=https%3A%2F%2Fevil.example", "/"),
        ("?next=%2F%2Fevil.example", "/"),
        ("?next=%2F%5Cevil.example", "/"),
        (&*long, "/"),
        ("", "/"),
    ] {
        let browser = portal.visitor();
        sign_in_for(&browser, &provider, next).await.leads_to(to);
    }
}

#[tokio::test]
async fn two_tabs_sign_in_at_once() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    let one = browser
        .page("/login/institute?next=/jobs")
        .await
        .expect(303);
    let other = browser
        .page("/login/institute?next=/tasks")
        .await
        .expect(303);
    let back = provider.visit(one.header("location").unwrap()).await;
    browser.page(&back).await.leads_to("/jobs");
    let back = provider.visit(other.header("location").unwrap()).await;
    browser.page(&back).await.leads_to("/tasks");
}

#[tokio::test]
async fn a_name_is_drawn_that_is_free_and_looks_like_nobody_elses() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    portal.site_admin("admin").await;
    for (sub, said, name) in [
        ("1", "admin", "admin-2"),
        // With a Cyrillic first letter, and in the wide letters of Japanese.
        ("2", "\u{430}dmin", "dmin"),
        ("3", "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}", "ada"),
        ("4", "Admin", "admin-3"),
        ("5", "../etc", "etc"),
        ("6", "\u{202e}nimda", "nimda"),
    ] {
        provider.say("sub", json!(sub));
        provider.say("preferred_username", json!(said));
        let browser = portal.visitor();
        sign_in(&browser, &provider).await.leads_to("/");
        let page = browser.page("/account").await.expect(200);
        assert_eq!(page.one(".menu summary"), name, "{said}");
        assert!(!page.has("[href='/admin']"), "{said}");
    }
}

#[tokio::test]
async fn the_same_mail_address_is_not_the_same_person() {
    let (one, other) = (Provider::start().await, Provider::start().await);
    let settings = [one.settings("institute"), other.settings("other")];
    let portal = Portal::with(Home::Sqlite, |config| {
        config.sign_in.providers = settings.into();
    })
    .await;
    sign_in(&portal.visitor(), &one).await.leads_to("/");
    let browser = portal.visitor();
    let begun = browser.page("/login/other").await.expect(303);
    let back = other.visit(begun.header("location").unwrap()).await;
    browser.page(&back).await.leads_to("/");
    let page = browser.page("/account").await.expect(200);
    assert_eq!(page.one(".menu summary"), "ada-2");
}

#[tokio::test]
async fn newcomers_wait_for_approval_or_are_not_taken() {
    let provider = Provider::start().await;
    let settings = |first_login| {
        let mut settings = provider.settings("institute");
        settings.first_login = first_login;
        settings
    };
    let refusing = settings(FirstLogin::Refuse);
    let portal = Portal::with(Home::Sqlite, |c| c.sign_in.providers = vec![refusing]).await;
    let refused = sign_in(&portal.visitor(), &provider).await.expect(403);
    assert!(
        refused.problem().contains("newcomers are not taken"),
        "{}",
        refused.problem()
    );
    assert_eq!(portal.services.store.count_users().await.unwrap(), 0);

    let asking = settings(FirstLogin::Approve);
    let portal = Portal::with(Home::Sqlite, |c| c.sign_in.providers = vec![asking]).await;
    let browser = portal.visitor();
    let waits = sign_in(&browser, &provider).await.expect(403);
    assert!(waits.problem().contains("approval"), "{}", waits.problem());
    assert!(!browser.is_signed_in().await);
    let site = Permitted::by_system(Site, "tests");
    accounts::set_suspended(&portal.services, &site, "ada", false)
        .await
        .unwrap();
    sign_in(&browser, &provider).await.leads_to("/");
}

#[tokio::test]
async fn without_local_accounts_there_is_no_password_to_guess() {
    let provider = Provider::start().await;
    let settings = provider.settings("institute");
    let portal = Portal::with(Home::Sqlite, |config| {
        config.sign_in.providers = vec![settings];
        config.sign_in.local_accounts = false;
    })
    .await;
    let page = portal.visitor().page("/login").await.expect(200);
    assert!(!page.has("[name='/password']") && page.has(".providers a"));
    let _ = portal.visitor().sign_in("ada", "guess").await.expect(403);
}

#[tokio::test]
async fn a_key_that_is_new_is_fetched() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    sign_in(&portal.visitor(), &provider).await.leads_to("/");
    provider.rotate();
    sign_in(&portal.visitor(), &provider).await.leads_to("/");
    provider.rotate();
    sign_in(&portal.visitor(), &provider).await.leads_to("/");
}

#[tokio::test]
async fn a_provider_that_was_down_is_found_when_it_is_up() {
    let provider = Provider::wrong(Wrong::DiscoveryBroken).await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    assert!(browser.page("/login").await.expect(200).has(".providers a"));
    let _ = browser.page("/login/institute").await.expect(502);
    provider.go(None);
    sign_in(&browser, &provider).await.leads_to("/");
}

/// What one gets who presses the button of a provider that says wrong things of itself.
#[tokio::test]
async fn a_provider_that_says_wrong_things_of_itself_is_refused() {
    let all = [
        (Wrong::DiscoverySlow, "did not answer in time"),
        (Wrong::DiscoveryHuge, "larger than 2 MiB"),
        (
            Wrong::DiscoveryRedirects,
            "answered 303, which the portal does not follow",
        ),
        (Wrong::DiscoveryBroken, "answered 500"),
        (Wrong::DiscoveryMissing, "answered 404"),
        (Wrong::DiscoveryNoText, "is no discovery document"),
        (Wrong::DiscoveryOfAnother, "names another issuer"),
        (Wrong::OnlyPlainPkce, "does not take PKCE with S256"),
        (Wrong::KeysSlow, "did not answer in time"),
        (Wrong::KeysHuge, "larger than 2 MiB"),
        (
            Wrong::KeysRedirect,
            "answered 303, which the portal does not follow",
        ),
        (Wrong::KeysBroken, "answered 502"),
    ];
    let mut providers = Vec::new();
    for (wrong, _) in all {
        providers.push(Provider::wrong(wrong).await);
    }
    let settings = providers.iter().enumerate();
    let mut settings: Vec<_> = settings
        .map(|(n, p)| p.settings(&format!("p{n}")))
        .collect();
    for (one, (wrong, _)) in settings.iter_mut().zip(&all) {
        // These never answer.
        if matches!(wrong, Wrong::DiscoverySlow | Wrong::KeysSlow) {
            one.timeout_seconds = 1;
        }
    }
    let portal = Portal::with(Home::Sqlite, |config| config.sign_in.providers = settings).await;
    for (n, (wrong, words)) in all.into_iter().enumerate() {
        let page = portal
            .visitor()
            .page(&format!("/login/p{n}"))
            .await
            .expect(502);
        let told = told(&page);
        assert!(told.contains(words), "{wrong:?}: {told}");
        assert!(told.contains("dministrator can"), "{wrong:?}: {told}");
        assert!(
            told.contains(&format!("sign_in.providers[{n}].")),
            "{wrong:?}: {told}"
        );
    }
}

/// What one gets who comes back from a provider that says wrong things of them. Nobody is signed in, nobody is made.
#[tokio::test]
async fn a_provider_that_says_wrong_things_of_somebody_is_refused() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    for (wrong, words) in [
        (Wrong::AnswerOfAnother, "from another provider (iss)"),
        (Wrong::AnswerOfNobody, "from another provider (iss)"),
        (Wrong::NoCode, "sent no code"),
        (Wrong::TokensBroken, "answered 500"),
        (Wrong::TokensNoText, "no token response"),
        (Wrong::TokensNoJson, "no token response"),
        (Wrong::NoIdToken, "sent no ID token"),
        (Wrong::Issuer, "from another issuer"),
        (Wrong::Audience, "for another client"),
        (Wrong::ForeignAzp, "issued to another client (azp)"),
        (Wrong::SeveralAudiences, "for another client"),
        (Wrong::Nonce, "for another sign-in (nonce)"),
        (Wrong::NoNonce, "for another sign-in (nonce)"),
        (Wrong::Expired, "has expired"),
        (Wrong::NotYetValid, "not valid yet (nbf)"),
        (Wrong::IssuedInFuture, "impossible time"),
        (Wrong::Unsigned, "not signed (alg: none)"),
        (Wrong::SignedWithPublicKey, "in a way that is not taken"),
        (Wrong::SignedWithClientSecret, "in a way that is not taken"),
        (Wrong::UnknownKey, "not among the provider's"),
        (Wrong::Tampered, "signature of its ID token is wrong"),
        (Wrong::Critical, "of a kind that is not taken"),
        (Wrong::OtherAccessToken, "(at_hash)"),
        (Wrong::SignedInLongAgo, "max_age_seconds"),
        (Wrong::SignedInNobodyKnowsWhen, "max_age_seconds"),
        (Wrong::NobodyAtAll, "no usable sub"),
        (Wrong::UserinfoOfAnother, "speaks of somebody else"),
        (Wrong::UserinfoBroken, "answered 500"),
        (Wrong::UserinfoNoText, "no JSON object in UTF-8"),
        (Wrong::UserinfoHuge, "larger than 2 MiB"),
        (Wrong::TooManyGroups, "more than 5000 groups"),
        (Wrong::ForgetsChallenge, "does not take the code"),
    ] {
        provider.go(Some(wrong));
        let browser = portal.visitor();
        let page = sign_in(&browser, &provider).await.expect(502);
        let told = told(&page);
        assert!(told.contains(words), "{wrong:?}: {told}");
        assert!(told.contains("dministrator"), "{wrong:?}: {told}");
        assert!(!browser.is_signed_in().await, "{wrong:?}");
        for secret in provider.secrets() {
            assert!(!page.text().contains(&secret), "{wrong:?}: {secret}");
        }
    }
    assert_eq!(portal.services.store.count_users().await.unwrap(), 0);
    provider.go(None);
    sign_in(&portal.visitor(), &provider).await.leads_to("/");
}

#[tokio::test]
async fn what_comes_back_fits_what_the_browser_began() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    let begin = async || {
        let begun = browser.page("/login/institute").await.expect(303);
        provider.visit(begun.header("location").unwrap()).await
    };
    let refused = |page: &Page| {
        let told = page.problem();
        assert!(
            told.contains("did not begin it") && told.contains("Begin again"),
            "{told}"
        );
    };

    // Somebody else's answer, sent to this browser by a link.
    let back = begin().await;
    refused(&portal.visitor().page(&back).await.expect(400));
    browser.page(&back).await.leads_to("/");
    let done = browser.session();
    // The same a second time.
    refused(&browser.page(&back).await.expect(400));
    assert_eq!(browser.session(), done);

    // Another state, and none.
    let back = begin().await;
    let state = back
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let mark = &state[..state.len() - 2];
    refused(
        &browser
            .page(&back.replace(state, &format!("{mark}xx")))
            .await
            .expect(400),
    );
    let back = begin().await;
    refused(
        &browser
            .page(&back.replace("state=", "nothing="))
            .await
            .expect(400),
    );

    // Too late.
    let back = begin().await;
    portal.advance(11 * MINUTE);
    let late = browser.page(&back).await.expect(400);
    assert!(
        late.problem().contains("more than ten minutes"),
        "{}",
        late.problem()
    );
}

#[tokio::test]
async fn a_code_opens_one_session() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    let begun = browser.page("/login/institute").await.expect(303);
    let thief = browser.copy();
    let back = provider.visit(begun.header("location").unwrap()).await;
    browser.page(&back).await.leads_to("/");
    // Even with the browser's cookies of before.
    let told = told(&thief.page(&back).await.expect(502));
    assert!(told.contains("invalid_grant"), "{told}");
    assert!(!thief.is_signed_in().await);
}

#[tokio::test]
async fn a_refusal_there_is_told() {
    let provider = Provider::start().await;
    let portal = portal_with(&provider).await;
    let browser = portal.visitor();
    for (error, status, words) in [
        ("access_denied", 400, "cancelled there"),
        ("server_error", 502, "troubles of its own"),
        (
            "invalid_scope",
            502,
            "refused what the portal asked for (invalid_scope)",
        ),
        ("%3Cscript%3E", 502, "(script)"),
    ] {
        let begun = browser.page("/login/institute").await.expect(303);
        let back = provider.visit(begun.header("location").unwrap()).await;
        let answer = format!("{back}&error={error}&error_description=Call%20555-1234");
        let page = browser.page(&answer).await.expect(status);
        let told = told(&page);
        assert!(told.contains(words) && !told.contains("555"), "{told}");
    }
}

/// A browser that began with one provider is sent back with the code of another, and the other way round.
#[tokio::test]
async fn two_providers_are_not_mixed_up() {
    let (honest, evil) = (Provider::start().await, Provider::start().await);
    let settings = [honest.settings("institute"), evil.settings("evil")];
    let portal = Portal::with(Home::Sqlite, |config| {
        config.sign_in.providers = settings.into();
    })
    .await;
    let browser = portal.visitor();

    // What the honest one answered comes in at the other's door: its code must not go there.
    let begun = browser.page("/login/institute").await.expect(303);
    let back = honest.visit(begun.header("location").unwrap()).await;
    let _ = browser
        .page(&back.replace("/login/institute/", "/login/evil/"))
        .await
        .expect(400);

    // The browser was told to begin with the evil one, which led it to the honest one.
    let begun = browser.page("/login/evil").await.expect(303);
    let address = begun.header("location").unwrap();
    let led = address.replace(&evil.issuer(), &honest.issuer());
    let back = honest.visit(&led).await;
    let told = told(&browser.page(&back).await.expect(502));
    assert!(told.contains("from another provider (iss)"), "{told}");
    assert!(!browser.is_signed_in().await);
    let code = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    assert!(!evil.secrets().iter().any(|known| known == code));
}
