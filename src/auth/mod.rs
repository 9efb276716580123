//! Proves who is calling: passwords, identity providers, sessions, tokens, the first-start link. What it learns it hands to
//! `services::accounts`, which changes the rows; only the session's own row is written here.
pub mod first_start;
mod limits;
pub mod oidc;
pub mod passwords;
pub mod proof;
pub mod secret;
mod session_check;
pub mod sessions;
pub mod tokens;

use crate::services::Portal;
use limits::Limits;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What sign-in needs besides the portal: bounds on hashing and on guessing.
#[derive(Clone)]
pub struct Auth {
    hashing: Arc<Semaphore>,
    limits: Arc<Limits>,
    /// Compared with where there is no such user, so that both answers take as long.
    decoy: Arc<str>,
    pub providers: oidc::Providers,
}

impl Auth {
    pub fn new(portal: &Portal) -> anyhow::Result<Self> {
        let settings = &portal.config.sign_in;
        Ok(Self {
            hashing: Arc::new(Semaphore::new(settings.argon2_at_once)),
            limits: Arc::default(),
            decoy: passwords::hash_now(settings, "no user has this password")?.into(),
            providers: oidc::Providers::new(&portal.config)?,
        })
    }
}
