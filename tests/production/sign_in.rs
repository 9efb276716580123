//! Signing in by a real Keycloak, from the button to the page that was asked for.
//!
//! Needs `TOURMALINE_TEST_OIDC_ISSUER`, `…_OIDC_CLIENT_ID` and `…_OIDC_CLIENT_SECRET`: a realm whose client takes the code
//! flow with PKCE and any port of `http://127.0.0.1`, with a claim `groups` in the ID token, and with the people `ada`
//! (`ada-password`; in `/biology`) and `many` (`many-password`; in 1,000 groups below `/many`, with 1,000 entitlements). For people
//! and clients of a test's own `TOURMALINE_TEST_KEYCLOAK_URL`, `…_KEYCLOAK_ADMIN` and `…_KEYCLOAK_ADMIN_PASSWORD`.
use crate::{browser::Browser, keycloak::Keycloak, portal::Portal};
use tourmaline::domain::grants::Rule;

#[tokio::test]
async fn somebody_signs_in_and_comes_to_the_page_that_was_asked_for() {
    let portal = Portal::start().await;
    let browser = Browser::new();
    let page = browser.go(&portal.url("/account/identities")).await;
    assert_eq!(page.url, portal.url("/login?next=%2Faccount%2Fidentities"));
    let page = browser.press(&page, ".providers a").await;
    let page = browser.fill_in(&page, "ada", "ada-password").await;
    assert_eq!(page.url, portal.url("/account/identities"), "{}", page.text);
    assert_eq!(page.one("tbody td:nth-child(1)"), "Keycloak");
    assert_eq!(page.one("tbody td:nth-child(3)"), "ada@example.org");
    assert_eq!(page.one(".menu summary"), "ada");

    // Again: nobody is asked for a password there, and it is the same user here.
    let page = browser
        .go(&portal.url("/login/keycloak?next=/account"))
        .await;
    assert_eq!(page.one(".menu summary"), "ada");
}

#[tokio::test]
async fn somebody_in_a_thousand_groups_signs_in() {
    let portal = Portal::start().await;
    let browser = Browser::new();
    let page = browser
        .go(&portal.url("/login/keycloak?next=/account"))
        .await;
    let page = browser.fill_in(&page, "many", "many-password").await;
    assert_eq!(page.url, portal.url("/account"), "{}", page.text);
    assert_eq!(page.one(".menu summary"), "many");
    let cookies = browser.cookies_of(&portal.url("/"));
    assert!(
        cookies.len() < 200,
        "the cookie stays an opaque id: {cookies}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_told_as_one() {
    let portal = Portal::start_with(|config| {
        let provider = &config.sign_in.providers[0];
        std::fs::write(provider.client_secret_file.as_ref().unwrap(), "wrong").unwrap();
    })
    .await;
    let browser = Browser::new();
    let page = browser.go(&portal.url("/login/keycloak")).await;
    let page = browser.fill_in(&page, "ada", "ada-password").await;
    assert_eq!(page.status, 502);
    let told = page.one(".problem");
    assert!(told.contains("unauthorized_client"), "{told}");
    assert!(told.contains("client_secret_file"), "{told}");
}

#[tokio::test]
async fn a_realm_that_is_not_there_is_told_and_the_rest_goes_on() {
    let portal =
        Portal::start_with(|config| config.sign_in.providers[0].issuer += "-no-such").await;
    let page = Browser::new().go(&portal.url("/login/keycloak")).await;
    assert_eq!(page.status, 502);
    assert!(
        page.one(".problem").contains("answered 404"),
        "{}",
        page.text
    );
    let page = Browser::new().go(&portal.url("/login")).await;
    assert_eq!(page.status, 200);
}

/// Somebody made for one test, and a client whose logout tokens come to one portal.
#[tokio::test]
async fn a_group_that_is_taken_away_there_takes_what_it_gave_here() {
    let keycloak = Keycloak::connect();
    let person = keycloak.person("/biology").await;
    let portal = Portal::start_with(|config| {
        config.sign_in.rules = vec![Rule {
            equals: Some("/biology".into()),
            site_administrator: true,
            ..Rule::default()
        }];
    })
    .await;
    let browser = Browser::new();
    let page = browser.go(&portal.url("/login/keycloak?next=/admin")).await;
    let page = browser.fill_in(&page, &person.name, &person.name).await;
    assert_eq!((page.status, page.url), (200, portal.url("/admin")));

    keycloak.take_out(&person, "/biology").await;
    portal.five_minutes_later().await;
    assert_eq!(browser.go(&portal.url("/admin")).await.status, 404);
    assert_eq!(browser.go(&portal.url("/account")).await.status, 200);
    keycloak.disable(&person).await;
    portal.five_minutes_later().await;
    let page = browser.go(&portal.url("/account")).await;
    assert_eq!(page.url, portal.url("/login?next=%2Faccount"));
    keycloak.forget(&person).await;
}

#[tokio::test]
async fn a_logout_at_one_end_is_one_at_the_other() {
    let keycloak = Keycloak::connect();
    let person = keycloak.person("/biology").await;
    let name = format!("tourmaline-test-{}", person.name);
    let portal = Portal::start_with(|config| {
        let provider = &mut config.sign_in.providers[0];
        provider.client_id.clone_from(&name);
        // What every new client has.
        provider.scopes = vec!["profile".into(), "email".into()];
    })
    .await;
    keycloak
        .client(&name, &portal.url("/login/keycloak/logout"))
        .await;
    let sign_in = async |browser: &Browser| {
        let page = browser
            .go(&portal.url("/login/keycloak?next=/account"))
            .await;
        let page = browser.fill_in(&page, &person.name, &person.name).await;
        assert_eq!(page.url, portal.url("/account"), "{}", page.text);
        page
    };

    // Here: Keycloak asks for the password again.
    let browser = Browser::new();
    let page = sign_in(&browser).await;
    let page = browser.send(&page, "form[action='/logout']").await;
    assert_eq!(page.url, portal.url("/login"), "{}", page.text);
    sign_in(&browser).await;

    // There: the logout token comes before Keycloak answers.
    keycloak.end_sessions(&person).await;
    let page = browser.go(&portal.url("/account")).await;
    assert_eq!(page.url, portal.url("/login?next=%2Faccount"));
    keycloak.forget_client(&name).await;
    keycloak.forget(&person).await;
}
