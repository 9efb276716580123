//! Whether somebody who is signed in still may be, and what they are in now: asked of their provider again and again, by
//! the refresh token or, where there is none, by userinfo.
use super::{
    Provider, Tokens, claims,
    discovery::Known,
    fault::{Fault, Place, Result, TokenError},
    payload,
};
use crate::services::accounts::Arrival;
use jiff::Timestamp;
use openidconnect::{
    Nonce, OAuth2TokenResponse as _, RefreshToken, RequestTokenError, TokenResponse as _,
    core::{CoreErrorResponseType, CoreIdToken, CoreTokenResponse},
};

/// What came of asking.
pub enum Renewal {
    Still(Box<Arrival>),
    /// The session there has ended, or the person is gone.
    Gone(&'static str),
}

/// What a refresh token gave.
struct Refreshed {
    tokens: Tokens,
    /// What is wrong with the ID token that came along; the one before stays then.
    fault: Option<Fault>,
}

impl Provider {
    /// Asks about whoever these tokens are of. The tokens that come back are to be kept whatever came of the rest: those
    /// before may be good for nothing now. A fault says that the provider did not answer as it should, which ends nobody's
    /// session.
    pub async fn renew(
        &self,
        tokens: &Tokens,
        now: Timestamp,
    ) -> (Option<Tokens>, Result<Renewal>) {
        let known = match self.discovery.known().await {
            Ok(known) => known,
            Err(fault) => return (None, Err(fault)),
        };
        let Some(refresh) = &tokens.refresh else {
            return (None, self.ask(&known, tokens).await);
        };
        match self.refresh(&known, tokens, refresh, now).await {
            Ok(Some(Refreshed { tokens, fault })) => {
                let asked = match fault {
                    Some(fault) => Err(fault),
                    None => self.ask(&known, &tokens).await,
                };
                (Some(tokens), asked)
            }
            // A lost answer may have spent it: what the access token is good for tells more.
            Ok(None) if known.metadata.userinfo_endpoint().is_some() => {
                let mut tokens = tokens.clone();
                tokens.refresh = None;
                let asked = self.ask(&known, &tokens).await;
                (Some(tokens), asked)
            }
            Ok(None) => (
                None,
                Ok(Renewal::Gone("it takes the refresh token no more")),
            ),
            Err(fault) => (None, Err(fault)),
        }
    }

    /// New tokens for old; none where the provider takes the refresh token no more.
    async fn refresh(
        &self,
        known: &Known,
        tokens: &Tokens,
        refresh: &str,
        now: Timestamp,
    ) -> Result<Option<Refreshed>> {
        let client = self.client(known)?;
        let refresh = RefreshToken::new(refresh.to_owned());
        let request = client.exchange_refresh_token(&refresh).map_err(|_| {
            Fault::new(
                Place::Provider,
                "its discovery document has no token endpoint",
            )
        })?;
        let answer: Result<CoreTokenResponse, TokenError> = request.request_async(&self.http).await;
        let answer = match answer {
            Err(RequestTokenError::ServerResponse(refused))
                if *refused.error() == CoreErrorResponseType::InvalidGrant =>
            {
                return Ok(None);
            }
            other => other?,
        };
        let mut next = tokens.clone();
        next.access.clone_from(answer.access_token().secret());
        if let Some(rotated) = answer.refresh_token() {
            next.refresh = Some(rotated.secret().clone());
        }
        let fault = match answer.id_token() {
            Some(token) => match self.check_renewed(known, token, tokens, now).await {
                Ok(()) => {
                    next.id_token = token.to_string();
                    None
                }
                Err(fault) => Some(fault),
            },
            None => None,
        };
        Ok(Some(Refreshed {
            tokens: next,
            fault,
        }))
    }

    async fn check_renewed(
        &self,
        known: &Known,
        token: &CoreIdToken,
        before: &Tokens,
        now: Timestamp,
    ) -> Result<()> {
        // Some repeat the nonce, others leave it out.
        self.verify(known, token, |_: Option<&Nonce>| Ok(()), None, now)
            .await?;
        if payload(&token.to_string())?.get("sub") == payload(&before.id_token)?.get("sub") {
            Ok(())
        } else {
            Err(Fault::new(
                Place::Answer,
                "its new ID token is somebody else's (`sub`)",
            ))
        }
    }

    async fn ask(&self, known: &Known, tokens: &Tokens) -> Result<Renewal> {
        let id_token = payload(&tokens.id_token)?;
        let userinfo = match self.userinfo(known, &tokens.access, &id_token).await {
            Err(fault) if fault.place == Place::Person => {
                return Ok(Renewal::Gone("userinfo takes the access token no more"));
            }
            other => other?,
        };
        let arrival = claims::arrival(&self.settings, &id_token, &userinfo)?;
        Ok(Renewal::Still(Box::new(arrival)))
    }
}
