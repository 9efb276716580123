//! One's own API tokens.
use super::super::{
    Error, Portal, Result,
    error::denied,
    idempotency::{self, Claim, Key, Made},
};
use crate::{
    domain::{
        access::{Actor, Permitted},
        ids::{TokenId, UserId},
        user::{Scope, Token},
        violation::Violations,
    },
    store::NewToken,
};
use jiff::{Timestamp, ToSpan as _};

/// What somebody types about a new token.
#[derive(Debug, Clone, Default)]
pub struct TokenDraft {
    /// What it is for.
    pub name: String,
    pub scope: String,
    /// 1 to 3,650; empty means until revoked.
    pub expires_in_days: String,
}

struct Checked {
    name: String,
    scope: Scope,
    expires_at: Option<Timestamp>,
}

impl TokenDraft {
    /// Everything that is wrong with it, for a token of the caller's.
    pub fn problems(&self, portal: &Portal, actor: &Actor) -> Violations {
        self.check(portal, actor).err().unwrap_or_default()
    }

    fn check(&self, portal: &Portal, actor: &Actor) -> Result<Checked, Violations> {
        let mut wrong = Violations::default();
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            wrong.add(
                "/name",
                "Say what the token is for, in 1 to 100 characters.",
                Some(name),
            );
        }
        let scope = self.scope.parse::<Scope>().unwrap_or_else(|why| {
            wrong.add("/scope", format!("The scope {why}."), Some(&self.scope));
            Scope::Read
        });
        if scope == Scope::Admin && !actor.user.site_admin {
            wrong.add("/scope", "Only a site administrator's token can have the scope `admin`. Choose `read` or `write`.", None);
        }
        let expires_at = expiry(&self.expires_in_days, portal.clock.now(), &mut wrong);
        wrong.into_result(Checked {
            name: name.to_owned(),
            scope,
            expires_at,
        })
    }
}

/// Leave to make a token: what one may do with a token that only writes must not outlive it.
pub fn may_create_token(actor: &Actor) -> Result<Permitted<UserId>> {
    actor.own_account(Scope::Admin).map_err(denied("account"))
}

/// Keeps a new token's hash. The same key and body give the token that the first call made, if it was not revoked.
pub async fn create_token(
    portal: &Portal,
    actor: &Actor,
    draft: &TokenDraft,
    secret_hash: String,
    key: Option<&Key>,
) -> Result<Made<Token>> {
    let own = may_create_token(actor)?;
    let checked = draft.check(portal, actor)?;
    let now = portal.clock.now();
    let token = NewToken {
        id: TokenId::new(),
        secret_hash,
        name: checked.name,
        scope: checked.scope,
        created_at: now,
        expires_at: checked.expires_at,
    };
    let id = token.id.to_string();
    let tx = portal.store.begin().await?;
    let mut tx = match idempotency::claim(key, portal, tx, actor, &id).await? {
        Claim::Free(tx) => tx,
        Claim::Before(first) => return Ok(Made::Again(find_token(portal, actor, first).await?)),
    };
    tx.insert_token(&own, &token).await?;
    tx.add_audit(own.by(), "token.create", &id, token.scope.as_str(), now)
        .await?;
    tx.commit().await?;
    Ok(Made::New(Token {
        id: token.id,
        user: actor.user.id,
        name: token.name,
        scope: token.scope,
        created_at: now,
        expires_at: token.expires_at,
        last_used_at: None,
    }))
}

fn expiry(days: &str, now: Timestamp, wrong: &mut Violations) -> Option<Timestamp> {
    if days.is_empty() {
        return None;
    }
    match days.parse::<i64>() {
        Ok(days @ 1..=3650) => now.checked_add((days * 24).hours()).ok(),
        _ => {
            wrong.add(
                "/expires_in_days",
                "Give a whole number of days from 1 to 3650, or nothing for no end.",
                Some(days),
            );
            None
        }
    }
}

/// The caller's tokens made before one, the newest first.
pub async fn list_tokens(
    portal: &Portal,
    actor: &Actor,
    before: Option<TokenId>,
    limit: u32,
) -> Result<Vec<Token>> {
    Ok(portal
        .store
        .list_tokens(actor.user.id, before, limit)
        .await?)
}

/// One of the caller's own tokens.
pub async fn find_token(portal: &Portal, actor: &Actor, id: TokenId) -> Result<Token> {
    portal
        .store
        .find_own_token(actor.user.id, id)
        .await?
        .ok_or(Error::NotFound("token"))
}

pub async fn revoke_token(portal: &Portal, actor: &Actor, id: TokenId) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    if !tx.delete_token(&own, id).await? {
        return Err(Error::NotFound("token"));
    }
    tx.add_audit(
        own.by(),
        "token.revoke",
        &id.to_string(),
        "",
        portal.clock.now(),
    )
    .await?;
    Ok(tx.commit().await?)
}
