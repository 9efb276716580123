//! Passwords of local accounts: argon2id, off the async threads and a few at a time.
use super::{Auth, limits::Network};
use crate::{
    config::SignIn,
    domain::{access::Actor, names::UserName, user::User, violation::Violations},
    services::{
        Error, Portal, Result, accounts,
        idempotency::{Key, Made},
        site,
    },
};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};

/// A password's most bytes: hashing reads all of them.
const LONGEST: usize = 1000;

/// Checks that a new password is one to take. `name` is the user's.
pub fn check_new(field: &str, password: &SecretString, name: &str) -> Violations {
    let mut wrong = Violations::default();
    let text = password.expose_secret();
    let count = text.chars().count();
    if count < 10 {
        wrong.add(
            field,
            "Use at least 10 characters; a few words in a row are easy to keep in mind.",
            None,
        );
    } else if text.len() > LONGEST {
        wrong.add(field, "Use at most 1,000 bytes.", None);
    } else if !name.is_empty()
        && text.to_lowercase().contains(&name.to_lowercase())
        && count < name.len() + 6
    {
        wrong.add(field, "Do not use your name as the password.", None);
    }
    wrong
}

/// Everything that is wrong with a new account's name and first password.
pub fn problems(draft: &accounts::Draft, password: &SecretString) -> Violations {
    let mut wrong = accounts::check(draft);
    wrong.extend(check_new("/password", password, &draft.name));
    wrong
}

impl Auth {
    /// Who has this name and password. `address` is where the request came from.
    pub async fn sign_in(
        &self,
        portal: &Portal,
        name: &str,
        password: SecretString,
        address: &str,
    ) -> Result<User> {
        let name = UserName::parse(name.trim()).ok();
        let network = Network::of(address);
        let tried = self.limits.try_once(name.clone(), network);
        let tried = tried.map_err(too_many("Too many tries to sign in."))?;
        let user = match &name {
            Some(name) => portal.store.find_user_by_name(name).await?,
            None => None,
        };
        if let Some(delay) = tried.delay
            && !self
                .is_signed_in_from(portal, user.as_ref(), network)
                .await?
        {
            tokio::time::sleep(delay).await;
        }
        let wrong = || Error::field("/password", "Name and password do not fit together.", None);
        let hash = match &user {
            Some(user) => portal.store.find_password(user.id).await?,
            None => None,
        };
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        let fits = self.verify(hash, password).await?;
        let Some(user) = user.filter(|_| known && fits) else {
            return Err(wrong());
        };
        tried.forgive();
        accounts::check_not_suspended(&user)?;
        Ok(user)
    }

    /// Whether somebody has a living session of this account in this network.
    async fn is_signed_in_from(
        &self,
        portal: &Portal,
        user: Option<&User>,
        network: Network,
    ) -> Result<bool> {
        let Some(user) = user else {
            return Ok(false);
        };
        let (idle, born) = accounts::session_ends(portal);
        let addresses = portal
            .store
            .list_session_addresses(user.id, idle, born)
            .await?;
        Ok(addresses
            .iter()
            .any(|address| Network::of(address) == network))
    }

    /// Whether the caller knows their own password.
    pub async fn confirm(
        &self,
        portal: &Portal,
        user: &User,
        field: &str,
        password: SecretString,
        address: &str,
    ) -> Result<()> {
        let tried = self
            .limits
            .try_once(Some(user.name.clone()), Network::of(address));
        let tried = tried.map_err(too_many("Too many tries."))?;
        let hash = portal.store.find_password(user.id).await?;
        let fits = match hash {
            Some(hash) => self.verify(hash, password).await?,
            None => false,
        };
        if fits {
            tried.forgive();
            Ok(())
        } else {
            Err(Error::field(field, "This is not your password.", None))
        }
    }

    /// Makes a local account; all that is wrong with name and password is told at once.
    pub async fn create_user(
        &self,
        portal: &Portal,
        actor: &Actor,
        draft: &accounts::Draft,
        password: SecretString,
        key: Option<&Key>,
    ) -> Result<Made<User>> {
        site::permit(actor)?;
        problems(draft, &password).into_result(())?;
        let hash = self.hash(portal, password).await?;
        accounts::create_once(portal, actor, draft, &hash, key).await
    }

    /// The hash to keep of a new password.
    pub async fn hash(&self, portal: &Portal, password: SecretString) -> Result<String> {
        let settings = portal.config.sign_in.clone();
        let _turn = self.turn().await?;
        let hash =
            tokio::task::spawn_blocking(move || hash_now(&settings, password.expose_secret()))
                .await
                .map_err(anyhow::Error::from)??;
        Ok(hash)
    }

    async fn verify(&self, hash: String, password: SecretString) -> Result<bool> {
        if password.expose_secret().len() > LONGEST {
            return Ok(false);
        }
        let _turn = self.turn().await?;
        let fits = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
        .map_err(anyhow::Error::from)?;
        Ok(fits)
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        let wait = std::time::Duration::from_secs(10);
        match tokio::time::timeout(wait, self.hashing.acquire()).await {
            Ok(turn) => Ok(turn.map_err(anyhow::Error::from)?),
            Err(_) => Err(Error::TooMany {
                why: "Many people sign in at this moment. Try again in a few seconds.".into(),
                retry_seconds: 5,
            }),
        }
    }
}

fn too_many(what: &'static str) -> impl Fn(u64) -> Error {
    move |wait| Error::TooMany {
        why: format!("{what} Wait {wait} seconds and try again."),
        retry_seconds: wait,
    }
}

/// Hashes on this thread: for the command line and the start.
pub fn hash_now(settings: &SignIn, password: &str) -> anyhow::Result<String> {
    let params = Params::new(settings.argon2_memory_kib, settings.argon2_passes, 1, None)
        .map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
    Ok(hash.to_string())
}
