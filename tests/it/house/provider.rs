//! A pretended identity provider on loopback: right in all it does, until it is told to go wrong.
use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use openidconnect::{
    PrivateSigningKey as _,
    core::{CoreHmacKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey},
    url::form_urlencoded,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use tourmaline::{config, domain::names::ProviderName};

pub const CLIENT: &str = "tourmaline";
pub const SECRET: &str = "the secret of the client";

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    // What it says of itself
    DiscoverySlow,
    DiscoveryHuge,
    DiscoveryRedirects,
    DiscoveryBroken,
    DiscoveryMissing,
    DiscoveryNoText,
    DiscoveryOfAnother,
    OnlyPlainPkce,
    KeysSlow,
    KeysHuge,
    KeysRedirect,
    KeysBroken,
    // What it lets the browser bring
    AnswerOfAnother,
    AnswerOfNobody,
    NoCode,
    // What it says of somebody
    TokensBroken,
    TokensNoText,
    TokensNoJson,
    NoIdToken,
    Issuer,
    Audience,
    ForeignAzp,
    SeveralAudiences,
    Nonce,
    NoNonce,
    Expired,
    NotYetValid,
    IssuedInFuture,
    Unsigned,
    SignedWithPublicKey,
    SignedWithClientSecret,
    UnknownKey,
    Tampered,
    Critical,
    OtherAccessToken,
    SignedInLongAgo,
    SignedInNobodyKnowsWhen,
    NobodyAtAll,
    UserinfoOfAnother,
    UserinfoBroken,
    UserinfoNoText,
    UserinfoHuge,
    TooManyGroups,
    ForgetsChallenge,
}

/// What may be wrong with a logout token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongLogout {
    Issuer,
    Audience,
    NoEvents,
    OtherEvent,
    WithNonce,
    NoJti,
    Nobody,
    Expired,
    FromTheFuture,
    Unsigned,
    SignedWithPublicKey,
    UnknownKey,
    Tampered,
    OtherKind,
}

struct Asked {
    nonce: String,
    challenge: String,
    redirect: String,
}

struct Inner {
    issuer: String,
    wrong: Option<Wrong>,
    /// What its tokens and its userinfo say of who signs in.
    person: Map<String, Value>,
    codes: BTreeMap<String, Asked>,
    /// Which of the keys it signs with.
    key: usize,
    now: i64,
    refresh: BTreeSet<String>,
    /// How often somebody came with a refresh token.
    refreshed: usize,
    /// Whoever signed in is there no more.
    gone: bool,
    folder: tempfile::TempDir,
    /// Everything secret that it gave away or was given.
    pub secrets: Vec<String>,
}

#[derive(Clone)]
pub struct Provider(Arc<Mutex<Inner>>);

impl Provider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let person = json!({
            "sub": "4711", "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.org",
            "groups": ["/biology"],
        });
        let this = Self(Arc::new(Mutex::new(Inner {
            issuer,
            wrong: None,
            person: person.as_object().unwrap().clone(),
            codes: BTreeMap::new(),
            key: 0,
            now: "2026-03-01T09:00:00Z"
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_second(),
            refresh: BTreeSet::new(),
            refreshed: 0,
            gone: false,
            folder: tempfile::tempdir().unwrap(),
            secrets: vec![SECRET.to_owned()],
        })));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/elsewhere", get(elsewhere))
            .route("/jwks", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(this.clone());
        // It ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    /// One that goes wrong from the start.
    pub async fn wrong(wrong: Wrong) -> Self {
        let this = Self::start().await;
        this.go(Some(wrong));
        this
    }

    /// What the portal's settings say of it.
    pub fn settings(&self, name: &str) -> config::Provider {
        let file = self.inner().folder.path().join("secret");
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        config::Provider {
            name: ProviderName::parse(name).unwrap(),
            title: Some("the institute".into()),
            issuer: self.issuer(),
            client_id: CLIENT.into(),
            client_secret_file: Some(file),
            scopes: vec!["profile".into()],
            claims: config::Claims::default(),
            max_age_seconds: Some(3600),
            leeway_seconds: 60,
            timeout_seconds: 20,
            first_login: config::FirstLogin::default(),
        }
    }

    pub fn issuer(&self) -> String {
        self.inner().issuer.clone()
    }

    pub fn go(&self, wrong: Option<Wrong>) {
        self.inner().wrong = wrong;
    }

    /// Signs with another key from now on.
    pub fn rotate(&self) {
        self.inner().key += 1;
    }

    /// Sets a claim of who signs in.
    pub fn say(&self, claim: &str, value: Value) {
        self.inner().person.insert(claim.into(), value);
    }

    /// Takes whoever signed in off its list.
    pub fn removes_them(&self) {
        self.inner().gone = true;
    }

    /// Takes the refresh tokens that it gave no more.
    pub fn forgets_refresh_tokens(&self) {
        self.inner().refresh.clear();
    }

    pub fn refreshed(&self) -> usize {
        self.inner().refreshed
    }

    pub fn advance(&self, by: std::time::Duration) {
        self.inner().now += i64::try_from(by.as_secs()).unwrap();
    }

    /// What it sends when somebody has signed out there: of this session, or of all.
    pub fn logout_token(&self, sid: Option<&str>, wrong: Option<WrongLogout>) -> String {
        let inner = self.inner();
        let now = inner.now;
        let mut events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        let mut head =
            json!({ "typ": "logout+jwt", "alg": "RS256", "kid": format!("key-{}", inner.key) });
        let mut claims = json!({
            "iss": inner.issuer, "aud": [CLIENT], "sub": inner.person["sub"], "iat": now, "exp": now + 120, "jti": fresh(),
        });
        if let Some(sid) = sid {
            claims["sid"] = json!(sid);
        }
        match wrong {
            Some(WrongLogout::Issuer) => claims["iss"] = json!("https://evil.example"),
            Some(WrongLogout::Audience) => claims["aud"] = json!("another"),
            Some(WrongLogout::NoEvents) => events = json!(null),
            Some(WrongLogout::OtherEvent) => {
                events = json!({ "http://schemas.openid.net/event/other": {} });
            }
            Some(WrongLogout::WithNonce) => claims["nonce"] = json!("n"),
            Some(WrongLogout::NoJti) => claims["jti"] = json!(null),
            Some(WrongLogout::Nobody) => {
                claims["sub"] = json!(null);
                claims["sid"] = json!(null);
            }
            Some(WrongLogout::Expired) => {
                claims["iat"] = json!(now - 300);
                claims["exp"] = json!(now - 61);
            }
            Some(WrongLogout::FromTheFuture) => claims["iat"] = json!(now + 61),
            Some(WrongLogout::Unsigned) => head["alg"] = json!("none"),
            Some(WrongLogout::SignedWithPublicKey) => head["alg"] = json!("HS256"),
            Some(WrongLogout::UnknownKey) => head["kid"] = json!("another"),
            Some(WrongLogout::OtherKind) => head["typ"] = json!("at+jwt"),
            Some(WrongLogout::Tampered) | None => {}
        }
        claims["events"] = events;
        let message = format!("{}.{}", encode(&head), encode(&claims));
        let signature = match wrong {
            Some(WrongLogout::Unsigned) => Vec::new(),
            Some(WrongLogout::SignedWithPublicKey) => {
                let public = serde_json::to_vec(&key(inner.key).as_verification_key()).unwrap();
                let alg = CoreJwsSigningAlgorithm::HmacSha256;
                CoreHmacKey::new(public)
                    .sign(&alg, message.as_bytes())
                    .unwrap()
            }
            _ => sign(&inner, &message),
        };
        if wrong == Some(WrongLogout::Tampered) {
            claims["sub"] = json!("somebody else");
        }
        let message = format!("{}.{}", encode(&head), encode(&claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Everything secret that went to and fro.
    pub fn secrets(&self) -> Vec<String> {
        self.inner().secrets.clone()
    }

    /// Goes where the portal sends a browser, and comes back with the path and query of the portal's that it is sent to.
    pub async fn visit(&self, address: &str) -> String {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let answer = client.build().unwrap().get(address).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{address}");
        let to = answer.headers()["location"].to_str().unwrap().to_owned();
        to.strip_prefix("http://127.0.0.1:8080").unwrap().to_owned()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.inner().wrong == Some(wrong)
    }
}

/// A key in PEM, by number.
fn key(n: usize) -> CoreRsaPrivateSigningKey {
    let pem = [
        include_str!("../../data/oidc/key-1.pem"),
        include_str!("../../data/oidc/key-2.pem"),
        include_str!("../../data/oidc/key-3.pem"),
    ][n];
    let name = openidconnect::JsonWebKeyId::new(format!("key-{n}"));
    CoreRsaPrivateSigningKey::from_pem(pem, Some(name)).unwrap()
}

fn fresh() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

fn json_of(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

fn no_text() -> Response {
    let bytes: &[u8] = b"{\"issuer\": \"\xff\xfe\"}";
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

fn huge() -> Response {
    json_of(&json!({ "filling": "x".repeat(3 << 20) }))
}

fn away() -> Response {
    Redirect::to("/elsewhere").into_response()
}

async fn elsewhere() -> Response {
    panic!("the portal was led away")
}

async fn discovery(State(this): State<Provider>) -> Response {
    let issuer = this.issuer();
    let wrong = this.inner().wrong;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/goodbye"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "authorization_response_iss_parameter_supported": true,
    });
    match wrong {
        Some(Wrong::DiscoverySlow) => std::future::pending().await,
        Some(Wrong::DiscoveryHuge) => return huge(),
        Some(Wrong::DiscoveryRedirects) => return away(),
        Some(Wrong::DiscoveryBroken) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Wrong::DiscoveryMissing) => return StatusCode::NOT_FOUND.into_response(),
        Some(Wrong::DiscoveryNoText) => return no_text(),
        Some(Wrong::DiscoveryOfAnother) => document["issuer"] = json!("https://evil.example"),
        Some(Wrong::OnlyPlainPkce) => {
            document["code_challenge_methods_supported"] = json!(["plain"]);
        }
        _ => {}
    }
    json_of(&document)
}

async fn keys(State(this): State<Provider>) -> Response {
    match this.inner().wrong {
        Some(Wrong::KeysHuge) => return huge(),
        Some(Wrong::KeysRedirect) => return away(),
        Some(Wrong::KeysBroken) => return StatusCode::BAD_GATEWAY.into_response(),
        _ => {}
    }
    if this.is(Wrong::KeysSlow) {
        std::future::pending::<()>().await;
    }
    let last = this.inner().key;
    let mut all: Vec<Value> = (0..=last)
        .map(|n| serde_json::to_value(key(n).as_verification_key()).unwrap())
        .collect();
    // As Keycloak has one: for encryption, and of a kind that nothing here knows.
    all.push(json!({ "kid": "enc", "kty": "RSA", "alg": "RSA-OAEP", "use": "enc", "n": "AQAB", "e": "AQAB" }));
    json_of(&json!({ "keys": all }))
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// Everybody is let in at once.
async fn authorize(State(this): State<Provider>, RawQuery(query): RawQuery) -> Response {
    let asked = pairs(&query.unwrap_or_default());
    assert_eq!(asked["client_id"], CLIENT);
    assert_eq!(
        (&*asked["response_type"], &*asked["code_challenge_method"]),
        ("code", "S256")
    );
    assert_eq!(asked["scope"], "openid profile");
    assert_eq!(asked["max_age"], "3600");
    let mut inner = this.inner();
    let code = fresh();
    for secret in [&code, &asked["nonce"], &asked["state"]] {
        inner.secrets.push(secret.clone());
    }
    let forgets = inner.wrong == Some(Wrong::ForgetsChallenge);
    let kept = Asked {
        nonce: asked["nonce"].clone(),
        challenge: if forgets {
            String::new()
        } else {
            asked["code_challenge"].clone()
        },
        redirect: asked["redirect_uri"].clone(),
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", &asked["state"]);
    if inner.wrong != Some(Wrong::NoCode) {
        query.append_pair("code", &code);
    }
    match inner.wrong {
        Some(Wrong::AnswerOfNobody) => {}
        Some(Wrong::AnswerOfAnother) => {
            query.append_pair("iss", "https://evil.example");
        }
        _ => {
            query.append_pair("iss", &inner.issuer);
        }
    }
    let to = format!("{}?{}", kept.redirect, query.finish());
    inner.codes.insert(code, kept);
    Redirect::to(&to).into_response()
}

fn refuse(why: &str) -> Response {
    let mut answer =
        json_of(&json!({ "error": why, "error_description": "<script>alert(1)</script>" }));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}

async fn token(State(this): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let mut inner = this.inner();
    match inner.wrong {
        Some(Wrong::TokensBroken) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Wrong::TokensNoText) => return no_text(),
        Some(Wrong::TokensNoJson) => return "<html>Welcome!</html>".into_response(),
        _ => {}
    }
    let given = pairs(&body);
    let basic = headers[header::AUTHORIZATION].to_str().unwrap();
    let basic = base64::engine::general_purpose::STANDARD.decode(&basic["Basic ".len()..]);
    let basic = String::from_utf8(basic.unwrap()).unwrap();
    // Both are form-encoded before (RFC 6749, 2.3.1).
    if basic != format!("{CLIENT}:{}", SECRET.replace(' ', "+")) {
        return refuse("unauthorized_client");
    }
    if given["grant_type"] == "refresh_token" {
        // Each is good for one time.
        inner.refreshed += 1;
        let known = inner.refresh.remove(&given["refresh_token"]);
        return if known && !inner.gone {
            give(&mut inner, None)
        } else {
            refuse("invalid_grant")
        };
    }
    let Some(asked) = inner.codes.remove(&given["code"]) else {
        return refuse("invalid_grant");
    };
    let verifier = &given["code_verifier"];
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    if asked.challenge != challenge || asked.redirect != given["redirect_uri"] {
        return refuse("invalid_grant");
    }
    inner.secrets.push(verifier.clone());
    give(&mut inner, Some(&asked.nonce))
}

/// Tokens, which the next refresh gives anew.
fn give(inner: &mut Inner, nonce: Option<&str>) -> Response {
    let (access, refresh) = (fresh(), fresh());
    let id_token = id_token(inner, nonce, &access);
    inner.refresh.insert(refresh.clone());
    for secret in [&access, &refresh, &id_token] {
        inner.secrets.push(secret.clone());
    }
    let mut answer = json!({
        "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 300,
    });
    if inner.wrong != Some(Wrong::NoIdToken) {
        answer["id_token"] = json!(id_token);
    }
    json_of(&answer)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn id_token(inner: &Inner, nonce: Option<&str>, access: &str) -> String {
    let now = inner.now;
    let half = |text: &str| URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]);
    let mut claims = json!({
        "iss": inner.issuer, "aud": CLIENT, "azp": CLIENT, "nonce": nonce, "sid": "s-1",
        "iat": now, "exp": now + 300, "auth_time": now, "at_hash": half(access),
    });
    for (name, value) in &inner.person {
        claims[name] = value.clone();
    }
    let mut head = json!({ "typ": "JWT", "alg": "RS256", "kid": format!("key-{}", inner.key) });
    match inner.wrong {
        Some(Wrong::Issuer) => claims["iss"] = json!("https://evil.example"),
        Some(Wrong::Audience) => claims["aud"] = json!("another"),
        Some(Wrong::ForeignAzp) => claims["azp"] = json!("another"),
        Some(Wrong::SeveralAudiences) => claims["aud"] = json!([CLIENT, "another"]),
        Some(Wrong::Nonce) => claims["nonce"] = json!("another"),
        Some(Wrong::NoNonce) => {
            claims.as_object_mut().unwrap().remove("nonce");
        }
        // Just past what the clocks may differ.
        Some(Wrong::Expired) => claims["exp"] = json!(now - 61),
        Some(Wrong::NotYetValid) => claims["nbf"] = json!(now + 61),
        Some(Wrong::IssuedInFuture) => claims["iat"] = json!(now + 61),
        Some(Wrong::OtherAccessToken) => claims["at_hash"] = json!(half("another")),
        Some(Wrong::SignedInLongAgo) => claims["auth_time"] = json!(now - 3600 - 61),
        Some(Wrong::SignedInNobodyKnowsWhen) => {
            claims.as_object_mut().unwrap().remove("auth_time");
        }
        Some(Wrong::NobodyAtAll) => claims["sub"] = json!(""),
        Some(Wrong::Unsigned) => head["alg"] = json!("none"),
        Some(Wrong::SignedWithPublicKey | Wrong::SignedWithClientSecret) => {
            head["alg"] = json!("HS256");
        }
        Some(Wrong::UnknownKey) => head["kid"] = json!("another"),
        Some(Wrong::Critical) => head["crit"] = json!(["exp"]),
        _ => {}
    }
    let message = format!("{}.{}", encode(&head), encode(&claims));
    let signature = sign(inner, &message);
    let message = if inner.wrong == Some(Wrong::Tampered) {
        claims["sub"] = json!("somebody else");
        format!("{}.{}", encode(&head), encode(&claims))
    } else {
        message
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sign(inner: &Inner, message: &str) -> Vec<u8> {
    let key = key(inner.key);
    let hmac = |secret: Vec<u8>| {
        let alg = CoreJwsSigningAlgorithm::HmacSha256;
        CoreHmacKey::new(secret)
            .sign(&alg, message.as_bytes())
            .unwrap()
    };
    match inner.wrong {
        Some(Wrong::Unsigned) => Vec::new(),
        Some(Wrong::SignedWithPublicKey) => {
            hmac(serde_json::to_vec(&key.as_verification_key()).unwrap())
        }
        Some(Wrong::SignedWithClientSecret) => hmac(SECRET.into()),
        _ => {
            let alg = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
            key.sign(&alg, message.as_bytes()).unwrap()
        }
    }
}

async fn userinfo(State(this): State<Provider>, headers: HeaderMap) -> Response {
    let inner = this.inner();
    let bearer = headers[header::AUTHORIZATION].to_str().unwrap();
    let token = bearer["Bearer ".len()..].to_owned();
    if inner.gone {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    assert!(
        inner.secrets.contains(&token),
        "userinfo was asked with another token"
    );
    let mut person = inner.person.clone();
    match inner.wrong {
        Some(Wrong::UserinfoBroken) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Wrong::UserinfoNoText) => return no_text(),
        Some(Wrong::UserinfoHuge) => return huge(),
        Some(Wrong::NobodyAtAll) => {
            person.insert("sub".into(), json!(""));
        }
        Some(Wrong::UserinfoOfAnother) => {
            person.insert("sub".into(), json!("somebody else"));
        }
        Some(Wrong::TooManyGroups) => {
            let many: Vec<String> = (0..5001).map(|n| format!("/g{n}")).collect();
            person.insert("groups".into(), json!(many));
        }
        _ => {}
    }
    json_of(&Value::Object(person))
}
