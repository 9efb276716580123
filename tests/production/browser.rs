//! As much of a browser as signing in takes: cookies, redirects and forms.
use openidconnect::url::Url;
use scraper::{ElementRef, Html, Selector};
use std::{collections::BTreeMap, sync::Mutex};

pub struct Browser {
    client: reqwest::Client,
    /// By host and port: real browsers ignore ports, and then two servers on loopback see each other's.
    cookies: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

pub struct Page {
    pub url: String,
    pub status: u16,
    pub text: String,
}

impl Page {
    /// The text of the one element that a selector finds.
    #[track_caller]
    pub fn one(&self, css: &str) -> String {
        let html = Html::parse_document(&self.text);
        let found: Vec<String> = html
            .select(&Selector::parse(css).unwrap())
            .map(|e| e.text().collect::<String>())
            .collect();
        assert_eq!(found.len(), 1, "{css} at {}: {}", self.url, self.text);
        found[0].split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn address(&self, to: &str) -> String {
        Url::parse(&self.url).unwrap().join(to).unwrap().into()
    }

    /// Where the form leads and what its hidden fields hold.
    fn form(&self, css: &str) -> (String, Vec<(String, String)>) {
        let html = Html::parse_document(&self.text);
        let form = html.select(&Selector::parse(css).unwrap()).next();
        let form = form.unwrap_or_else(|| panic!("no {css} at {}: {}", self.url, self.text));
        let hidden = form
            .select(&Selector::parse("input[type='hidden'][name]").unwrap())
            .map(value)
            .collect();
        (
            self.address(form.attr("action").unwrap_or_default()),
            hidden,
        )
    }
}

fn value(field: ElementRef) -> (String, String) {
    let attr = |name| field.attr(name).unwrap_or_default().to_owned();
    (attr("name"), attr("value"))
}

impl Browser {
    pub fn new() -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            client: client.build().unwrap(),
            cookies: Mutex::default(),
        }
    }

    pub async fn go(&self, url: &str) -> Page {
        self.follow(url.to_owned(), None).await
    }

    /// Follows a link.
    pub async fn press(&self, page: &Page, css: &str) -> Page {
        let href = {
            let html = Html::parse_document(&page.text);
            let link = html.select(&Selector::parse(css).unwrap()).next();
            link.and_then(|a| a.attr("href")).unwrap().to_owned()
        };
        self.go(&page.address(&href)).await
    }

    /// Sends a form as it is.
    pub async fn send(&self, page: &Page, css: &str) -> Page {
        let (to, fields) = page.form(css);
        self.follow(to, Some(fields)).await
    }

    /// Signs in on the page of a provider.
    pub async fn fill_in(&self, page: &Page, name: &str, password: &str) -> Page {
        let (to, mut fields) = page.form("form");
        fields.push(("username".into(), name.into()));
        fields.push(("password".into(), password.into()));
        self.follow(to, Some(fields)).await
    }

    /// What it sends to the server of an address.
    pub fn cookies_of(&self, url: &str) -> String {
        let cookies = self.cookies.lock().unwrap();
        let own = cookies.get(&origin(url)).into_iter().flatten();
        let pairs: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    async fn follow(&self, mut url: String, mut form: Option<Vec<(String, String)>>) -> Page {
        for _ in 0..20 {
            let request = match form.take() {
                Some(fields) => self
                    .client
                    .post(&url)
                    .form(&fields)
                    .header("origin", origin(&url)),
                None => self.client.get(&url),
            };
            let answer = request
                .header("cookie", self.cookies_of(&url))
                .send()
                .await
                .unwrap();
            self.keep(&url, &answer);
            if let Some(to) = answer.headers().get("location") {
                let to = to.to_str().unwrap();
                url = Url::parse(&url).unwrap().join(to).unwrap().into();
                continue;
            }
            return Page {
                url,
                status: answer.status().as_u16(),
                text: answer.text().await.unwrap(),
            };
        }
        panic!("too many redirects, the last to {url}");
    }

    fn keep(&self, url: &str, answer: &reqwest::Response) {
        let mut cookies = self.cookies.lock().unwrap();
        let own = cookies.entry(origin(url)).or_default();
        for cookie in answer.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                own.remove(name);
            } else {
                own.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn origin(url: &str) -> String {
    Url::parse(url).unwrap().origin().ascii_serialization()
}
