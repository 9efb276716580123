//! `[[sign_in.providers]]`: identity providers by which people sign in.
use crate::domain::names::ProviderName;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One provider of OpenID Connect: Keycloak, Life Science Login, anything with discovery.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in addresses: the client's redirect address there is `PUBLIC_URL/login/NAME/callback`. 1 to 63 lower-case
    /// letters, digits or dashes.
    pub name: ProviderName,
    /// What its button says after "Sign in with"; default the name.
    pub title: Option<String>,
    /// Exactly what the provider calls itself, such as `https://login.example/realms/science`. Plain http only on loopback.
    pub issuer: String,
    /// The portal's client there.
    pub client_id: String,
    /// The file with the client's secret on one line; read at each use, so that it can be changed. None for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for besides `openid`; default `profile` and `email`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// Where the claims lie that the portal reads.
    #[serde(default)]
    pub claims: Claims,
    /// Whoever signed in there longer ago than so many seconds signs in again; default no bound.
    pub max_age_seconds: Option<u32>,
    /// How far the two clocks may differ, in seconds; default 60.
    #[serde(default = "default_leeway")]
    pub leeway_seconds: u32,
    /// Longest that one call to it may take, in seconds; default 10.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    /// What somebody who comes for the first time gets; default an account.
    #[serde(default)]
    pub first_login: FirstLogin,
}

/// What somebody who comes for the first time gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstLogin {
    /// An account.
    #[default]
    Create,
    /// An account that is suspended until an administrator restores it.
    Approve,
    /// Nothing: only who is known here may come.
    Refuse,
}

/// Where a claim lies: names joined by dots, or a list of names where one of them holds a dot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClaimPath {
    Dotted(String),
    Steps(Vec<String>),
}

impl ClaimPath {
    pub fn steps(&self) -> Vec<&str> {
        match self {
            Self::Dotted(path) => path.split('.').collect(),
            Self::Steps(steps) => steps.iter().map(String::as_str).collect(),
        }
    }
}

impl From<&str> for ClaimPath {
    fn from(path: &str) -> Self {
        Self::Dotted(path.to_owned())
    }
}

/// Claims are looked for in the answer of the userinfo endpoint, then in the ID token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// What tells one person from another for ever; default `sub`. Life Science Login: `voperson_id`.
    pub id: ClaimPath,
    /// From which a new user's name here is drawn; default `preferred_username`.
    pub name: ClaimPath,
    /// How somebody is called; default `name`.
    pub display_name: ClaimPath,
    /// Default `email`. It is shown, and nobody is known by it.
    pub mail: ClaimPath,
    /// Default `groups`.
    pub groups: ClaimPath,
    /// Default `eduperson_entitlement`.
    pub entitlements: ClaimPath,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            id: "sub".into(),
            name: "preferred_username".into(),
            display_name: "name".into(),
            mail: "email".into(),
            groups: "groups".into(),
            entitlements: "eduperson_entitlement".into(),
        }
    }
}

fn default_scopes() -> Vec<String> {
    vec!["profile".into(), "email".into()]
}

fn default_leeway() -> u32 {
    60
}

fn default_timeout() -> u32 {
    10
}

/// The most providers of one portal: each has a button.
pub(super) const MOST: usize = 20;

impl Provider {
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(self.name.as_str())
    }

    /// Each problem begins with its key; `at` is this provider's.
    pub(super) fn validate(&self, at: &str, wrong: &mut Vec<String>) {
        if !is_safe(&self.issuer) {
            wrong.push(format!(
                "{at}.issuer: `{}` must begin with https:// (http:// only on 127.0.0.1, [::1] or localhost) and have no query",
                self.issuer
            ));
        }
        if let Some(title) = &self.title
            && (title.trim().is_empty() || title.chars().count() > 60 || has_control(title))
        {
            wrong.push(format!(
                "{at}.title: must be 1 to 60 characters on one line"
            ));
        }
        if self.client_id.is_empty() || self.client_id.len() > 300 || has_control(&self.client_id) {
            wrong.push(format!(
                "{at}.client_id: must be 1 to 300 bytes on one line"
            ));
        }
        if let Some(file) = &self.client_secret_file
            && !file.is_absolute()
        {
            wrong.push(format!(
                "{at}.client_secret_file: `{}` must be a whole path, from the root",
                file.display()
            ));
        }
        let is_scope =
            |s: &String| (1..=200).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_graphic());
        if self.scopes.len() > 30 || !self.scopes.iter().all(is_scope) {
            wrong.push(format!(
                "{at}.scopes: must be at most 30 words of at most 200 ASCII characters, without spaces"
            ));
        }
        if self.leeway_seconds > 600 {
            wrong.push(format!(
                "{at}.leeway_seconds: {} must be at most 600",
                self.leeway_seconds
            ));
        }
        if !(1..=25).contains(&self.timeout_seconds) {
            wrong.push(format!(
                "{at}.timeout_seconds: {} must be 1 to 25",
                self.timeout_seconds
            ));
        }
        let claims = &self.claims;
        for (key, path) in [
            ("id", &claims.id),
            ("name", &claims.name),
            ("display_name", &claims.display_name),
            ("mail", &claims.mail),
            ("groups", &claims.groups),
            ("entitlements", &claims.entitlements),
        ] {
            let steps = path.steps();
            let fits = |step: &&str| (1..=200).contains(&step.len()) && !has_control(step);
            if !(1..=8).contains(&steps.len()) || !steps.iter().all(fits) {
                wrong.push(format!(
                    "{at}.claims.{key}: must be 1 to 8 names of 1 to 200 bytes: `a.b`, or a list where a name holds a dot"
                ));
            }
        }
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// Tokens and the client's secret go there: only by TLS, or within this machine.
fn is_safe(issuer: &str) -> bool {
    let plain =
        !issuer.contains(['?', '#', '@', '\\']) && issuer.bytes().all(|b| b.is_ascii_graphic());
    let host = |rest: &str| rest.split(['/', ':']).next().unwrap_or_default().to_owned();
    let loopback = |rest: &str| {
        rest.starts_with("[::1]") || ["127.0.0.1", "localhost"].contains(&host(rest).as_str())
    };
    plain
        && issuer.len() <= 500
        && match issuer.split_once("://") {
            Some(("https", rest)) => !host(rest).is_empty(),
            Some(("http", rest)) => loopback(rest),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(issuer: &str) -> Provider {
        let name = ProviderName::parse("science").expect("a name");
        Provider {
            name,
            title: None,
            issuer: issuer.into(),
            client_id: "tourmaline".into(),
            client_secret_file: None,
            scopes: default_scopes(),
            claims: Claims::default(),
            max_age_seconds: None,
            leeway_seconds: default_leeway(),
            timeout_seconds: default_timeout(),
            first_login: FirstLogin::default(),
        }
    }

    #[test]
    fn secrets_go_by_tls_or_stay_on_the_machine() {
        for (issuer, fits) in [
            ("https://login.example/realms/science", true),
            ("https://login.example:8443", true),
            ("http://127.0.0.1:8180/realms/science", true),
            ("http://localhost:8180", true),
            ("http://[::1]:8180", true),
            ("http://login.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://localhost@evil.example", false),
            ("https://", false),
            ("https://login.example/?realm=a", false),
            ("login.example", false),
            ("", false),
        ] {
            let mut wrong = Vec::new();
            provider(issuer).validate("at", &mut wrong);
            assert_eq!(wrong.is_empty(), fits, "{issuer}: {wrong:?}");
        }
    }

    #[test]
    fn every_key_that_is_wrong_is_named() {
        let mut wrong = Vec::new();
        let bad = Provider {
            title: Some("a\nb".into()),
            client_id: String::new(),
            client_secret_file: Some("secret".into()),
            scopes: vec!["two words".into()],
            leeway_seconds: 3600,
            timeout_seconds: 0,
            claims: Claims {
                groups: "a..b".into(),
                id: ClaimPath::Steps(Vec::new()),
                ..Claims::default()
            },
            ..provider("ftp://login.example")
        };
        bad.validate("p", &mut wrong);
        let keys: Vec<_> = wrong.iter().filter_map(|w| w.split(": ").next()).collect();
        assert_eq!(
            keys,
            [
                "p.issuer",
                "p.title",
                "p.client_id",
                "p.client_secret_file",
                "p.scopes",
                "p.leeway_seconds",
                "p.timeout_seconds",
                "p.claims.id",
                "p.claims.groups"
            ]
        );
    }

    #[test]
    fn a_path_is_dotted_or_a_list() {
        assert_eq!(ClaimPath::from("a.b").steps(), ["a", "b"]);
        let steps = ClaimPath::Steps(vec!["https://x.example/groups".into()]);
        assert_eq!(steps.steps(), ["https://x.example/groups"]);
    }
}
