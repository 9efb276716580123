//! A browser with its cookies, and requests by hand.
use super::{Page, Portal};
use axum::{body::Body, extract::ConnectInfo, response::Response};
use http::{HeaderMap, HeaderName, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{collections::BTreeMap, net::SocketAddr, sync::Mutex};
use tower::ServiceExt as _;

const HOST: &str = "portal.test";

pub struct Browser<'a> {
    portal: &'a Portal,
    cookies: Mutex<BTreeMap<String, String>>,
    address: String,
}

impl<'a> Browser<'a> {
    pub(super) fn new(portal: &'a Portal) -> Self {
        Self {
            portal,
            cookies: Mutex::default(),
            address: "192.0.2.1".into(),
        }
    }

    /// At another address of the network.
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// The same browser before a portal that was started again.
    #[must_use]
    pub fn move_to<'b>(&self, portal: &'b Portal) -> Browser<'b> {
        Browser {
            portal,
            cookies: Mutex::new(self.cookies.lock().unwrap().clone()),
            address: self.address.clone(),
        }
    }

    /// One with the same cookies, such as a thief would have.
    #[must_use]
    pub fn copy(&self) -> Browser<'a> {
        self.move_to(self.portal)
    }

    pub fn portal(&self) -> &'a Portal {
        self.portal
    }

    /// The session's cookie: name and value.
    pub fn session(&self) -> Option<(String, String)> {
        let cookies = self.cookies.lock().unwrap();
        let found = cookies
            .iter()
            .find(|(name, _)| *name == "tourmaline-test" || *name == "__Host-tourmaline");
        found.map(|(name, value)| (name.clone(), value.clone()))
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }

    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        Request {
            portal: self.portal,
            browser: Some(self),
            builder: http::Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, HOST)
                .header(header::USER_AGENT, "Firefox of the tests")
                .header("sec-fetch-site", "same-origin"),
            body: Body::empty(),
            address: self.address.clone(),
        }
    }

    /// Goes to a page.
    pub async fn page(&self, path: &str) -> Page {
        self.request(Method::GET, path).send().await
    }

    /// Asks for a part of a page, as htmx does.
    pub async fn fragment(&self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        request.header("hx-request", "true").send().await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.request(Method::POST, path).form(form).send().await
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Page {
        let form = [("/name", name), ("/password", password)];
        self.post("/login", &form).await
    }

    /// Whether the portal knows who this is: it sends such a one away from its sign-in page.
    pub async fn is_signed_in(&self) -> bool {
        match self.page("/login").await.status.as_u16() {
            303 => true,
            200 => false,
            other => panic!("GET /login answered {other}"),
        }
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// A request under construction; [`Request::send`] sends it.
#[must_use]
pub struct Request<'a> {
    portal: &'a Portal,
    browser: Option<&'a Browser<'a>>,
    builder: http::request::Builder,
    body: Body,
    address: String,
}

impl<'a> Request<'a> {
    /// Of no browser: no cookies, and none of the headers that browsers send by themselves.
    pub fn plain(portal: &'a Portal, method: Method, path: &str) -> Self {
        Self {
            portal,
            browser: None,
            builder: http::Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, HOST),
            body: Body::empty(),
            address: "192.0.2.2".into(),
        }
    }

    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// Sets a header, instead of one of that name that was set before.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        let headers = self.builder.headers_mut().unwrap();
        headers.insert(name, value.parse().unwrap());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.builder.headers_mut().unwrap().remove(name);
        self
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(pairs.join("&"))
    }

    pub fn json(self, value: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .body(value.to_string())
    }

    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The whole answer.
    pub async fn send(self) -> Page {
        let what = format!(
            "{} {}",
            self.builder.method_ref().unwrap(),
            self.builder.uri_ref().unwrap()
        );
        Page::read(what, self.open().await).await
    }

    /// The answer as it begins, its body still to come: for streams.
    pub async fn open(mut self) -> Response {
        if let Some(browser) = self.browser {
            let cookies = browser.cookies.lock().unwrap().clone();
            for (name, value) in cookies {
                self.builder = self
                    .builder
                    .header(header::COOKIE, format!("{name}={value}"));
            }
        }
        let mut request = self.builder.body(self.body).unwrap();
        let peer = SocketAddr::new(self.address.parse().unwrap(), 40_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.portal.router.clone().oneshot(request).await.unwrap();
        if let Some(browser) = self.browser {
            browser.keep(response.headers());
        }
        response
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
