//! The link with which the first administrator sets a name and a password: for one hour, once.
use super::secret;
use crate::{
    domain::access::{Permitted, Site},
    services::{Error, Portal, Result},
};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;

const VALID_SECONDS: i64 = 3600;

/// Where the link lies, readable by its owner alone.
pub fn file(portal: &Portal) -> PathBuf {
    portal.data.join("first-start-link")
}

/// Makes a link where there is no user yet, and writes it to its file. An older one ends.
pub async fn offer(portal: &Portal) -> Result<Option<String>> {
    if portal.store.count_users().await? > 0 {
        forget(portal);
        return Ok(None);
    }
    let secret = secret::new("")?;
    let site = Permitted::by_system(Site, "first start");
    let value = format!(
        "{} {}",
        portal.clock.now().as_second(),
        secret::hash(secret.expose_secret())
    );
    let mut tx = portal.store.begin().await?;
    tx.set_fact(&site, "first_start", &value).await?;
    tx.commit().await?;
    let link = format!(
        "{}/first-start/{}",
        portal.config.server.url(),
        secret.expose_secret()
    );
    write_private(&file(portal), &format!("{link}\n")).map_err(anyhow::Error::from)?;
    Ok(Some(link))
}

/// What is to be taken from the database when the link is used; an error where it does not hold.
pub async fn check(portal: &Portal, secret: &SecretString) -> Result<String> {
    let gone = || {
        Error::Conflict(
            "This link does not hold any more: it lasts one hour and works once. Start the portal again for a new one, or sign in."
                .into(),
        )
    };
    let value = portal
        .store
        .find_fact("first_start")
        .await?
        .ok_or_else(gone)?;
    let (made, hash) = value.split_once(' ').ok_or_else(gone)?;
    let age = portal.clock.now().as_second() - made.parse::<i64>().unwrap_or(0);
    let given = secret::hash(secret.expose_secret());
    let fits = bool::from(subtle::ConstantTimeEq::ct_eq(
        given.as_bytes(),
        hash.as_bytes(),
    ));
    if fits && age < VALID_SECONDS {
        Ok(value)
    } else {
        Err(gone())
    }
}

/// Removes the file once the link was used.
pub fn forget(portal: &Portal) {
    let file = file(portal);
    if let Err(error) = std::fs::remove_file(&file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %file.display(), %error, "the used link could not be removed");
    }
}

fn write_private(file: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let _ = std::fs::remove_file(file);
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}
