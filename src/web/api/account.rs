//! `/api/v1/user/…`: the caller's own tokens and sessions.
use super::{
    List, idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
};
use crate::{
    domain::{
        ids::{SessionId, TokenId},
        user,
    },
    services::{accounts, idempotency::Made},
    web::{
        App, Right, Route,
        answer::Answer,
        error::Result,
        extract::{Path, Query, Structured, Who},
    },
};
use axum::{extract::State, response::Response};
use http::{HeaderMap, Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Serialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::api(
            Method::GET,
            "/api/v1/user/tokens",
            Right::User,
            list_tokens,
            doc("My API tokens, newest first")
                .query(PAGING)
                .json::<List<Token>>(200, "A page of tokens, without their secrets"),
        ),
        Route::api(
            Method::POST,
            "/api/v1/user/tokens",
            Right::User,
            create_token,
            doc("Makes an API token; needs a token with the scope `admin`; others are made on the account page")
                .structured::<NewToken>()
                .json::<MadeToken>(201, "The token with its secret, which is never shown again")
                .json::<MadeToken>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::DELETE,
            "/api/v1/user/tokens/{token}",
            Right::User,
            revoke_token,
            doc("Revokes one of my tokens; needs the scope `write`").empty(204, "It does not count any more"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/user/sessions",
            Right::User,
            list_sessions,
            doc("Where I am signed in with a browser, latest use first")
                .query(PAGING)
                .json::<List<Session>>(200, "A page of sessions"),
        ),
        Route::api(
            Method::DELETE,
            "/api/v1/user/sessions/{session}",
            Right::User,
            end_session,
            doc("Signs out one of my sessions; needs the scope `write`").empty(204, "It has ended"),
        ),
    ]
}

/// A token as its user sees it.
#[derive(Serialize, utoipa::ToSchema)]
struct Token {
    id: String,
    name: String,
    /// `read`, `write` or `admin`.
    scope: String,
    created_at: String,
    /// Null: until it is revoked.
    expires_at: Option<String>,
    /// Null: never; noted at most once a minute.
    last_used_at: Option<String>,
}

impl From<user::Token> for Token {
    fn from(token: user::Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scope: token.scope.to_string(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}

/// What is sent to make a token.
#[derive(Serialize, utoipa::ToSchema)]
struct NewToken {
    name: String,
    /// `read` (the default), `write` or, for site administrators, `admin`.
    scope: Option<String>,
    /// Days, 1 to 3650; null for no end.
    expires_in_days: Option<i64>,
}

/// A token that was made just now.
#[derive(Serialize, utoipa::ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    token: Token,
    /// Shown this once: null where an Idempotency-Key asks again.
    secret: Option<String>,
}

async fn list_tokens(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Token>>> {
    let all = accounts::list_tokens(&app.portal, &actor).await?;
    let all: Vec<Token> = all.into_iter().map(Token::from).collect();
    Ok(Answer(paging.cut(all, |token| token.id.clone())?))
}

async fn create_token(
    State(app): State<App>,
    Who(actor): Who,
    headers: HeaderMap,
    Structured(body): Structured,
) -> Result<Response> {
    let key = idempotency::key(&headers, "POST /user/tokens", &body)?;
    let mut fields = Fields::of(body);
    let days = fields.whole_if("expires_in_days").map(|n| n.to_string());
    let draft = accounts::TokenDraft {
        name: fields.text("name"),
        scope: fields.text_if("scope").unwrap_or_else(|| "read".into()),
        expires_in_days: days.unwrap_or_default(),
    };
    fields.also(&draft.problems(&app.portal, &actor));
    fields.finish()?;
    let (made, secret) = app
        .auth
        .create_token_once(&app.portal, &actor, &draft, key.as_ref())
        .await?;
    let secret = match &made {
        Made::New(_) => Some(secret.expose_secret().to_owned()),
        Made::Again(_) => None,
    };
    let token = Token::from(made.clone().into_inner());
    let location = format!("/api/v1/user/tokens/{}", token.id);
    let body = Answer(MadeToken { token, secret });
    Ok(idempotency::answer(&made, location, body))
}

async fn revoke_token(
    State(app): State<App>,
    Who(actor): Who,
    Path(token): Path<TokenId>,
) -> Result<StatusCode> {
    accounts::revoke_token(&app.portal, &actor, token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session in a browser.
#[derive(Serialize, utoipa::ToSchema)]
struct Session {
    id: String,
    created_at: String,
    last_seen_at: String,
    /// What the browser said of itself.
    agent: String,
    address: String,
}

impl From<user::Session> for Session {
    fn from(session: user::Session) -> Self {
        Self {
            id: session.id.to_string(),
            created_at: session.created_at.to_string(),
            last_seen_at: session.last_seen_at.to_string(),
            agent: session.agent,
            address: session.address,
        }
    }
}

async fn list_sessions(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Session>>> {
    let all = accounts::list_sessions(&app.portal, &actor).await?;
    let all: Vec<Session> = all.into_iter().map(Session::from).collect();
    Ok(Answer(paging.cut(all, |session| session.id.clone())?))
}

async fn end_session(
    State(app): State<App>,
    Who(actor): Who,
    Path(session): Path<SessionId>,
) -> Result<StatusCode> {
    accounts::end_session(&app.portal, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
