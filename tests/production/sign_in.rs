//! Signing in by a real Keycloak, from the button to the page that was asked for.
//!
//! Needs `TOURMALINE_TEST_OIDC_ISSUER`, `…_OIDC_CLIENT_ID` and `…_OIDC_CLIENT_SECRET`: a realm whose client takes the code
//! flow with PKCE and any port of `http://127.0.0.1`, with a claim `groups` in the ID token, and with the people `ada`
//! (`ada-password`; in `/biology`) and `many` (`many-password`; in 1,000 groups below `/many`, with 1,000 entitlements).
use crate::{browser::Browser, portal::Portal};

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
    browser.send(&page, "form[action='/logout']").await;
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
    let portal = Portal::start_with(|provider| {
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
    let portal = Portal::start_with(|provider| provider.issuer += "-no-such").await;
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
