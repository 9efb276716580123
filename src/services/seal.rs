//! Secrets that must be read again, such as a provider's tokens: in rows they are encrypted (AES-256-GCM) with a key that
//! lies beside the database and not in it.
use anyhow::Context as _;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};

#[derive(Clone)]
pub struct Seal(Arc<RandomizedNonceKey>);

impl Seal {
    /// The key of the settings' file; a portal whose settings name none has one in its data folder, made at the first start.
    pub fn open(named: Option<&Path>, data: &Path) -> anyhow::Result<Self> {
        let own = data.join("secret-key");
        if named.is_none() && !own.exists() {
            make(&own).with_context(|| own.display().to_string())?;
        }
        let file = named.unwrap_or(&own);
        Self::read(file).with_context(|| format!("server.secret_key_file: {}", file.display()))
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = SecretString::from(std::fs::read_to_string(file)?);
        let key = STANDARD.decode(text.expose_secret().trim());
        let key = key.ok().filter(|key| key.len() == 32);
        let key = key
            .context("it must hold 32 bytes in Base64, such as `openssl rand -base64 32` makes")?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map_err(|_| anyhow::anyhow!("it holds no key of AES-256"))?;
        Ok(Self(Arc::new(key)))
    }

    /// `place` names the row: what was sealed for one place cannot be opened in another.
    pub fn seal(&self, place: &str, secret: &SecretString) -> anyhow::Result<String> {
        let mut bytes = secret.expose_secret().as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut bytes)
            .map_err(|_| anyhow::anyhow!("a secret could not be encrypted"))?;
        let mut all = nonce.as_ref().to_vec();
        all.append(&mut bytes);
        Ok(STANDARD.encode(all))
    }

    /// None where it was sealed with another key or for another place.
    pub fn unseal(&self, place: &str, sealed: &str) -> Option<SecretString> {
        let all = STANDARD.decode(sealed).ok()?;
        let (nonce, rest) = all.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = rest.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut bytes)
            .ok()?;
        Some(String::from_utf8(plain.to_vec()).ok()?.into())
    }
}

fn make(file: &Path) -> anyhow::Result<()> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    // A link appears whole or not at all, and to one maker alone.
    let draft = file.with_extension(uuid::Uuid::new_v4().simple().to_string());
    let mut options = std::fs::File::options();
    let mut new = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(new, "{}", STANDARD.encode(key))?;
    new.sync_all()?;
    let linked = std::fs::hard_link(&draft, file);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret-key");
        let seal = Seal::open(None, folder.path()).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let secret = SecretString::from("a refresh token");
        let sealed = seal.seal("sessions/1", &secret).unwrap();
        assert!(!sealed.contains("refresh"));
        assert_ne!(sealed, seal.seal("sessions/1", &secret).unwrap());
        let again = Seal::open(Some(&file), Path::new("/nowhere")).unwrap();
        let opened = again.unseal("sessions/1", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), "a refresh token");
        assert!(seal.unseal("sessions/2", &sealed).is_none());
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Seal::open(None, elsewhere.path()).unwrap();
        assert!(other.unseal("sessions/1", &sealed).is_none());
        for odd in ["", "AAAA", "no base64", &sealed[4..]] {
            assert!(seal.unseal("sessions/1", odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "c2hvcnQ=").unwrap();
        let error = Seal::open(Some(&file), folder.path()).err().unwrap();
        assert!(
            format!("{error:#}").contains("32 bytes in Base64"),
            "{error:#}"
        );
        // One that is named is not made: a slip of the pen would be a new key.
        let missing = folder.path().join("missing");
        assert!(Seal::open(Some(&missing), folder.path()).is_err());
        assert!(!missing.exists());
    }
}
