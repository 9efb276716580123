//! Logout at both ends: where a browser goes to end its session at the provider too, and the logout tokens by which a
//! provider ends sessions here (OpenID Connect RP-Initiated Logout and Back-Channel Logout 1.0).
use super::{
    Provider, Tokens,
    claims::Claims,
    fault::{Fault, Place, Result},
};
use crate::services::accounts::Departure;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use openidconnect::{
    JsonWebKey as _, JwsSigningAlgorithm as _,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde::Deserialize;
use std::time::Instant;

/// What a logout token says that it is.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token names a session and nothing else.
const LONGEST: usize = 16 << 10;
/// How old one may be: they are sent at once.
const OLDEST_SECONDS: i64 = 600;
/// A longer address is refused by many a proxy: the ID token of somebody in 1,000 groups has 29 KB.
const LONGEST_ADDRESS: usize = 6 << 10;

#[derive(Deserialize)]
struct Head {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

/// The parts of a signed token.
struct Parts<'a> {
    head: Head,
    message: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

fn refused(why: &str) -> Fault {
    Fault::new(Place::Answer, format!("its logout token {why}"))
}

fn parts(token: &str) -> Option<Parts<'_>> {
    let (message, signature) = token.rsplit_once('.')?;
    let (head, payload) = message.split_once('.')?;
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    Some(Parts {
        head: serde_json::from_slice(&decoded(head)?).ok()?,
        message,
        signature: decoded(signature)?,
        claims: serde_json::from_slice(&decoded(payload)?).ok()?,
    })
}

fn is_signed_by(parts: &Parts<'_>, keys: &CoreJsonWebKeySet) -> Option<bool> {
    let kid = parts.head.kid.as_deref();
    let mut named = keys
        .keys()
        .iter()
        .filter(|key| kid.is_none() || key.key_id().map(|id| id.as_str()) == kid)
        .peekable();
    named.peek()?;
    let message = parts.message.as_bytes();
    // A key for encryption, or of another kind, verifies nothing.
    Some(named.any(|key| {
        key.verify_signature(&parts.head.alg, message, &parts.signature)
            .is_ok()
    }))
}

impl Provider {
    /// Who has gone, as a logout token says that is the provider's, new, and for this client.
    pub async fn departure(&self, token: &str, now: Timestamp) -> Result<Departure> {
        let odd = || refused("cannot be read");
        if token.len() > LONGEST {
            return Err(odd());
        }
        let parts = parts(token).ok_or_else(odd)?;
        let kind = parts.head.typ.as_deref().map(str::to_ascii_lowercase);
        let kind = kind
            .as_deref()
            .map(|kind| kind.trim_start_matches("application/"));
        if parts.head.crit.is_some() || !matches!(kind, None | Some("logout+jwt" | "jwt")) {
            return Err(refused("is of another kind"));
        }
        // With the client's secret, or with the public key taken for one, anybody might sign.
        if parts.head.alg.uses_shared_secret() || parts.head.alg == CoreJwsSigningAlgorithm::None {
            return Err(refused("is signed in a way that is not taken"));
        }
        let came = Instant::now();
        let known = self.discovery.known().await?;
        let signed = match is_signed_by(&parts, &known.keys) {
            Some(signed) => signed,
            // Anybody may send one: keys are not fetched for each.
            None if known.keys_are_fresh() => false,
            None => is_signed_by(&parts, &*self.discovery.newer_keys(came).await?).unwrap_or(false),
        };
        if !signed {
            return Err(refused("is not signed with a key of the provider's"));
        }
        self.check_departure(&parts.claims, now)
    }

    fn check_departure(&self, claims: &Claims, now: Timestamp) -> Result<Departure> {
        let text = |name: &str| {
            let text = claims.get(name).and_then(|value| value.as_str());
            text.filter(|text| (1..=500).contains(&text.len()))
                .map(str::to_owned)
        };
        let seconds = |name: &str| claims.get(name).and_then(serde_json::Value::as_i64);
        if text("iss").as_deref() != Some(&*self.settings.issuer) {
            return Err(refused("is from another issuer"));
        }
        let client = self.settings.client_id.as_str();
        let audience = match claims.get("aud") {
            Some(serde_json::Value::Array(all)) => all.iter().any(|one| one == client),
            Some(one) => one == client,
            None => false,
        };
        if !audience {
            return Err(refused("is for another client"));
        }
        let leeway = i64::from(self.settings.leeway_seconds);
        let second = now.as_second();
        let issued = seconds("iat").ok_or_else(|| refused("does not say when it was issued"))?;
        let ends = seconds("exp").unwrap_or(issued.saturating_add(OLDEST_SECONDS));
        let in_time = (second - OLDEST_SECONDS - leeway..=second + leeway).contains(&issued)
            && ends > second - leeway;
        if !in_time {
            return Err(Fault::new(
                Place::Clock,
                "its logout token is too old, or from the future",
            ));
        }
        if !claims
            .get("events")
            .and_then(|events| events.get(EVENT))
            .is_some_and(serde_json::Value::is_object)
        {
            return Err(refused("is not about a logout (`events`)"));
        }
        // An ID token could be taken for one otherwise.
        if claims.contains_key("nonce") {
            return Err(refused("has a `nonce`, which none may have"));
        }
        let (sub, sid) = (text("sub"), text("sid"));
        if sub.is_none() && sid.is_none() {
            return Err(refused("names neither a session nor a person"));
        }
        Ok(Departure {
            issuer: self.settings.issuer.clone(),
            jti: text("jti").ok_or_else(|| refused("has no `jti`"))?,
            // As long as it would be taken, a second one like it is refused.
            until: Timestamp::from_second(
                ends.max(issued.saturating_add(OLDEST_SECONDS))
                    .saturating_add(leeway),
            )
            .unwrap_or(Timestamp::MAX),
            sub,
            sid,
        })
    }

    /// Where a browser goes to end its session there too; none where the provider has no such place.
    pub async fn end_session(&self, tokens: &Tokens, back: &str) -> Option<String> {
        let known = self.discovery.known().await.ok()?;
        let end = &known.metadata.additional_metadata().end_session_endpoint;
        let end = end
            .as_ref()
            .filter(|end| matches!(end.scheme(), "https" | "http"));
        let address = |hint: bool| {
            let mut address = end?.clone();
            let mut query = address.query_pairs_mut();
            query.append_pair("client_id", &self.settings.client_id);
            query.append_pair("post_logout_redirect_uri", back);
            if hint {
                query.append_pair("id_token_hint", &tokens.id_token);
            }
            drop(query);
            Some(String::from(address))
        };
        // Without the hint the provider asks first.
        address(true)
            .filter(|whole| whole.len() <= LONGEST_ADDRESS)
            .or_else(|| address(false))
    }
}
