//! What a caller showed, to be looked at again later. Looking is no use of it: it puts off no end.
use super::secret;
use crate::{
    domain::{access::Actor, user::Scope},
    services::{Portal, Result, accounts},
};

/// A session's or a token's secret, as its hash.
#[derive(Debug, Clone)]
pub enum Proof {
    Session(String),
    Token(String),
}

impl Proof {
    pub fn session(secret: &str) -> Self {
        Self::Session(secret::hash(secret))
    }

    pub fn token(secret: &str) -> Self {
        Self::Token(secret::hash(secret))
    }

    /// Who may act with it now; none once it has ended or its user is suspended.
    pub async fn actor(&self, portal: &Portal) -> Result<Option<Actor>> {
        let store = &portal.store;
        Ok(match self {
            Self::Session(hash) => {
                let (idle, born) = accounts::session_ends(portal);
                let found = store.find_session(hash, idle, born).await?;
                found.map(|(_, user)| Actor {
                    user,
                    scope: Scope::Admin,
                })
            }
            Self::Token(hash) => {
                let found = store.find_token(hash, portal.clock.now()).await?;
                found.map(|(token, user)| Actor {
                    user,
                    scope: token.scope,
                })
            }
        })
    }
}
