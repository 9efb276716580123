//! `/api/v1/user/…`: the caller's own tokens, sessions, password and elevation.
use super::{
    List,
    dry_run::{DRY_RUN, DryRun, fits},
    idempotency,
    input::{Fields, PAGING, Paging},
    openapi::doc,
};
use crate::{
    auth::passwords,
    domain::{
        ids::{SessionId, TokenId},
        user,
    },
    services::{Error, accounts, idempotency::Made},
    web::{
        App, Right, Route,
        answer::Answer,
        conditions,
        error::Result,
        extract::{Path, Query, Structured, Who},
        headers::ClientAddress,
    },
};
use axum::{
    Extension,
    extract::State,
    response::{IntoResponse, Response},
};
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
                .query(DRY_RUN)
                .structured::<NewToken>()
                .json::<MadeToken>(201, "The token with its secret, which is never shown again")
                .json::<MadeToken>(200, "It was made by this Idempotency-Key before"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/user/tokens/{token}",
            Right::User,
            show_token,
            doc("One of my tokens").json::<Token>(200, "The token, without its secret"),
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
            "/api/v1/user/identities",
            Right::User,
            list_identities,
            doc("By what identity providers know me, the oldest first; all of them at once")
                .json::<List<Identity>>(200, "My identities"),
        ),
        Route::api(
            Method::GET,
            "/api/v1/user/sessions",
            Right::User,
            list_sessions,
            doc("Where I am signed in with a browser, the newest first")
                .query(PAGING)
                .json::<List<Session>>(200, "A page of sessions"),
        ),
        Route::api(
            Method::DELETE,
            "/api/v1/user/sessions",
            Right::User,
            end_sessions,
            doc("Signs out all my sessions; needs the scope `write`").empty(204, "They have ended"),
        ),
        Route::api(
            Method::PUT,
            "/api/v1/user/password",
            Right::User,
            set_password,
            doc("Sets a new password and signs out all my sessions; needs the scope `write` and the old one")
                .structured::<NewPassword>()
                .empty(204, "It is set"),
        ),
        Route::api(
            Method::PUT,
            "/api/v1/user/elevation",
            Right::SiteAdmin,
            elevate,
            doc("Lets me see other people's private projects for a time; `/user` says until when")
                .structured::<Reason>()
                .empty(204, "It is on, and on record"),
        ),
        Route::api(
            Method::DELETE,
            "/api/v1/user/elevation",
            Right::SiteAdmin,
            end_elevation,
            doc("Ends that").empty(204, "It is off"),
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
    let (limit, after) = (paging.limit()?, paging.after()?);
    let found = accounts::list_tokens(&app.portal, &actor, after, limit + 1).await?;
    let items = found.into_iter().map(Token::from).collect();
    Ok(Answer(List::of_one_more(items, limit, |token: &Token| {
        token.id.clone()
    })))
}

async fn create_token(
    State(app): State<App>,
    Who(actor): Who,
    Query(query): Query<DryRun>,
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
    if query.dry_run {
        accounts::may_create_token(&actor)?;
        return Ok(fits().into_response());
    }
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

async fn show_token(
    State(app): State<App>,
    Who(actor): Who,
    Path(token): Path<TokenId>,
    headers: HeaderMap,
) -> Result<Response> {
    let token = accounts::find_token(&app.portal, &actor, token).await?;
    Ok(conditions::tagged(&headers, Token::from(token))?)
}

async fn revoke_token(
    State(app): State<App>,
    Who(actor): Who,
    Path(token): Path<TokenId>,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let read = Token::from(accounts::find_token(&app.portal, &actor, token).await?);
    conditions::if_match(&headers, Some(&conditions::tag_of(&read)?))?;
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

#[derive(Serialize, utoipa::ToSchema)]
struct Identity {
    id: String,
    /// The provider's name in the settings.
    provider: String,
    issuer: String,
    subject: String,
    mail: Option<String>,
    created_at: String,
    last_login_at: String,
}

impl From<user::Identity> for Identity {
    fn from(identity: user::Identity) -> Self {
        Self {
            id: identity.id.to_string(),
            provider: identity.provider.to_string(),
            issuer: identity.issuer,
            subject: identity.subject,
            mail: identity.mail,
            created_at: identity.created_at.to_string(),
            last_login_at: identity.last_login_at.to_string(),
        }
    }
}

async fn list_identities(
    State(app): State<App>,
    Who(actor): Who,
) -> Result<Answer<List<Identity>>> {
    let found = accounts::list_identities(&app.portal, &actor).await?;
    Ok(Answer(List {
        items: found.into_iter().map(Identity::from).collect(),
        next: None,
    }))
}

async fn list_sessions(
    State(app): State<App>,
    Who(actor): Who,
    Query(paging): Query<Paging>,
) -> Result<Answer<List<Session>>> {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let found = accounts::list_sessions(&app.portal, &actor, after, limit + 1).await?;
    let items = found.into_iter().map(Session::from).collect();
    Ok(Answer(List::of_one_more(
        items,
        limit,
        |session: &Session| session.id.clone(),
    )))
}

async fn end_sessions(State(app): State<App>, Who(actor): Who) -> Result<StatusCode> {
    accounts::end_other_sessions(&app.portal, &actor, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is sent to set a password.
#[derive(Serialize, utoipa::ToSchema)]
struct NewPassword {
    old: String,
    /// At least 10 characters.
    new: String,
}

async fn set_password(
    State(app): State<App>,
    Who(actor): Who,
    Extension(address): Extension<ClientAddress>,
    Structured(body): Structured,
) -> Result<StatusCode> {
    let mut fields = Fields::of(body);
    let (old, new) = (fields.secret("old"), fields.secret("new"));
    let user = &actor.user;
    let confirmed = app.auth.confirm(&app.portal, user, "/old", old, &address.0);
    match confirmed.await {
        Ok(()) => {}
        Err(Error::Invalid(wrong)) => fields.also(&wrong),
        Err(other) => return Err(other.into()),
    }
    fields.also(&passwords::check_new("/new", &new, user.name.as_str()));
    fields.finish()?;
    let hash = app.auth.hash(&app.portal, new).await?;
    accounts::set_password(&app.portal, &actor, &hash, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why somebody looks.
#[derive(Serialize, utoipa::ToSchema)]
struct Reason {
    /// 5 to 500 characters.
    reason: String,
}

async fn elevate(
    State(app): State<App>,
    Who(actor): Who,
    Structured(body): Structured,
) -> Result<StatusCode> {
    let mut fields = Fields::of(body);
    let reason = fields.text("reason");
    fields.finish()?;
    accounts::elevate(&app.portal, &actor, &reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_elevation(State(app): State<App>, Who(actor): Who) -> Result<StatusCode> {
    accounts::end_elevation(&app.portal, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_session(
    State(app): State<App>,
    Who(actor): Who,
    Path(session): Path<SessionId>,
) -> Result<StatusCode> {
    accounts::end_session(&app.portal, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
