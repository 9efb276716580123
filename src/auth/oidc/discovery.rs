//! What a provider says of itself and the keys that it signs with: fetched when first needed, kept, and fetched again when
//! it is old or a token is signed with a key that is not known yet.
use super::{
    fault::{Fault, Result},
    http::Http,
};
use openidconnect::{
    AdditionalProviderMetadata, IssuerUrl, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
    url::Url,
};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How old a discovery document may be before it is fetched again.
const KEPT: Duration = Duration::from_secs(3600);

/// What `openidconnect` does not read by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Extra {
    pub end_session_endpoint: Option<Url>,
    /// RFC 9207: its answers to the browser name it.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// RFC 8414: absent where nothing is said of PKCE.
    code_challenge_methods_supported: Option<Vec<String>>,
}

impl Extra {
    /// Whether it may be trusted to check what the portal sends.
    pub fn takes_s256(&self) -> bool {
        let methods = self.code_challenge_methods_supported.as_ref();
        methods.is_none_or(|all| all.iter().any(|method| method == "S256"))
    }
}

impl AdditionalProviderMetadata for Extra {}

pub type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[derive(Clone)]
pub struct Known {
    pub metadata: Arc<Metadata>,
    pub keys: Arc<CoreJsonWebKeySet>,
    fetched_at: Instant,
    keys_fetched_at: Instant,
}

impl Known {
    /// Whether the keys were fetched but a moment ago.
    pub fn keys_are_fresh(&self) -> bool {
        self.keys_fetched_at.elapsed() < Duration::from_secs(5)
    }
}

/// One fetches at a time, and whoever waited meanwhile takes what came of it, a failure too: a slow provider is not asked
/// once for each who wait.
#[derive(Default)]
struct State {
    known: Option<Known>,
    failed: Option<(Instant, Fault)>,
}

pub struct Discovery {
    issuer: IssuerUrl,
    http: Http,
    state: Mutex<State>,
}

impl Discovery {
    pub fn new(issuer: IssuerUrl, http: Http) -> Self {
        Self {
            issuer,
            http,
            state: Mutex::default(),
        }
    }

    pub async fn known(&self) -> Result<Known> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(known) = &state.known
            && known.fetched_at.elapsed() < KEPT
        {
            return Ok(known.clone());
        }
        if let Some((at, fault)) = &state.failed
            && *at >= came
        {
            return Err(fault.clone());
        }
        match Metadata::discover_async(self.issuer.clone(), &self.http).await {
            Ok(metadata) => {
                let now = Instant::now();
                let known = Known {
                    keys: Arc::new(metadata.jwks().clone()),
                    metadata: Arc::new(metadata),
                    fetched_at: now,
                    keys_fetched_at: now,
                };
                state.known = Some(known.clone());
                Ok(known)
            }
            Err(error) => {
                let fault = Fault::from(error);
                if let Some(old) = &mut state.known {
                    tracing::warn!(issuer = %*self.issuer, %fault, "the provider's document was not fetched again; the one before is used");
                    old.fetched_at = Instant::now();
                    return Ok(old.clone());
                }
                state.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    /// The keys, fetched after `came`: providers change them, and a token may be signed with one that is new.
    pub async fn newer_keys(&self, came: Instant) -> Result<Arc<CoreJsonWebKeySet>> {
        let mut state = self.state.lock().await;
        let Some(known) = &mut state.known else {
            drop(state);
            return Ok(self.known().await?.keys);
        };
        if known.keys_fetched_at < came {
            let keys = CoreJsonWebKeySet::fetch_async(known.metadata.jwks_uri(), &self.http).await;
            known.keys = Arc::new(keys.map_err(Fault::from)?);
            known.keys_fetched_at = Instant::now();
        }
        Ok(known.keys.clone())
    }
}
