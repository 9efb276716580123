//! Where one is signed in, and signing out there.
use crate::{
    domain::{ids::SessionId, user::Session},
    services::accounts,
    web::{
        App, Right, Route,
        error::Result,
        extract::{Browser, Path, Query},
        view::{View, redirect_with_notice},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{Html, Response},
};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::page("/account/sessions", Right::User, list),
        Route::page("/account/sessions/others/end", Right::User, ask_others),
        Route::action("/account/sessions/others/end", Right::User, end_others),
        Route::page("/account/sessions/{session}/end", Right::User, ask),
        Route::action("/account/sessions/{session}/end", Right::User, end),
    ]
}

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct ListPage {
    view: View,
    rows: Vec<Session>,
    first: &'static str,
    next: String,
    here: SessionId,
    idle_seconds: u64,
    absolute_seconds: u64,
}

impl ListPage {
    fn idle(&self) -> String {
        span(self.idle_seconds)
    }

    fn absolute(&self) -> String {
        span(self.absolute_seconds)
    }
}

/// Rows of one page.
const PAGE: u32 = 50;

#[derive(Deserialize, Default)]
#[serde(default)]
struct After {
    after: Option<SessionId>,
}

#[derive(Template)]
#[template(path = "account/session_end.html")]
struct EndPage {
    view: View,
    /// The one to end; none for all but this one.
    session: Option<Session>,
}

impl EndPage {
    fn action(&self) -> String {
        let which = match &self.session {
            Some(session) => session.id.to_string(),
            None => "others".into(),
        };
        format!("/account/sessions/{which}/end")
    }
}

/// A setting's length in the largest unit that fits: `12 hours`.
fn span(seconds: u64) -> String {
    let (n, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3600 == 0 => (s / 3600, "hour"),
        s => (s.div_ceil(60), "minute"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// What a browser says of itself, in a few words: `Firefox on Linux`.
fn device(agent: &str) -> String {
    // The order counts: browsers name those that they want to be taken for.
    const BROWSERS: [(&str, &str); 9] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("FxiOS", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS", "Chrome"),
        ("HeadlessChrome", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("CrOS", "ChromeOS"),
        ("Macintosh", "a Mac"),
        ("FreeBSD", "FreeBSD"),
        ("Linux", "Linux"),
    ];
    let find = |known: &[(&str, &'static str)]| {
        known
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, words)| *words)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.into(),
        (None, system) => {
            let product = agent.split([' ', '/']).next().unwrap_or_default();
            match (product, system) {
                ("", _) => "A program that did not name itself".into(),
                ("Mozilla", Some(system)) => format!("A browser on {system}"),
                ("Mozilla", None) => "A browser".into(),
                (product, _) => product.chars().take(40).collect(),
            }
        }
    }
}

async fn list(
    State(app): State<App>,
    view: View,
    Browser(signed_in): Browser,
    Query(After { after }): Query<After>,
) -> Result<Html<String>> {
    let mut rows = accounts::list_sessions(&app.portal, &signed_in.actor, after, PAGE + 1).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let last = rows.last().filter(|_| more);
    let page = ListPage {
        view,
        first: after.map_or("", |_| "/account/sessions"),
        next: last.map_or_else(String::new, |session| {
            format!("/account/sessions?after={}", session.id)
        }),
        rows,
        here: signed_in.session.id,
        idle_seconds: app.portal.config.sign_in.idle_seconds,
        absolute_seconds: app.portal.config.sign_in.absolute_seconds,
    };
    Ok(Html(page.render()?))
}

async fn ask(
    State(app): State<App>,
    view: View,
    Browser(signed_in): Browser,
    Path(id): Path<SessionId>,
) -> Result<Html<String>> {
    let session = accounts::find_session(&app.portal, &signed_in.actor, id).await?;
    let page = EndPage {
        view,
        session: Some(session),
    };
    Ok(Html(page.render()?))
}

async fn end(
    State(app): State<App>,
    Browser(signed_in): Browser,
    Path(id): Path<SessionId>,
) -> Result<Response> {
    accounts::end_session(&app.portal, &signed_in.actor, id).await?;
    Ok(redirect_with_notice(
        "/account/sessions",
        "You are signed out there.",
    ))
}

async fn ask_others(view: View) -> Result<Html<String>> {
    let page = EndPage {
        view,
        session: None,
    };
    Ok(Html(page.render()?))
}

async fn end_others(State(app): State<App>, Browser(signed_in): Browser) -> Result<Response> {
    let keep = Some(signed_in.session.id);
    accounts::end_other_sessions(&app.portal, &signed_in.actor, keep).await?;
    Ok(redirect_with_notice(
        "/account/sessions",
        "You are signed out everywhere else.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_in_few_words() {
        for (agent, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari on a Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
                "Chrome on an iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("", "A program that did not name itself"),
        ] {
            assert_eq!(device(agent), words, "{agent}");
        }
    }

    #[test]
    fn settings_in_words() {
        assert_eq!(span(12 * 3600), "12 hours");
        assert_eq!(span(14 * 86_400), "14 days");
        assert_eq!(span(90), "2 minutes");
    }
}
