//! Users, their settings, tokens and sessions. What proves a caller is `auth`'s; this changes the rows.
use super::{Error, Portal, Result, error::denied};
use crate::{
    domain::{
        access::{Actor, Permitted, Site},
        ids::{SessionId, TokenId, UserId},
        names::UserName,
        user::{Elevation, Scope, Session, Theme, Token, User},
        violation::Violations,
    },
    store::{self, NewToken, NewUser},
};
use jiff::{Timestamp, ToSpan as _};

/// What somebody types about a new local account.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub name: String,
    pub display_name: String,
    pub site_admin: bool,
}

/// Everything wrong with a draft, as far as that can be told without looking who is there.
pub fn check(draft: &Draft) -> Violations {
    checked(draft).err().unwrap_or_default()
}

fn checked(draft: &Draft) -> Result<(UserName, String), Violations> {
    let mut wrong = Violations::default();
    let name = UserName::parse(&draft.name);
    if let Err(why) = &name {
        wrong.add("/name", format!("The name {why}."), Some(&draft.name));
    }
    let display = display_name(&draft.display_name, &mut wrong);
    match name {
        Ok(name) if wrong.is_empty() => {
            let display = if display.is_empty() {
                name.to_string()
            } else {
                display
            };
            Ok((name, display))
        }
        _ => Err(wrong),
    }
}

fn display_name(text: &str, wrong: &mut Violations) -> String {
    let text = text.trim();
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        wrong.add(
            "/display_name",
            "Give at most 100 characters on one line.",
            Some(text),
        );
    }
    text.to_owned()
}

/// Makes a user with a password. `site` is an administrator's permission, or the command line's.
pub async fn create(
    portal: &Portal,
    site: &Permitted<Site>,
    draft: &Draft,
    password_hash: &str,
) -> Result<User> {
    let mut tx = portal.store.begin().await?;
    let user = insert(portal, &mut tx, site, draft, password_hash).await?;
    tx.commit().await?;
    find(portal, user).await
}

/// Makes the first user of all, a site administrator; a conflict where there is one already.
pub async fn create_first(
    portal: &Portal,
    draft: &Draft,
    password_hash: &str,
    link_hash: &str,
) -> Result<User> {
    let site = Permitted::by_system(Site, "first start");
    let mut tx = portal.store.begin().await?;
    let used = Error::Conflict("This link was used already, or another was made since. Sign in, or start the portal again for a new link.".into());
    if tx.count_users().await? > 0 || !tx.take_fact(&site, "first_start", link_hash).await? {
        return Err(used);
    }
    let draft = Draft {
        site_admin: true,
        ..draft.clone()
    };
    let user = insert(portal, &mut tx, &site, &draft, password_hash).await?;
    tx.commit().await?;
    find(portal, user).await
}

async fn insert(
    portal: &Portal,
    tx: &mut store::Tx,
    site: &Permitted<Site>,
    draft: &Draft,
    password_hash: &str,
) -> Result<UserId> {
    let (name, display_name) = checked(draft)?;
    let now = portal.clock.now();
    let user = NewUser {
        id: UserId::new(),
        name,
        display_name,
        site_admin: draft.site_admin,
        created_at: now,
    };
    tx.insert_user(site, &user)
        .await
        .map_err(|error| match error {
            store::Error::Duplicate(_) => Error::field(
                "/name",
                format!(
                    "There is a user `{}` already. Choose another name.",
                    user.name
                ),
                Some(user.name.as_str()),
            ),
            other => other.into(),
        })?;
    let own = Permitted::by_system(user.id, "a new account's first password");
    tx.set_password(&own, password_hash, now).await?;
    tx.add_audit(
        site.by(),
        "user.create",
        user.name.as_str(),
        if draft.site_admin {
            "site administrator"
        } else {
            ""
        },
        now,
    )
    .await?;
    Ok(user.id)
}

async fn find(portal: &Portal, id: UserId) -> Result<User> {
    portal
        .store
        .find_user(id)
        .await?
        .ok_or(Error::NotFound("user"))
}

/// Sets a new password and ends all of the user's other sessions.
pub async fn set_password(
    portal: &Portal,
    actor: &Actor,
    hash: &str,
    keep: Option<SessionId>,
) -> Result<()> {
    let own = actor.own_account(Scope::Admin).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    tx.set_password(&own, hash, portal.clock.now()).await?;
    tx.delete_other_sessions(&own, keep).await?;
    tx.add_audit(
        own.by(),
        "user.password",
        actor.user.name.as_str(),
        "",
        portal.clock.now(),
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Changes how one is called and how pages look. An empty zone follows the browser.
pub async fn set_profile(
    portal: &Portal,
    actor: &Actor,
    name: &str,
    zone: &str,
    theme: &str,
) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut wrong = Violations::default();
    let name = display_name(name, &mut wrong);
    if !zone.is_empty() && jiff::tz::TimeZone::get(zone).is_err() {
        wrong.add(
            "/time_zone",
            "Choose a zone of the list, such as `Europe/Oslo`.",
            Some(zone),
        );
    }
    let theme = theme.parse::<Theme>().unwrap_or_else(|why| {
        wrong.add("/theme", format!("The theme {why}."), Some(theme));
        Theme::Auto
    });
    wrong.into_result(())?;
    let name = if name.is_empty() {
        actor.user.name.to_string()
    } else {
        name
    };
    let mut tx = portal.store.begin().await?;
    tx.set_profile(&own, &name, (!zone.is_empty()).then_some(zone), theme)
        .await?;
    Ok(tx.commit().await?)
}

/// Keeps a new token's hash. `expires_in_days` from 1 to 3,650; none means until revoked.
pub async fn create_token(
    portal: &Portal,
    actor: &Actor,
    name: &str,
    scope: &str,
    expires_in_days: &str,
    secret_hash: String,
) -> Result<Token> {
    let own = actor.own_account(Scope::Admin).map_err(denied("account"))?;
    let now = portal.clock.now();
    let mut wrong = Violations::default();
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        wrong.add(
            "/name",
            "Say what the token is for, in 1 to 100 characters.",
            Some(name),
        );
    }
    let scope = scope.parse::<Scope>().unwrap_or_else(|why| {
        wrong.add("/scope", format!("The scope {why}."), Some(scope));
        Scope::Read
    });
    if scope == Scope::Admin && !actor.user.site_admin {
        wrong.add("/scope", "Only a site administrator's token can have the scope `admin`. Choose `read` or `write`.", None);
    }
    let expires_at = expiry(expires_in_days, now, &mut wrong);
    wrong.into_result(())?;
    let token = NewToken {
        id: TokenId::new(),
        secret_hash,
        name: name.to_owned(),
        scope,
        created_at: now,
        expires_at,
    };
    let mut tx = portal.store.begin().await?;
    tx.insert_token(&own, &token).await?;
    tx.add_audit(
        own.by(),
        "token.create",
        &token.id.to_string(),
        scope.as_str(),
        now,
    )
    .await?;
    tx.commit().await?;
    Ok(Token {
        id: token.id,
        user: actor.user.id,
        name: token.name,
        scope,
        created_at: now,
        expires_at,
        last_used_at: None,
    })
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

pub async fn list_tokens(portal: &Portal, actor: &Actor) -> Result<Vec<Token>> {
    Ok(portal.store.list_tokens(actor.user.id).await?)
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

/// The moments before which a session has ended, by rest and by age.
pub fn session_ends(portal: &Portal) -> (Timestamp, Timestamp) {
    let now = portal.clock.now();
    let before = |seconds: u64| {
        now.checked_sub(std::time::Duration::from_secs(seconds))
            .unwrap_or(Timestamp::MIN)
    };
    let config = &portal.config.sign_in;
    (before(config.idle_seconds), before(config.absolute_seconds))
}

pub async fn list_sessions(portal: &Portal, actor: &Actor) -> Result<Vec<Session>> {
    let (idle, born) = session_ends(portal);
    Ok(portal
        .store
        .list_sessions(actor.user.id, idle, born)
        .await?)
}

pub async fn end_session(portal: &Portal, actor: &Actor, id: SessionId) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    if !tx.delete_session(&own, id).await? {
        return Err(Error::NotFound("session"));
    }
    Ok(tx.commit().await?)
}

pub async fn end_other_sessions(portal: &Portal, actor: &Actor, keep: SessionId) -> Result<()> {
    let own = actor.own_account(Scope::Admin).map_err(denied("account"))?;
    let mut tx = portal.store.begin().await?;
    tx.delete_other_sessions(&own, Some(keep)).await?;
    Ok(tx.commit().await?)
}

/// Lets a site administrator see other people's private projects for a time.
pub async fn elevate(portal: &Portal, actor: &Actor, reason: &str) -> Result<()> {
    let site = actor.administers().map_err(denied("page"))?;
    let reason = reason.trim();
    if reason.chars().count() < 5 || reason.chars().count() > 500 {
        return Err(Error::field(
            "/reason",
            "Say why, in 5 to 500 characters; it is kept in the audit log.",
            Some(reason),
        ));
    }
    let now = portal.clock.now();
    let until = now
        .checked_add(std::time::Duration::from_secs(
            portal.config.sign_in.elevation_seconds,
        ))
        .unwrap_or(now);
    let mut tx = portal.store.begin().await?;
    tx.set_elevation(
        &site,
        Some(&Elevation {
            until,
            reason: reason.to_owned(),
        }),
    )
    .await?;
    tx.add_audit(
        site.by(),
        "elevation.begin",
        actor.user.name.as_str(),
        reason,
        now,
    )
    .await?;
    Ok(tx.commit().await?)
}

pub async fn end_elevation(portal: &Portal, actor: &Actor) -> Result<()> {
    let site = actor.administers().map_err(denied("page"))?;
    let mut tx = portal.store.begin().await?;
    tx.set_elevation(&site, None).await?;
    tx.add_audit(
        site.by(),
        "elevation.end",
        actor.user.name.as_str(),
        "",
        portal.clock.now(),
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Suspends a user, whose sessions and tokens then do not count, or takes that back.
pub async fn set_suspended(
    portal: &Portal,
    site: &Permitted<Site>,
    name: &str,
    suspended: bool,
) -> Result<()> {
    let name = UserName::parse(name).map_err(|_| Error::NotFound("user"))?;
    let user = portal
        .store
        .find_user_by_name(&name)
        .await?
        .ok_or(Error::NotFound("user"))?;
    if suspended && site.by() == Some(user.id) {
        return Err(Error::Conflict(
            "You cannot suspend yourself. Ask another site administrator.".into(),
        ));
    }
    let now = portal.clock.now();
    let mut tx = portal.store.begin().await?;
    tx.set_suspended(site, user.id, suspended.then_some(now))
        .await?;
    let action = if suspended {
        "user.suspend"
    } else {
        "user.restore"
    };
    tx.add_audit(site.by(), action, name.as_str(), "", now)
        .await?;
    Ok(tx.commit().await?)
}
