//! People of a house: with a local account, signed in, and with tokens for the API.
use super::{Browser, Page, Portal, Request};
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::ops::Deref;
use tourmaline::{
    auth::{passwords, sessions::Beginning},
    domain::{
        access::{Actor, Permitted, Site},
        user::{self, Scope},
    },
    services::accounts,
};

/// Everybody's password here.
pub const PASSWORD: &str = "a blue whale sings";

/// Somebody signed in; what a browser does, they do.
pub struct User<'a> {
    pub account: user::User,
    browser: Browser<'a>,
}

impl<'a> Deref for User<'a> {
    type Target = Browser<'a>;
    fn deref(&self) -> &Browser<'a> {
        &self.browser
    }
}

impl Portal {
    /// A user, made with a local account and signed in.
    pub async fn user(&self, name: &str) -> User<'_> {
        self.person(name, false).await
    }

    pub async fn site_admin(&self, name: &str) -> User<'_> {
        self.person(name, true).await
    }

    async fn person(&self, name: &str, site_admin: bool) -> User<'_> {
        let hash = passwords::hash_now(&self.services.config.sign_in, PASSWORD).unwrap();
        let draft = accounts::Draft {
            name: name.to_owned(),
            display_name: String::new(),
            site_admin,
        };
        let site = Permitted::by_system(Site, "tests");
        let account = accounts::create(&self.services, &site, &draft, &hash)
            .await
            .unwrap();
        // Not by its form, whose tries are counted.
        let secret = self
            .auth
            .begin_session(
                &self.services,
                &account,
                Beginning {
                    agent: "tests",
                    address: "192.0.2.1",
                    ..Beginning::default()
                },
            )
            .await
            .unwrap();
        let browser = self.visitor();
        let name = if self.services.config.server.is_https() {
            "__Host-tourmaline"
        } else {
            "tourmaline-test"
        };
        browser.set_cookie(name, secret.expose_secret());
        User { account, browser }
    }

    /// A program that calls the API with a token.
    pub fn api(&self, token: &SecretString) -> Api<'_> {
        Api {
            portal: self,
            token: token.expose_secret().to_owned(),
        }
    }
}

impl<'a> User<'a> {
    /// As services know them.
    pub fn actor(&self) -> Actor {
        Actor {
            user: self.account.clone(),
            scope: Scope::Admin,
        }
    }

    /// A new token of theirs that does not end: `read`, `write` or `admin`.
    pub async fn token(&self, scope: &str) -> SecretString {
        let (portal, actor) = (self.portal(), self.actor());
        let made = portal
            .auth
            .create_token(&portal.services, &actor, "tests", scope, "");
        made.await.unwrap().1
    }

    /// A program of theirs.
    pub async fn api(&self, scope: &str) -> Api<'a> {
        self.portal().api(&self.token(scope).await)
    }
}

pub struct Api<'a> {
    portal: &'a Portal,
    pub token: String,
}

impl<'a> Api<'a> {
    /// `path` is below `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> Request<'a> {
        Request::plain(self.portal, method, &format!("/api/v1{path}"))
            .header("authorization", &format!("Bearer {}", self.token))
    }

    pub async fn get(&self, path: &str) -> Page {
        self.request(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Page {
        self.request(Method::POST, path).json(body).send().await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Page {
        self.request(Method::PUT, path).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Page {
        self.request(Method::PATCH, path).json(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Page {
        self.request(Method::DELETE, path).send().await
    }
}
