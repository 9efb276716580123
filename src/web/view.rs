//! What every page shows besides its own: who is signed in, the look, times.
use super::{App, assets, error::Result, guard::Caller};
use crate::domain::user::{Theme, User};
use askama::filters::{Escaper as _, Html, Safe};
use axum::{
    Extension,
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use axum_extra::extract::CookieJar;
use http::{HeaderMap, Uri, header, request::Parts};
use jiff::{Timestamp, tz::TimeZone};
use percent_encoding::NON_ALPHANUMERIC;

#[derive(Debug, Clone)]
pub struct View {
    user: Option<User>,
    elevated: bool,
    query: String,
    notice: Option<String>,
    now: Timestamp,
}

impl FromRequestParts<App> for View {
    type Rejection = super::error::WebError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let caller = parts.extensions.get::<Caller>();
        Ok(Self::of(app, &parts.headers, &parts.uri, caller))
    }
}

impl View {
    pub fn of(app: &App, headers: &HeaderMap, uri: &Uri, caller: Option<&Caller>) -> Self {
        let now = app.portal.clock.now();
        let notice = CookieJar::from_headers(headers)
            .get(&app.notice_cookie)
            .and_then(|cookie| {
                percent_encoding::percent_decode_str(cookie.value())
                    .decode_utf8()
                    .ok()
                    .map(Into::into)
            });
        Self {
            elevated: caller.is_some_and(|c| c.actor().is_elevated(now)),
            user: caller.map(|c| c.actor().user.clone()),
            query: if uri.path() == "/search" {
                query_value(uri, "q")
            } else {
                String::new()
            },
            notice,
            now,
        }
    }

    pub fn signed_in(&self) -> bool {
        self.user.is_some()
    }

    pub fn user_name(&self) -> &str {
        self.user.as_ref().map_or("", |user| user.name.as_str())
    }

    pub fn site_admin(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.site_admin)
    }

    pub fn theme(&self) -> &str {
        self.user
            .as_ref()
            .map_or(Theme::Auto, |user| user.theme)
            .as_str()
    }

    pub fn zone(&self) -> &str {
        self.user
            .as_ref()
            .and_then(|user| user.time_zone.as_deref())
            .unwrap_or("")
    }

    pub fn query(&self) -> &str {
        &self.query
    }

    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    pub fn elevated(&self) -> bool {
        self.elevated
    }

    pub fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The reader's zone; UTC where they named none.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(self.zone()).unwrap_or(TimeZone::UTC)
    }

    pub fn time(&self, at: &Timestamp) -> TimeView {
        TimeView {
            at: *at,
            now: self.now,
            zone: self.time_zone(),
        }
    }
}

fn query_value(uri: &Uri, name: &str) -> String {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| {
            let value = value.replace('+', " ");
            percent_encoding::percent_decode_str(&value)
                .decode_utf8()
                .ok()
                .map(String::from)
        })
        .unwrap_or_default()
}

/// A moment, as pages write it.
pub struct TimeView {
    at: Timestamp,
    now: Timestamp,
    zone: TimeZone,
}

impl TimeView {
    pub fn iso(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub fn exact(&self) -> String {
        self.at
            .to_zoned(self.zone.clone())
            .strftime("%-d %b %Y, %H:%M:%S %Z")
            .to_string()
    }

    pub fn relative(&self) -> String {
        let seconds = self.now.as_second() - self.at.as_second();
        let (ago, n) = (seconds >= 0, seconds.unsigned_abs());
        let words = match n {
            0..=4 => return "just now".into(),
            5..60 => format!("{n} s"),
            60..3600 => format!("{} min", n / 60),
            3600..86_400 => format!("{} h", n / 3600),
            86_400..2_592_000 => {
                let days = n / 86_400;
                format!("{days} {}", if days == 1 { "day" } else { "days" })
            }
            _ => {
                return self
                    .at
                    .to_zoned(self.zone.clone())
                    .strftime("%-d %b %Y")
                    .to_string();
            }
        };
        if ago {
            format!("{words} ago")
        } else {
            format!("in {words}")
        }
    }
}

/// A duration as pages write it: `3 min 12 s`.
pub fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A sentence for a page: what stands between backticks, names and values, as code.
pub fn prose(sentence: impl std::fmt::Display) -> Safe<String> {
    let sentence = sentence.to_string();
    let parts: Vec<&str> = sentence.split('`').collect();
    let is_paired = parts.len() % 2 == 1;
    let mut html = String::with_capacity(sentence.len() + 16);
    for (at, part) in parts.iter().enumerate() {
        let is_code = at % 2 == 1;
        match (is_paired, is_code) {
            (true, true) => html.push_str("<code>"),
            (true, false) if at > 0 => html.push_str("</code>"),
            (false, _) if at > 0 => html.push('`'),
            _ => {}
        }
        // Writing to a text cannot fail.
        let _ = Html.write_escaped_str(&mut html, part);
    }
    Safe(html)
}

/// What a form is opened with, so that sending it twice is once.
pub fn opened() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What the next page is to say once; [`notices`] makes a cookie of it.
#[derive(Clone)]
struct Notice(String);

/// Goes to another page, which says this once.
pub fn redirect_with_notice(to: &str, notice: &str) -> Response {
    (Extension(Notice(notice.to_owned())), Redirect::to(to)).into_response()
}

/// Hands a notice on to the next page. Said once: the page that shows it also removes it.
pub async fn notices(State(app): State<App>, request: Request, next: Next) -> Response {
    let name = &*app.notice_cookie;
    let reads = request.method() == http::Method::GET;
    let had = reads
        && CookieJar::from_headers(request.headers())
            .get(name)
            .is_some();
    let mut response = next.run(request).await;
    let cookie = if let Some(Notice(notice)) = response.extensions_mut().remove() {
        let value = percent_encoding::utf8_percent_encode(&notice, NON_ALPHANUMERIC);
        app.set_cookie(name, &value.to_string(), 30)
    } else if had && is_html(&response) {
        app.set_cookie(name, "", 0)
    } else {
        return response;
    };
    if let Ok(value) = http::HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        let html = |sentence: &str| prose(sentence).0;
        assert_eq!(html("no name"), "no name");
        assert_eq!(html("`a` and `b`"), "<code>a</code> and <code>b</code>");
        assert_eq!(html("`<b>` & c"), "<code>&#60;b&#62;</code> &#38; c");
        assert_eq!(html("one ` alone <i>"), "one ` alone &#60;i&#62;");
    }
}
