//! Users and their settings. What proves a caller is `auth`'s; this changes the rows.
mod elevation;
mod grants;
mod identities;
mod sessions;
mod tokens;

pub use elevation::{elevate, end_elevation};
pub use grants::{Departure, Reason, depart, heard, try_rules, try_rules_for};
pub use identities::{Arrival, arrive, list_identities};
pub use sessions::{end_other_sessions, end_session, find_session, list_sessions, session_ends};
pub use tokens::{
    TokenDraft, create_token, find_token, list_tokens, may_create_token, revoke_token,
};

use super::{
    Error, Portal, Result,
    error::denied,
    idempotency::{self, Claim, Key, Made},
    site,
};
use crate::{
    domain::{
        access::{Actor, Permitted, Site},
        ids::{SessionId, UserId},
        names::UserName,
        user::{Scope, Theme, User},
        violation::Violations,
    },
    store::{self, NewUser},
};

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
    let id = UserId::new();
    let mut tx = portal.store.begin().await?;
    insert(portal, &mut tx, site, id, draft, password_hash).await?;
    tx.commit().await?;
    find(portal, id).await
}

/// The same by a site administrator; the same key and body give the user that the first call made.
pub async fn create_once(
    portal: &Portal,
    actor: &Actor,
    draft: &Draft,
    password_hash: &str,
    key: Option<&Key>,
) -> Result<Made<User>> {
    let site = site::permit(actor)?;
    let id = UserId::new();
    let tx = portal.store.begin().await?;
    let mut tx = match idempotency::claim(key, portal, tx, actor, &id.to_string()).await? {
        Claim::Free(tx) => tx,
        Claim::Before(first) => return Ok(Made::Again(find(portal, first).await?)),
    };
    insert(portal, &mut tx, &site, id, draft, password_hash).await?;
    tx.commit().await?;
    Ok(Made::New(find(portal, id).await?))
}

/// Whether such a user could be made now.
pub async fn try_create(portal: &Portal, actor: &Actor, draft: &Draft) -> Result<()> {
    let site = site::permit(actor)?;
    let mut tx = portal.store.begin().await?;
    // Not committed.
    insert(portal, &mut tx, &site, UserId::new(), draft, "").await
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
    let id = UserId::new();
    insert(portal, &mut tx, &site, id, &draft, password_hash).await?;
    tx.commit().await?;
    find(portal, id).await
}

async fn insert(
    portal: &Portal,
    tx: &mut store::Tx,
    site: &Permitted<Site>,
    id: UserId,
    draft: &Draft,
    password_hash: &str,
) -> Result<()> {
    let (name, display_name) = checked(draft)?;
    let now = portal.clock.now();
    let user = NewUser {
        id,
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
    Ok(())
}

pub async fn find(portal: &Portal, id: UserId) -> Result<User> {
    portal
        .store
        .find_user(id)
        .await?
        .ok_or(Error::NotFound("user"))
}

/// Sets a new password and ends all of the user's other sessions. The caller has shown the old one.
pub async fn set_password(
    portal: &Portal,
    actor: &Actor,
    hash: &str,
    keep: Option<SessionId>,
) -> Result<()> {
    let own = actor.own_account(Scope::Write).map_err(denied("account"))?;
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

/// Whether this user may sign in.
pub fn check_not_suspended(user: &User) -> Result<()> {
    if user.suspended_at.is_none() {
        return Ok(());
    }
    tracing::info!(user = %user.name, "a suspended user tried to sign in");
    Err(Error::Forbidden(
        "This account is suspended, or waits for approval. Ask the administrators of this portal."
            .into(),
    ))
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
