//! Twice is once: a key belongs to a user and a route and lives 24 hours.
use super::{Error, Portal, Result};
use crate::{
    domain::access::Actor,
    store::{self, Answered, Tx},
};
use jiff::{Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A key that came with a request, and what it came with.
#[derive(Debug, Clone)]
pub struct Key {
    route: String,
    key: String,
    body_hash: String,
}

impl Key {
    /// `route` is method and path as sent, `body` the bytes or their canonical form.
    pub fn parse(route: &str, key: &str, body: &[u8]) -> Result<Self> {
        if key.is_empty() || key.len() > 200 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::field(
                "Idempotency-Key",
                "Give 1 to 200 printable ASCII characters without spaces.",
                None,
            ));
        }
        Ok(Self {
            route: route.to_owned(),
            key: key.to_owned(),
            body_hash: hash(body),
        })
    }

    /// The key of a form that was sent. Sent twice it is once; one that was gone back to and changed is another request,
    /// although the page still has the key that it was opened with.
    pub fn of_form(route: &str, opened: &str, body: &[u8]) -> Result<Self> {
        let body_hash = hash(body);
        let key = format!("{opened}-{}", &body_hash[..32]);
        Self::parse(route, &key, body)
    }

    /// The key of a part of what the request makes.
    #[must_use]
    pub fn part(&self, what: &str) -> Self {
        Self {
            route: format!("{}: {what}", self.route),
            ..self.clone()
        }
    }

    fn since(portal: &Portal) -> Timestamp {
        portal
            .clock
            .now()
            .checked_sub(24.hours())
            .unwrap_or(Timestamp::MIN)
    }

    /// What the first request with this key made; a conflict where that request was another.
    pub async fn find<T: std::str::FromStr>(
        &self,
        portal: &Portal,
        actor: &Actor,
    ) -> Result<Option<T>> {
        let found = portal
            .store
            .find_answer(actor.user.id, &self.route, &self.key, Self::since(portal))
            .await?;
        let Some(answer) = found else {
            return Ok(None);
        };
        if answer.body_hash != self.body_hash {
            return Err(Error::Conflict(
                "This Idempotency-Key came before with another body. Use a new key for a new request.".into(),
            ));
        }
        Ok(answer.resource.parse().ok())
    }

    /// Takes the key in the transaction that makes the thing; `Duplicate` where another was first.
    pub async fn take(
        &self,
        portal: &Portal,
        tx: &mut Tx,
        actor: &Actor,
        resource: &str,
    ) -> Result<(), store::Error> {
        let answer = Answered {
            body_hash: self.body_hash.clone(),
            resource: resource.to_owned(),
        };
        tx.take_key(
            actor.user.id,
            &self.route,
            &self.key,
            &answer,
            portal.clock.now(),
            Self::since(portal),
        )
        .await
    }
}

/// What came of a key in the transaction that would make the thing.
pub enum Claim<T> {
    /// Nobody was before: go on in this transaction.
    Free(Tx),
    Before(T),
}

/// Takes the key, where there is one, before anything is made. What is not committed leaves the key free.
pub async fn claim<T: std::str::FromStr>(
    key: Option<&Key>,
    portal: &Portal,
    mut tx: Tx,
    actor: &Actor,
    resource: &str,
) -> Result<Claim<T>> {
    let Some(key) = key else {
        return Ok(Claim::Free(tx));
    };
    match key.take(portal, &mut tx, actor, resource).await {
        Ok(()) => Ok(Claim::Free(tx)),
        Err(store::Error::Duplicate(_)) => {
            drop(tx);
            let first = key.find(portal, actor).await?;
            first
                .map(Claim::Before)
                .ok_or_else(|| store::Error::Collided.into())
        }
        Err(other) => Err(other.into()),
    }
}

/// Notes what a key made outside of the database; what another noted meanwhile stands. A crash before this leaves the key
/// free, and the same request finds what is there.
pub async fn note(key: Option<&Key>, portal: &Portal, actor: &Actor, resource: &str) -> Result<()> {
    let Some(key) = key else {
        return Ok(());
    };
    let mut tx = portal.store.begin().await?;
    match key.take(portal, &mut tx, actor, resource).await {
        Ok(()) => Ok(tx.commit().await?),
        Err(store::Error::Duplicate(_)) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

fn hash(body: &[u8]) -> String {
    Sha256::digest(body)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What a creating function gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made<T> {
    New(T),
    /// The request came before; this is what it made then.
    Again(T),
}

impl<T> Made<T> {
    pub fn into_inner(self) -> T {
        match self {
            Self::New(made) | Self::Again(made) => made,
        }
    }
}
