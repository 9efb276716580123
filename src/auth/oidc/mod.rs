//! Sign-in by identity providers: OpenID Connect's authorization code flow with PKCE.
//!
//! [`Provider::begin`] sends the browser there, [`Provider::complete`] takes what it brings back and says who has come.
//! What lies between is a [`Pending`], kept by the browser that began.
mod claims;
mod discovery;
mod fault;
mod http;
mod logout;
mod renewal;

pub use fault::{Fault, Place};
pub use renewal::Renewal;

use self::{
    claims::Claims,
    discovery::{Discovery, Known},
    fault::{Result, TokenError},
    http::Http,
};
use crate::{
    config::{self, Config},
    domain::names::ProviderName,
    services::{Error, accounts::Arrival},
};
use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, NonceVerifier,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError, TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenVerifier,
        CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreTokenResponse,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use subtle::ConstantTimeEq as _;

/// How long somebody may take at the provider, in seconds.
pub const PENDING_SECONDS: u64 = 600;

/// The providers of the settings, in their order.
#[derive(Clone, Default)]
pub struct Providers(Arc<Vec<Provider>>);

impl Providers {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let all = &config.sign_in.providers;
        let all = all.iter().enumerate().map(|(n, settings)| {
            let name = &settings.name;
            let redirect = format!("{}/login/{name}/callback", config.server.url());
            let issuer = IssuerUrl::new(settings.issuer.clone())?;
            let http = Http::new(Duration::from_secs(settings.timeout_seconds.into()))?;
            Ok(Provider {
                key: format!("sign_in.providers[{n}]"),
                redirect: RedirectUrl::new(redirect)?,
                discovery: Discovery::new(issuer.clone(), http.clone()),
                issuer,
                http,
                settings: settings.clone(),
            })
        });
        Ok(Self(Arc::new(all.collect::<anyhow::Result<_>>()?)))
    }

    pub fn all(&self) -> &[Provider] {
        &self.0
    }

    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.all().iter().find(|p| p.settings.name.as_str() == name)
    }
}

/// Whether the files with clients' secrets can be read, as everything that is wrong with them.
pub fn check(config: &Config) -> Vec<String> {
    let all = config.sign_in.providers.iter().enumerate();
    all.filter_map(|(n, settings)| {
        let why = secret(settings).err()?;
        Some(format!(
            "sign_in.providers[{n}].client_secret_file: {why:#}"
        ))
    })
    .collect()
}

fn secret(settings: &config::Provider) -> anyhow::Result<Option<ClientSecret>> {
    let Some(file) = &settings.client_secret_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let text = text.trim();
    anyhow::ensure!(
        (1..=4096).contains(&text.len()),
        "{} must hold the secret on one line, at most 4096 bytes",
        file.display()
    );
    Ok(Some(ClientSecret::new(text.to_owned())))
}

/// What a browser keeps between going to a provider and coming back. It proves that who comes back is who went.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    provider: ProviderName,
    state: String,
    nonce: String,
    verifier: String,
    /// The page that was asked for.
    pub next: String,
    /// When it began, in seconds.
    begun: i64,
}

impl Pending {
    /// As a cookie's value. Its browser may read it: nothing in it opens anything without the code.
    pub fn sealed(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub fn parse(value: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(value).ok()?).ok()
    }

    /// The part of `state` that tells apart those who sign in in two tabs.
    pub fn mark(state: &str) -> String {
        let safe = |c: &char| c.is_ascii_alphanumeric();
        state.chars().filter(safe).take(16).collect()
    }

    pub fn own_mark(&self) -> String {
        Self::mark(&self.state)
    }
}

/// What the provider lets the browser bring back.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Answer {
    pub state: String,
    code: String,
    iss: String,
    error: String,
}

/// Who has come, and the provider's name for the session there.
pub struct Completed {
    pub arrival: Arrival,
    pub sid: Option<String>,
    pub tokens: Tokens,
}

/// What a provider gave for a session. Kept sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tokens {
    access: String,
    refresh: Option<String>,
    id_token: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

pub struct Provider {
    settings: config::Provider,
    /// Its key in the settings.
    key: String,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    http: Http,
    discovery: Discovery,
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Provider {
    pub fn name(&self) -> &str {
        self.settings.name.as_str()
    }

    pub fn id(&self) -> &ProviderName {
        &self.settings.name
    }

    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.issuer.url().origin().ascii_serialization()
    }

    pub fn title(&self) -> &str {
        self.settings.title()
    }

    /// The groups and entitlements in claims that somebody pasted.
    pub fn read(&self, claims: &Claims) -> Result<(Vec<String>, Vec<String>)> {
        claims::memberships(&self.settings, &[claims])
    }

    /// As services tell it.
    pub fn told(&self, fault: &Fault) -> Error {
        fault.told(&self.settings, &self.key, self.redirect.as_str())
    }

    fn client_id(&self) -> ClientId {
        ClientId::new(self.settings.client_id.clone())
    }

    fn client(&self, known: &Known) -> Result<Client> {
        let secret = secret(&self.settings).map_err(|error| {
            tracing::error!(
                provider = self.name(),
                error = format!("{error:#}"),
                "the client's secret cannot be read"
            );
            Fault::new(Place::Client, "the portal cannot read its own secret")
        })?;
        let metadata = (*known.metadata).clone();
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|all| all.contains(&method));
        let in_body = !takes(CoreClientAuthMethod::ClientSecretBasic)
            && takes(CoreClientAuthMethod::ClientSecretPost);
        let client = CoreClient::from_provider_metadata(metadata, self.client_id(), secret)
            .set_redirect_uri(self.redirect.clone());
        Ok(if in_body {
            client.set_auth_type(AuthType::RequestBody)
        } else {
            client
        })
    }

    /// Where the browser is to go, and what it is to keep meanwhile. `next` is the page that was asked for.
    pub async fn begin(&self, next: &str, now: Timestamp) -> Result<(String, Pending)> {
        let known = self.discovery.known().await?;
        if !known.metadata.additional_metadata().takes_s256() {
            return Err(Fault::new(
                Place::Client,
                "it does not take PKCE with S256, without which a code that is overheard opens a session",
            ));
        }
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client(&known)?;
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.settings.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if let Some(seconds) = self.settings.max_age_seconds {
            request = request.set_max_age(Duration::from_secs(seconds.into()));
        }
        let (address, state, nonce) = request.url();
        let pending = Pending {
            provider: self.settings.name.clone(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            next: next.to_owned(),
            begun: now.as_second(),
        };
        Ok((address.into(), pending))
    }

    /// Who has come back.
    pub async fn complete(
        &self,
        pending: Option<Pending>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Completed> {
        let pending = self.pending(pending, &answer, now)?;
        let known = self.discovery.known().await?;
        self.check_answer(&known, &answer)?;
        let nonce = &Nonce::new(pending.nonce);
        let tokens = self.exchange(&known, answer.code, pending.verifier).await?;
        let id_token = tokens
            .id_token()
            .ok_or_else(|| Fault::new(Place::Claims, "it sent no ID token"))?;
        let max_age = self.settings.max_age_seconds;
        let keys = self.verify(&known, id_token, nonce, max_age, now).await?;
        self.check_access_token(&tokens, id_token, &keys)?;
        let kept = Tokens {
            access: tokens.access_token().secret().clone(),
            refresh: tokens.refresh_token().map(|token| token.secret().clone()),
            id_token: id_token.to_string(),
        };
        let verified = payload(&kept.id_token)?;
        self.check_claims(&verified, now)?;
        let userinfo = self.userinfo(&known, &kept.access, &verified).await?;
        let sid = verified.get("sid").and_then(|sid| sid.as_str());
        Ok(Completed {
            arrival: claims::arrival(&self.settings, &verified, &userinfo)?,
            sid: sid.filter(|sid| sid.len() <= 500).map(str::to_owned),
            tokens: kept,
        })
    }

    /// Whether this browser began this, here, and not too long ago.
    fn pending(
        &self,
        pending: Option<Pending>,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<Pending> {
        let not_here = || {
            Fault::new(
                Place::Browser,
                "this browser did not begin it, or it was completed already",
            )
        };
        let pending = pending.ok_or_else(not_here)?;
        let same_state = pending.state.as_bytes().ct_eq(answer.state.as_bytes());
        if pending.provider != self.settings.name || !bool::from(same_state) {
            return Err(not_here());
        }
        let age = now.as_second().saturating_sub(pending.begun);
        if u64::try_from(age).is_ok_and(|age| age > PENDING_SECONDS) {
            return Err(Fault::new(Place::Browser, "it took more than ten minutes"));
        }
        Ok(pending)
    }

    /// What came by way of the browser: from this provider (RFC 9207), and a code.
    fn check_answer(&self, known: &Known, answer: &Answer) -> Result<()> {
        let names_itself = known
            .metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported;
        if (names_itself || !answer.iss.is_empty()) && answer.iss != self.settings.issuer {
            return Err(Fault::new(
                Place::Answer,
                "the answer came from another provider (`iss`)",
            ));
        }
        match answer.error.as_str() {
            "" if answer.code.is_empty() => Err(Fault::new(Place::Answer, "it sent no code")),
            "" => Ok(()),
            "access_denied" => Err(Fault::new(
                Place::Browser,
                "it was cancelled there, or it does not let you in (`access_denied`)",
            )),
            code @ ("temporarily_unavailable" | "server_error") => Err(Fault::new(
                Place::Provider,
                format!("it says that it has troubles of its own (`{code}`)"),
            )),
            code => Err(Fault::new(
                Place::Client,
                format!(
                    "it refused what the portal asked for (`{}`)",
                    fault::word(code)
                ),
            )),
        }
    }

    async fn exchange(
        &self,
        known: &Known,
        code: String,
        verifier: String,
    ) -> Result<CoreTokenResponse> {
        let client = self.client(known)?;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| {
                Fault::new(
                    Place::Provider,
                    "its discovery document has no token endpoint",
                )
            })?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let answer: Result<_, TokenError> = request.request_async(&self.http).await;
        Ok(answer?)
    }

    /// Signature, issuer, client, times and nonce. The keys are those that it was verified with.
    async fn verify<N: NonceVerifier + Copy>(
        &self,
        known: &Known,
        id_token: &CoreIdToken,
        nonce: N,
        max_age: Option<u32>,
        now: Timestamp,
    ) -> Result<Arc<CoreJsonWebKeySet>> {
        let came = Instant::now();
        let verified = id_token.claims(&self.verifier(&known.keys, max_age, now), nonce);
        match verified {
            Ok(_) => Ok(known.keys.clone()),
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let keys = self.discovery.newer_keys(came).await?;
                id_token.claims(&self.verifier(&keys, max_age, now), nonce)?;
                Ok(keys)
            }
            Err(other) => Err(other.into()),
        }
    }

    fn verifier(
        &self,
        keys: &CoreJsonWebKeySet,
        max_age: Option<u32>,
        now: Timestamp,
    ) -> CoreIdTokenVerifier<'static> {
        use CoreJwsSigningAlgorithm as Alg;
        let leeway = i64::from(self.settings.leeway_seconds);
        let second = now.as_second();
        let earlier = Timestamp::from_second(second - leeway).unwrap_or(now);
        // As of a public client: none of the algorithms whose key is the client's secret, or, where an attacker has his
        // way, the provider's public key.
        CoreIdTokenVerifier::new_public_client(self.client_id(), self.issuer.clone(), keys.clone())
            .set_allowed_algs([
                Alg::RsaSsaPkcs1V15Sha256,
                Alg::RsaSsaPkcs1V15Sha384,
                Alg::RsaSsaPkcs1V15Sha512,
                Alg::RsaSsaPssSha256,
                Alg::RsaSsaPssSha384,
                Alg::RsaSsaPssSha512,
                Alg::EcdsaP256Sha256,
                Alg::EcdsaP384Sha384,
                Alg::EdDsa,
            ])
            .set_time_fn(move || SystemTime::from(earlier).into())
            .set_issue_time_verifier_fn(move |issued| {
                let fits = issued.timestamp() <= second + leeway;
                fits.then_some(())
                    .ok_or_else(|| "issued in the future".into())
            })
            .set_auth_time_verifier_fn(move |signed_in| {
                let Some(max_age) = max_age else {
                    return Ok(());
                };
                let oldest = second - i64::from(max_age) - leeway;
                let fits = signed_in
                    .is_some_and(|at| (oldest..=second + leeway).contains(&at.timestamp()));
                fits.then_some(()).ok_or_else(|| "not recent".into())
            })
    }

    /// `at_hash` is optional; where it is, the access token is the one that was issued with the ID token.
    fn check_access_token(
        &self,
        tokens: &CoreTokenResponse,
        id_token: &CoreIdToken,
        keys: &CoreJsonWebKeySet,
    ) -> Result<()> {
        // Verified above: this reads what it says.
        let verifier = CoreIdTokenVerifier::new_public_client(
            self.client_id(),
            self.issuer.clone(),
            keys.clone(),
        );
        let claimed = payload(&id_token.to_string())?;
        let Some(claimed) = claimed.get("at_hash").and_then(|hash| hash.as_str()) else {
            return Ok(());
        };
        let key = id_token.signing_key(&verifier)?;
        let actual =
            AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, key)
                .map_err(|_| {
                    Fault::new(
                        Place::Keys,
                        "the hash of its access token cannot be checked",
                    )
                })?;
        let same = actual.as_str().as_bytes().ct_eq(claimed.as_bytes());
        if bool::from(same) {
            Ok(())
        } else {
            Err(Fault::new(
                Place::Answer,
                "its access token does not belong to its ID token (`at_hash`)",
            ))
        }
    }

    /// What `openidconnect` leaves to others.
    fn check_claims(&self, claims: &Claims, now: Timestamp) -> Result<()> {
        let audiences = claims.get("aud").and_then(|aud| aud.as_array());
        let azp = claims.get("azp").and_then(|azp| azp.as_str());
        let several = audiences.is_some_and(|all| all.len() > 1);
        if azp.map_or(several, |azp| azp != self.settings.client_id) {
            return Err(Fault::new(
                Place::Answer,
                "its ID token was issued to another client (`azp`)",
            ));
        }
        let leeway = i64::from(self.settings.leeway_seconds);
        let not_before = claims.get("nbf").and_then(serde_json::Value::as_f64);
        #[expect(clippy::cast_precision_loss, reason = "seconds of our time are small")]
        let latest = (now.as_second() + leeway) as f64;
        if not_before.is_some_and(|at| at > latest) {
            return Err(Fault::new(
                Place::Clock,
                "its ID token is not valid yet (`nbf`)",
            ));
        }
        Ok(())
    }

    /// What the provider says now of whom the token is. Nothing where it has no such endpoint.
    async fn userinfo(&self, known: &Known, token: &str, id_token: &Claims) -> Result<Claims> {
        let Some(address) = known.metadata.userinfo_endpoint() else {
            return Ok(Claims::new());
        };
        let answer = self.http.get_json(address.as_str(), token).await?;
        let status = answer.status();
        if matches!(status.as_u16(), 401 | 403) {
            return Err(Fault::new(
                Place::Person,
                format!("its userinfo endpoint answered {}", status.as_u16()),
            ));
        }
        if !status.is_success() {
            return Err(Fault::new(
                Place::Claims,
                format!("its userinfo endpoint answered {}", status.as_u16()),
            ));
        }
        let claims: Claims = serde_json::from_slice(answer.body()).map_err(|_| {
            Fault::new(
                Place::Claims,
                "what its userinfo endpoint answered is no JSON object in UTF-8 (a signed answer is not taken)",
            )
        })?;
        if claims.get("sub") == id_token.get("sub") {
            Ok(claims)
        } else {
            Err(Fault::new(
                Place::Answer,
                "its userinfo endpoint speaks of somebody else than its ID token (`sub`)",
            ))
        }
    }
}

/// The claims of a token that was verified.
fn payload(token: &str) -> Result<Claims> {
    let odd = || Fault::new(Place::Claims, "its ID token holds no JSON object");
    let part = token.split('.').nth(1).ok_or_else(odd)?;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| odd())?;
    serde_json::from_slice(&bytes).map_err(|_| odd())
}
