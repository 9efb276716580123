//! An answer, and what tests ask of it.
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use scraper::{ElementRef, Html, Selector};

#[derive(Debug)]
pub struct Page {
    /// Method and path, for messages.
    pub asked: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Page {
    pub(super) async fn read(asked: String, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            asked,
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Fails, showing the answer, where the status is another.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}: {}",
            self.asked,
            self.text()
        );
        self
    }

    /// Fails where this does not lead there.
    #[track_caller]
    pub fn leads_to(&self, path: &str) {
        assert_eq!(
            (self.status.as_u16(), self.header("location")),
            (303, Some(path)),
            "{}: {}",
            self.asked,
            self.text()
        );
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// The texts of all elements that a selector finds, white space put together.
    pub fn select(&self, css: &str) -> Vec<String> {
        self.each(css, |element| {
            let text: String = element.text().collect();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }

    /// The text of the one element that a selector finds.
    #[track_caller]
    pub fn one(&self, css: &str) -> String {
        let mut found = self.select(css);
        assert_eq!(found.len(), 1, "{}: {css}: {}", self.asked, self.text());
        found.remove(0)
    }

    pub fn has(&self, css: &str) -> bool {
        !self.select(css).is_empty()
    }

    /// An attribute of all elements that a selector finds.
    pub fn attributes(&self, css: &str, name: &str) -> Vec<String> {
        let found = self.each(css, |element| element.attr(name).map(ToOwned::to_owned));
        found.into_iter().flatten().collect()
    }

    /// What a field of a form holds.
    #[track_caller]
    pub fn value(&self, field: &str) -> String {
        let values = self.each(&format!("[name='{field}']"), |element| {
            match element.value().name() {
                "textarea" => element.text().collect(),
                "select" => chosen(element),
                _ => element.attr("value").unwrap_or_default().to_owned(),
            }
        });
        assert!(!values.is_empty(), "{}: no field {field}", self.asked);
        values[0].clone()
    }

    /// The messages beside a field of a form.
    pub fn errors_on(&self, field: &str) -> Vec<String> {
        let described = self.attributes(&format!("[name='{field}']"), "aria-describedby");
        let ids = described.iter().flat_map(|ids| ids.split_whitespace());
        ids.filter(|id| id.contains("error"))
            .flat_map(|id| self.select(&format!("[id='{id}']")))
            .collect()
    }

    /// What an error page says.
    #[track_caller]
    pub fn problem(&self) -> String {
        self.one("[data-problem]")
    }

    fn each<T>(&self, css: &str, read: impl Fn(ElementRef) -> T) -> Vec<T> {
        let selector = Selector::parse(css).unwrap();
        let html = Html::parse_document(&self.text());
        html.select(&selector).map(read).collect()
    }
}

fn chosen(select: ElementRef) -> String {
    let option = Selector::parse("option[selected]").unwrap();
    let chosen = select.select(&option).next();
    chosen
        .and_then(|option| option.attr("value"))
        .unwrap_or_default()
        .to_owned()
}
