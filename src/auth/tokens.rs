//! API tokens: `tml_` and a secret.
use super::{Auth, limits::Network, secret, sessions::older_than_a_minute};
use crate::{
    domain::{
        access::{Actor, Permitted},
        user::Token,
    },
    services::{
        Error, Portal, Result, accounts,
        idempotency::{Key, Made},
    },
};
use secrecy::{ExposeSecret, SecretString};

impl Auth {
    /// Makes a token for the caller. The secret is shown once.
    pub async fn create_token(
        &self,
        portal: &Portal,
        actor: &Actor,
        name: &str,
        scope: &str,
        expires_in_days: &str,
    ) -> Result<(Token, SecretString)> {
        let draft = accounts::TokenDraft {
            name: name.to_owned(),
            scope: scope.to_owned(),
            expires_in_days: expires_in_days.to_owned(),
        };
        let (made, secret) = self.create_token_once(portal, actor, &draft, None).await?;
        Ok((made.into_inner(), secret))
    }

    /// The same with a key against doing it twice. The secret is the token's only where it is new.
    pub async fn create_token_once(
        &self,
        portal: &Portal,
        actor: &Actor,
        draft: &accounts::TokenDraft,
        key: Option<&Key>,
    ) -> Result<(Made<Token>, SecretString)> {
        let secret = secret::new("tml_")?;
        let hash = secret::hash(secret.expose_secret());
        let made = accounts::create_token(portal, actor, draft, hash, key).await?;
        Ok((made, secret))
    }

    /// Whose token this is; `None` where it is none, has expired or was revoked.
    pub async fn find_token(
        &self,
        portal: &Portal,
        secret: &str,
        address: &str,
    ) -> Result<Option<Actor>> {
        let now = portal.clock.now();
        let found = portal.store.find_token(&secret::hash(secret), now).await?;
        let Some((token, user)) = found else {
            self.limits
                .wrong_token(Network::of(address))
                .map_err(|wait| Error::TooMany {
                    why: format!(
                        "Too many wrong tokens came from this address. Wait {wait} seconds."
                    ),
                    retry_seconds: wait,
                })?;
            return Ok(None);
        };
        if token
            .last_used_at
            .is_none_or(|used| older_than_a_minute(used, now))
        {
            let permit = Permitted::by_system(user.id, "a token was used");
            let mut tx = portal.store.begin().await?;
            tx.touch_token(&permit, token.id, now).await?;
            tx.commit().await?;
        }
        Ok(Some(Actor {
            user,
            scope: token.scope,
        }))
    }
}
