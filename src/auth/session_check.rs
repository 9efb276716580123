//! A session that was begun by an identity provider: its tokens, kept sealed, and what the provider says of it later.
use super::{
    Auth,
    oidc::{Place, Provider, Renewal, Tokens},
};
use crate::{
    domain::{access::Permitted, ids::SessionId},
    services::{Portal, Result, accounts},
    store::{Lease, ProviderSession},
};
use secrecy::{ExposeSecret as _, SecretString};

fn place(session: SessionId) -> String {
    format!("sessions/{session}")
}

pub(super) fn sealed(portal: &Portal, session: SessionId, tokens: &Tokens) -> Result<String> {
    let text = serde_json::to_string(tokens).map_err(anyhow::Error::from)?;
    Ok(portal
        .seal
        .seal(&place(session), &SecretString::from(text))?)
}

fn unsealed(portal: &Portal, session: SessionId, sealed: &str) -> Option<Tokens> {
    let text = portal.seal.unseal(&place(session), sealed)?;
    serde_json::from_str(text.expose_secret()).ok()
}

impl Auth {
    fn provider_of(&self, session: &ProviderSession) -> Option<&Provider> {
        self.providers
            .all()
            .iter()
            .find(|provider| provider.issuer() == session.issuer)
    }

    /// Where the browser goes after it has signed out here, so that its session at the provider ends too.
    pub async fn goodbye(&self, portal: &Portal, id: SessionId) -> Result<Option<String>> {
        let Some(session) = portal.store.find_provider_session(id).await? else {
            return Ok(None);
        };
        let Some(provider) = self.provider_of(&session) else {
            return Ok(None);
        };
        let Some(tokens) = unsealed(portal, id, &session.tokens) else {
            return Ok(None);
        };
        let back = format!("{}/login", portal.config.server.url());
        Ok(provider.end_session(&tokens, &back).await)
    }

    /// Asks the provider of a session again: ends it where the provider did, and brings what its user may do up to date.
    /// False where the provider does not answer.
    pub async fn check_session(
        &self,
        portal: &Portal,
        lease: &Lease,
        session: &ProviderSession,
    ) -> Result<bool> {
        let own = Permitted::by_system(session.user, "what a provider says of a session");
        let gone = async |why: &str| -> Result<bool> {
            tracing::info!(issuer = session.issuer, session = %session.id, why, "a session ended at its provider");
            let mut tx = portal.store.begin_under(lease).await?;
            tx.delete_session(&own, session.id).await?;
            tx.commit().await?;
            Ok(true)
        };
        let Some(provider) = self.provider_of(session) else {
            return gone("the provider is not in the settings any more").await;
        };
        let Some(tokens) = unsealed(portal, session.id, &session.tokens) else {
            return gone("its tokens were sealed with another key").await;
        };
        let now = portal.clock.now();
        // Before it is asked: a refresh token that is good for one time, used twice, is taken for a stolen one.
        let mut tx = portal.store.begin_under(lease).await?;
        let mine = tx
            .set_session_checked(&own, session.id, session.checked_at, now)
            .await?;
        tx.commit().await?;
        if !mine {
            return Ok(true);
        }
        let (next, outcome) = provider.renew(&tokens, now).await;
        if let Some(next) = next {
            let sealed = sealed(portal, session.id, &next)?;
            // Also when the lease has gone: the tokens before are good for nothing now.
            let mut tx = portal.store.begin().await?;
            tx.set_session_tokens(&own, session.id, &session.tokens, &sealed)
                .await?;
            tx.commit().await?;
        }
        match outcome {
            Ok(Renewal::Still(arrival)) => {
                accounts::heard(portal, session.user, session.identity, &arrival).await?;
                Ok(true)
            }
            Ok(Renewal::Gone(why)) => gone(why).await,
            Err(fault) => {
                tracing::warn!(provider = provider.name(), %fault, "the provider did not say whether a session goes on");
                if fault.place != Place::Provider {
                    return Ok(true);
                }
                // It is asked again as soon as it answers anybody.
                let mut tx = portal.store.begin_under(lease).await?;
                tx.set_session_checked(&own, session.id, now, session.checked_at)
                    .await?;
                tx.commit().await?;
                Ok(false)
            }
        }
    }
}
