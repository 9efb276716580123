//! `[sign_in]`: local accounts, identity providers, sessions and tokens.
use super::provider::{self, Provider};
use crate::domain::grants::Rule;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    /// Whether one may sign in with a name and a password kept here; default true. False needs a provider.
    pub local_accounts: bool,
    /// Identity providers, each with its button on the sign-in page; default none.
    pub providers: Vec<Provider>,
    /// What people are given for what their provider says of them; default nothing.
    pub rules: Vec<Rule>,
    /// Memory of one argon2id hash in KiB; default and least 19,456 (19 MiB).
    pub argon2_memory_kib: u32,
    /// Passes of argon2id; default and least 2.
    pub argon2_passes: u32,
    /// Hashes reckoned at once; default 2. Others wait.
    pub argon2_at_once: usize,
    /// A session ends after so many seconds without a request; default 12 h.
    pub idle_seconds: u64,
    /// A session ends so many seconds after sign-in; default 14 days.
    pub absolute_seconds: u64,
    /// How long a site administrator sees other people's private projects after asking, in seconds; default 1 h.
    pub elevation_seconds: u64,
}

/// All of them are looked at in each sign-in.
const MOST_RULES: usize = 1000;

impl Default for SignIn {
    fn default() -> Self {
        Self {
            local_accounts: true,
            providers: Vec::new(),
            rules: Vec::new(),
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            argon2_at_once: 2,
            idle_seconds: 12 * 3600,
            absolute_seconds: 14 * 24 * 3600,
            elevation_seconds: 3600,
        }
    }
}

impl SignIn {
    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        if !self.local_accounts && self.providers.is_empty() {
            wrong.push("sign_in.local_accounts: false leaves no way to sign in; add a [[sign_in.providers]]".into());
        }
        if self.providers.len() > provider::MOST {
            wrong.push(format!(
                "sign_in.providers: there are {}; at most {} are taken",
                self.providers.len(),
                provider::MOST
            ));
        }
        if self.rules.len() > MOST_RULES {
            wrong.push(format!(
                "sign_in.rules: there are {}; at most {MOST_RULES} are taken",
                self.rules.len()
            ));
        }
        for (n, rule) in self.rules.iter().enumerate() {
            for why in rule.problems() {
                wrong.push(format!("sign_in.rules[{n}]: {why}"));
            }
            if let Some(name) = &rule.provider
                && !self.providers.iter().any(|one| one.name == *name)
            {
                wrong.push(format!(
                    "sign_in.rules[{n}].provider: there is no provider `{name}`"
                ));
            }
        }
        for (n, one) in self.providers.iter().enumerate() {
            let at = format!("sign_in.providers[{n}]");
            one.validate(&at, wrong);
            let before = &self.providers[..n];
            if before.iter().any(|other| other.name == one.name) {
                wrong.push(format!(
                    "{at}.name: `{}` is taken by one before; names differ",
                    one.name
                ));
            }
            if before.iter().any(|other| other.issuer == one.issuer) {
                wrong.push(format!(
                    "{at}.issuer: `{}` is there already; one entry is one issuer",
                    one.issuer
                ));
            }
        }
        if !(19_456..=4 << 20).contains(&self.argon2_memory_kib) {
            wrong.push(format!(
                "sign_in.argon2_memory_kib: {} must be 19456 (19 MiB) to {} (4 GiB)",
                self.argon2_memory_kib,
                4 << 20
            ));
        }
        if !(2..=100).contains(&self.argon2_passes) {
            wrong.push(format!(
                "sign_in.argon2_passes: {} must be 2 to 100",
                self.argon2_passes
            ));
        }
        if !(1..=64).contains(&self.argon2_at_once) {
            wrong.push(format!(
                "sign_in.argon2_at_once: {} must be 1 to 64",
                self.argon2_at_once
            ));
        }
        if self.idle_seconds < 60 || self.absolute_seconds < self.idle_seconds {
            wrong.push(
                "sign_in.idle_seconds: must be at least 60 and not more than sign_in.absolute_seconds".into(),
            );
        }
        if !(60..=24 * 3600).contains(&self.elevation_seconds) {
            wrong.push(format!(
                "sign_in.elevation_seconds: {} must be 60 to 86400",
                self.elevation_seconds
            ));
        }
    }
}
