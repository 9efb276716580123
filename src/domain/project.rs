//! Projects and who is in them.
use super::{
    ids::{ProjectId, UserId},
    job::words,
    names::{Title, UserName},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// What a member may do; each includes those before it.
    Role { Observer = "observer", Editor = "editor", Administrator = "administrator" }
}

words! {
    /// Who may look: members, or everybody who is signed in (with an observer's rights, less environment values and manifests).
    Visibility { Private = "private", Public = "public" }
}

#[derive(Debug, Clone)]
pub struct Project {
    pub id: ProjectId,
    pub name: Title,
    pub description: String,
    pub visibility: Visibility,
    pub created_at: Timestamp,
    /// An archived project is read only.
    pub archived_at: Option<Timestamp>,
    /// Set while its deletion goes on; nobody sees it any more.
    pub deleting_at: Option<Timestamp>,
    /// Grows with each change; the `ETag`.
    pub version: i64,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub user: UserId,
    pub name: UserName,
    pub display_name: String,
    pub role: Role,
    /// A rule gave it for what an identity provider says; a rule takes it.
    pub by_rule: bool,
    pub since: Timestamp,
}
