//! Users who come by an identity provider: found by what it knows them by, or made at their first sign-in.
use super::{
    Error, Portal, Result, find,
    grants::{Kept, apply},
};
use crate::{
    config::FirstLogin,
    domain::{
        access::{Actor, Permitted, Site},
        ids::{IdentityId, UserId},
        names::{ProviderName, UserName},
        user::{Identity, User},
    },
    store::{self, NewIdentity, NewUser},
};

/// Who has come, as a provider says that the portal trusts.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub provider: ProviderName,
    pub issuer: String,
    /// What tells people apart there.
    pub subject: String,
    /// What its tokens call them.
    pub sub: String,
    /// From which a new user's name may be drawn, the best first.
    pub names: Vec<String>,
    /// May be empty.
    pub display_name: String,
    pub mail: Option<String>,
    pub groups: Vec<String>,
    pub entitlements: Vec<String>,
    pub first_login: FirstLogin,
}

/// How many names are tried before a new user gets one that nobody has.
const TRIES: usize = 100;

/// The user who has come, and by which identity; made where it is the first time.
pub async fn arrive(portal: &Portal, arrival: &Arrival) -> Result<(User, IdentityId)> {
    let claims = Kept::of(arrival)?;
    let mut new = NewIdentity {
        id: IdentityId::new(),
        provider: &arrival.provider,
        issuer: &arrival.issuer,
        subject: &arrival.subject,
        sub: &arrival.sub,
        mail: arrival.mail.as_deref(),
        claims: &claims,
        at: portal.clock.now(),
    };
    // Again where somebody else took the name, or the same person came twice at once.
    for attempt in 0..TRIES {
        let known = portal
            .store
            .find_identity(&arrival.issuer, &arrival.subject)
            .await?;
        if let Some(known) = known {
            new.id = known.id;
            let own = Permitted::by_system(known.user, "sign-in by a provider");
            let mut tx = portal.store.begin().await?;
            tx.touch_identity(&own, &new).await?;
            apply(portal, &mut tx, known.user).await?;
            tx.commit().await?;
            return Ok((find(portal, known.user).await?, known.id));
        }
        if arrival.first_login == FirstLogin::Refuse {
            return Err(Error::Forbidden(
                "You are not known here, and newcomers are not taken. Ask the administrators of this portal.".into(),
            ));
        }
        let name = candidate(arrival, attempt);
        if portal.store.find_user_by_name(&name).await?.is_some() {
            continue;
        }
        match create(portal, arrival, name, &new).await {
            Err(store::Error::Duplicate(_)) => {}
            made => {
                let user = made?;
                let mut tx = portal.store.begin().await?;
                apply(portal, &mut tx, user).await?;
                tx.commit().await?;
                return Ok((find(portal, user).await?, new.id));
            }
        }
    }
    Err(Error::Internal(anyhow::anyhow!(
        "no name was free for a new user"
    )))
}

async fn create(
    portal: &Portal,
    arrival: &Arrival,
    name: UserName,
    new: &NewIdentity<'_>,
) -> Result<UserId, store::Error> {
    let site = Permitted::by_system(Site, "a newcomer by a provider");
    let user = NewUser {
        id: UserId::new(),
        display_name: display_name(&arrival.display_name, &name),
        name,
        site_admin: false,
        created_at: new.at,
    };
    let own = Permitted::by_system(user.id, "sign-in by a provider");
    let waits = arrival.first_login == FirstLogin::Approve;
    let mut tx = portal.store.begin().await?;
    tx.insert_user(&site, &user).await?;
    tx.insert_identity(&own, new).await?;
    if waits {
        tx.set_suspended(&site, user.id, Some(new.at)).await?;
    }
    let by = arrival.provider.as_str();
    let detail = if waits {
        format!("by {by}; waits for approval")
    } else {
        format!("by {by}")
    };
    tx.add_audit(None, "user.create", user.name.as_str(), &detail, new.at)
        .await?;
    tx.commit().await?;
    Ok(user.id)
}

/// A legal name, drawn from what the provider says: the first time the best, then with a number. Letters of other alphabets
/// go, so that nobody looks like somebody else.
fn candidate(arrival: &Arrival, attempt: usize) -> UserName {
    let drawn = arrival.names.iter().find_map(|text| slug(text));
    let base = drawn.unwrap_or_else(|| "user".into());
    let suffix = match attempt {
        0 => String::new(),
        // After a while one that cannot be taken.
        n if n > TRIES / 2 => format!("-{}", uuid::Uuid::new_v4().simple()),
        n => format!("-{}", n + 1),
    };
    let cut: String = base.chars().take(64 - suffix.len()).collect();
    UserName::parse(&format!("{cut}{suffix}"))
        .or_else(|_| UserName::parse(&format!("user{suffix}")))
        .unwrap_or_else(|_| unreachable!("letters, digits and dashes"))
}

fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' | '-' => slug.push(c),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug
        .trim_start_matches(['.', '_', '-'])
        .trim_end_matches('-');
    (slug.len() > 1).then(|| slug.chars().take(40).collect())
}

/// One line, without what turns the direction of writing.
fn display_name(text: &str, name: &UserName) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let clean: String = text.chars().filter(|c| !odd(*c)).take(100).collect();
    let clean = clean.trim();
    if clean.is_empty() {
        name.to_string()
    } else {
        clean.to_owned()
    }
}

/// By what the caller is known elsewhere, the oldest first.
pub async fn list_identities(portal: &Portal, actor: &Actor) -> Result<Vec<Identity>> {
    Ok(portal.store.list_identities(actor.user.id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_drawn_that_are_legal() {
        for (text, name) in [
            ("ada", Some("ada")),
            ("Ada Lovelace", Some("ada-lovelace")),
            ("  ada@example.org", Some("ada-example.org")),
            ("\u{430}dmin", Some("dmin")),
            ("ADMIN", Some("admin")),
            ("..", None),
            ("李", None),
            ("", None),
        ] {
            assert_eq!(slug(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn how_somebody_is_called_turns_nothing_around() {
        let name = UserName::parse("ada").expect("a name");
        assert_eq!(display_name("A\u{202e}da\n ", &name), "Ada");
        assert_eq!(display_name("\u{200b}", &name), "ada");
        assert_eq!(display_name(&"x".repeat(300), &name).len(), 100);
    }
}
