//! Browsers that fetch straight from the store, by addresses that the portal signs.
use super::{
    super::{Error, Result, keys::Key},
    S3,
    error::{Said, said},
};
use aws_sdk_s3::{
    presigning::PresigningConfig,
    types::{CorsConfiguration, CorsRule},
};
use std::time::Duration;

/// How long a signed address is good for.
const GOOD_FOR: Duration = Duration::from_secs(300);
/// The name of the portal's own rule.
const RULE: &str = "tourmaline";

impl S3 {
    /// An address from which a browser downloads the object for a few minutes; `None` where browsers do not reach the
    /// store. `disposition` and `mime` are the headers that the store is to answer with.
    pub(in super::super) async fn download_address(
        &self,
        key: &Key,
        disposition: &str,
        mime: &str,
    ) -> Result<Option<String>> {
        let Some(client) = &self.0.clients.browser else {
            return Ok(None);
        };
        let good_for = PresigningConfig::expires_in(GOOD_FOR)
            .map_err(|error| Error::Internal(error.into()))?;
        let signed = client
            .get_object()
            .bucket(self.bucket())
            .key(self.place(key.as_str()))
            .response_content_disposition(disposition)
            .response_content_type(mime)
            .response_cache_control("private, no-cache")
            .presigned(good_for)
            .await
            .map_err(|error| self.failed("signing an address", &error))?;
        Ok(Some(signed.uri().to_owned()))
    }

    /// Lets the portal's pages talk to the store. Rules that the operator made stay. Where the store refuses it, only
    /// that does not work, and it is said.
    pub(super) async fn allow_browsers(&self) {
        if let Err(why) = self.set_cors(&self.0.origin).await {
            tracing::warn!(store = self.0.name, %why, "CORS was not set: pages cannot talk to the store");
        }
    }

    async fn set_cors(&self, origin: &str) -> Result<()> {
        let found = self
            .quick()
            .get_bucket_cors()
            .bucket(self.bucket())
            .send()
            .await;
        let mut rules = match found {
            Ok(found) => found.cors_rules.unwrap_or_default(),
            Err(error) if said(&error) == Said::Missing => Vec::new(),
            Err(error) => return Err(self.failed("reading CORS", &error)),
        };
        let built = CorsRule::builder()
            .id(RULE)
            .allowed_origins(origin)
            .set_allowed_methods(Some(["GET", "HEAD", "PUT"].map(String::from).to_vec()))
            .allowed_headers("*")
            .expose_headers("ETag")
            .max_age_seconds(3600)
            .build();
        let rule = built.map_err(|error| Error::Internal(error.into()))?;
        if rules.contains(&rule) {
            return Ok(());
        }
        rules.retain(|other| other.id() != Some(RULE));
        rules.push(rule);
        let all = CorsConfiguration::builder()
            .set_cors_rules(Some(rules))
            .build()
            .map_err(|error| Error::Internal(error.into()))?;
        self.quick()
            .put_bucket_cors()
            .bucket(self.bucket())
            .cors_configuration(all)
            .send()
            .await
            .map_err(|error| self.failed("setting CORS", &error))?;
        Ok(())
    }
}
