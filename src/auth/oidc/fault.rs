//! What goes wrong at sign-in by a provider: what happened, and what an administrator can do. No token is in either.
use super::http::HttpError;
use crate::{config::Provider, services::Error};
use openidconnect::{
    ClaimsVerificationError, DiscoveryError, RequestTokenError, SignatureVerificationError,
    core::CoreErrorResponseType,
};

/// Where to look for the cause, from which follows what one can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It does not answer, or not as a provider does.
    Provider,
    /// `issuer` is not what the provider calls itself.
    Issuer,
    /// The client there, its secret or its redirect address.
    Client,
    /// The clocks.
    Clock,
    /// Its keys.
    Keys,
    /// Scopes, claims and their mappers.
    Claims,
    /// Its answer is not for this sign-in: somebody may have tampered with it.
    Answer,
    /// The person: the provider says nothing of them any more.
    Person,
    /// This browser, or whoever uses it.
    Browser,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    pub place: Place,
    pub why: String,
}

pub type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    pub fn new(place: Place, why: impl Into<String>) -> Self {
        Self {
            place,
            why: why.into(),
        }
    }

    /// What an administrator can do.
    fn advice(&self, key: &str, redirect: &str) -> String {
        match self.place {
            Place::Provider => format!("An administrator can look whether the provider is up and can be reached from the portal's machine at the address in {key}.issuer; nothing needs to be started again."),
            Place::Issuer => format!("An administrator can compare {key}.issuer with the `issuer` of the provider's discovery document: they must be the same to the letter."),
            Place::Client => format!("An administrator can compare {key}.client_id and the file in {key}.client_secret_file with the client at the provider, which must allow the code flow with PKCE (S256) and the redirect address {redirect}."),
            Place::Clock => format!("An administrator can set the clocks of the portal and of the provider, or raise {key}.leeway_seconds."),
            Place::Keys => "An administrator can look whether the provider's `jwks_uri` holds the key that it signs ID tokens with, and that the client's ID tokens are signed with RS256, PS256, ES256 or EdDSA and not encrypted. If all is as it should be, somebody else may have answered in the provider's place.".into(),
            Place::Claims | Place::Person => format!("An administrator can compare {key}.scopes and {key}.claims with what the provider sends for this client."),
            Place::Answer => "Begin again from the sign-in page. If it happens again, an administrator should look for the cause before anybody signs in by this provider: its answer was made for another sign-in, client or provider.".into(),
            Place::Browser => "Begin again from the sign-in page, in one browser that takes cookies.".into(),
        }
    }

    /// As services tell it; `key` is the provider's in the settings.
    pub(super) fn told(&self, provider: &Provider, key: &str, redirect: &str) -> Error {
        tracing::warn!(provider = %provider.name, place = ?self.place, why = %self.why, "a sign-in was refused");
        Error::Provider {
            name: provider.name.to_string(),
            why: format!(
                "Sign-in with {} did not work: {}.",
                provider.title(),
                self.why
            ),
            advice: self.advice(key, redirect),
        }
    }
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        Self::new(Place::Provider, error.to_string())
    }
}

impl From<DiscoveryError<HttpError>> for Fault {
    fn from(error: DiscoveryError<HttpError>) -> Self {
        match error {
            DiscoveryError::Request(error) => error.into(),
            DiscoveryError::Response(status, _, _) if !status.is_success() => Self::new(
                Place::Provider,
                format!(
                    "it answered {} where its discovery document or its keys should be",
                    status.as_u16()
                ),
            ),
            DiscoveryError::Validation(_) => Self::new(
                Place::Issuer,
                "its discovery document names another issuer than the settings",
            ),
            // Its parts may repeat what was sent, which is anybody's text.
            _ => Self::new(
                Place::Provider,
                "what it answered is no discovery document, or no set of keys, in JSON",
            ),
        }
    }
}

/// The provider's refusal, in the words of the standard; its own description is anybody's text.
pub(super) type TokenError =
    RequestTokenError<HttpError, openidconnect::StandardErrorResponse<CoreErrorResponseType>>;

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        match error {
            RequestTokenError::Request(error) => error.into(),
            RequestTokenError::ServerResponse(answer) => {
                let code = answer.error().as_ref();
                match answer.error() {
                    CoreErrorResponseType::InvalidGrant => Self::new(
                        Place::Answer,
                        "it does not take the code (`invalid_grant`): the code was used before, is too old, or was given to another sign-in",
                    ),
                    _ => Self::new(
                        Place::Client,
                        format!("it does not take the portal's client (`{}`)", word(code)),
                    ),
                }
            }
            _ => Self::new(
                Place::Provider,
                "what it answered to the code is no token response",
            ),
        }
    }
}

/// An error code as the standards write them, and nothing else.
pub(super) fn word(code: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let word: String = code.chars().filter(fits).take(60).collect();
    if word.is_empty() {
        "no code".into()
    } else {
        word
    }
}

impl From<ClaimsVerificationError> for Fault {
    fn from(error: ClaimsVerificationError) -> Self {
        use ClaimsVerificationError as E;
        let (place, why) = match error {
            E::Expired(_) => (
                Place::Clock,
                "its ID token has expired, or was issued at an impossible time",
            ),
            E::InvalidAudience(_) => (Place::Answer, "its ID token is for another client"),
            E::InvalidAuthTime(_) => (
                Place::Clock,
                "its ID token does not say that the sign-in there was as recent as the settings ask (`auth_time`, `max_age_seconds`)",
            ),
            E::InvalidIssuer(_) => (Place::Issuer, "its ID token is from another issuer"),
            E::InvalidNonce(_) => (
                Place::Answer,
                "its ID token was made for another sign-in (`nonce`)",
            ),
            E::SignatureVerification(error) => return error.into(),
            _ => (Place::Keys, "its ID token is of a kind that is not taken"),
        };
        Self::new(place, why)
    }
}

impl From<SignatureVerificationError> for Fault {
    fn from(error: SignatureVerificationError) -> Self {
        use SignatureVerificationError as E;
        let why = match error {
            E::NoSignature => "its ID token is not signed (`alg: none`)",
            E::DisallowedAlg(_) | E::UnsupportedAlg(_) => {
                "its ID token is signed in a way that is not taken"
            }
            E::NoMatchingKey | E::AmbiguousKeyId(_) => {
                "its ID token is signed with a key that is not among the provider's"
            }
            _ => "the signature of its ID token is wrong",
        };
        Self::new(Place::Keys, why)
    }
}
