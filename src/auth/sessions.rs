//! Sessions: a cookie with a secret, a row with its hash. A new sign-in is a new session.
//!
//! Rows have their own columns, which the account page shows and SQL ends; a store of opaque records would hide them.
use super::{Auth, oidc::Tokens, secret, session_check};
use crate::{
    domain::{
        access::{Actor, Permitted},
        ids::{IdentityId, SessionId},
        user::{Scope, Session, User},
    },
    services::{Portal, Result, accounts},
    store::NewSession,
};
use jiff::ToSpan as _;
use secrecy::{ExposeSecret, SecretString};

/// Who calls with a cookie.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub actor: Actor,
    pub session: Session,
}

/// What a session that a provider began is known by there.
#[derive(Debug)]
pub struct ByProvider {
    pub identity: IdentityId,
    /// What the provider calls it.
    pub sid: Option<String>,
    pub tokens: Tokens,
}

/// Where a session is begun, and by what.
#[derive(Debug, Default)]
pub struct Beginning<'a> {
    pub agent: &'a str,
    pub address: &'a str,
    /// None for a password.
    pub provider: Option<ByProvider>,
    /// The session that the browser had; it ends.
    pub old: Option<&'a SignedIn>,
}

impl Auth {
    /// Begins a session and ends the one that the browser had, if any. The secret goes into the cookie.
    pub async fn begin_session(
        &self,
        portal: &Portal,
        user: &User,
        begin: Beginning<'_>,
    ) -> Result<SecretString> {
        let secret = secret::new("")?;
        let permit = Permitted::by_system(user.id, "a session after sign-in");
        let id = SessionId::new();
        let provider = begin.provider;
        let tokens = provider.as_ref();
        let tokens = tokens.map(|by| session_check::sealed(portal, id, &by.tokens));
        let session = NewSession {
            id,
            secret_hash: secret::hash(secret.expose_secret()),
            user: user.id,
            created_at: portal.clock.now(),
            agent: begin.agent.chars().take(300).collect(),
            address: begin.address.to_owned(),
            identity: provider.as_ref().map(|by| by.identity),
            provider_tokens: tokens.transpose()?,
            provider_sid: provider.and_then(|by| by.sid),
        };
        let mut tx = portal.store.begin().await?;
        if let Some(old) = begin.old {
            let theirs =
                Permitted::by_system(old.actor.user.id, "the session before a new sign-in");
            tx.delete_session(&theirs, old.session.id).await?;
        }
        tx.insert_session(&permit, &session).await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Whose cookie this is. Notes that the session was used, at most once a minute.
    pub async fn find_session(&self, portal: &Portal, secret: &str) -> Result<Option<SignedIn>> {
        let (idle, born) = accounts::session_ends(portal);
        let Some((session, user)) = portal
            .store
            .find_session(&secret::hash(secret), idle, born)
            .await?
        else {
            return Ok(None);
        };
        let now = portal.clock.now();
        if older_than_a_minute(session.last_seen_at, now) {
            let permit = Permitted::by_system(user.id, "a session was used");
            let mut tx = portal.store.begin().await?;
            tx.touch_session(&permit, session.id, now).await?;
            tx.commit().await?;
        }
        Ok(Some(SignedIn {
            actor: Actor {
                user,
                scope: Scope::Admin,
            },
            session,
        }))
    }
}

pub(super) fn older_than_a_minute(then: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    then.checked_add(1.minute())
        .is_ok_and(|minute| minute <= now)
}
