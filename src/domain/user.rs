//! People and the proofs by which they call.
use super::{
    ids::{IdentityId, SessionId, TokenId, UserId},
    job::words,
    names::{ProviderName, UserName},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// How the pages look.
    Theme { Auto = "auto", Light = "light", Dark = "dark" }
}

words! {
    /// What an API token may do; each includes those before it. `admin` works only for a site administrator.
    Scope { Read = "read", Write = "write", Admin = "admin" }
}

#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub name: UserName,
    pub display_name: String,
    pub site_admin: bool,
    pub suspended_at: Option<Timestamp>,
    /// An IANA zone; `None` follows the browser.
    pub time_zone: Option<String>,
    pub theme: Theme,
    pub created_at: Timestamp,
    /// Until when a site administrator sees other people's private projects, and why.
    pub elevation: Option<Elevation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elevation {
    pub until: Timestamp,
    pub reason: String,
}

/// A session as its user sees it.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub agent: String,
    pub address: String,
}

/// By what an identity provider knows a user.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: IdentityId,
    pub user: UserId,
    /// What the provider was called in the settings at the last sign-in.
    pub provider: ProviderName,
    pub issuer: String,
    /// What tells people apart there.
    pub subject: String,
    pub mail: Option<String>,
    pub created_at: Timestamp,
    pub last_login_at: Timestamp,
}

/// An API token as its user sees it.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: TokenId,
    pub user: UserId,
    pub name: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}
