//! Whether the store can be used: the bucket made if it is missing, each right tried on an object of the portal's own.
use super::{
    super::{Error, NotReady, Result, keys},
    S3,
    error::{Said, said},
    list::Depth,
};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::Bytes;

impl S3 {
    /// Whether the bucket answers.
    pub(in super::super) async fn ping(&self) -> Result<()> {
        // Once: who asks wants to know how it is now.
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let looked = self
            .quick()
            .head_bucket()
            .bucket(self.bucket())
            .customize()
            .config_override(once)
            .send()
            .await;
        match looked {
            Ok(_) => Ok(()),
            Err(error) if said(&error) == Said::Missing => Err(Error::Unavailable(format!(
                "{} has no bucket `{}`",
                self.0.name,
                self.bucket()
            ))),
            Err(error) => Err(self.failed("looking for the bucket", &error)),
        }
    }

    pub(in super::super) async fn prepare(&self) -> Result<(), NotReady> {
        self.bucket_must_be_there().await?;
        self.rights_must_be_there().await?;
        if self.0.settings.browser_endpoint.is_some() {
            self.allow_browsers().await;
        }
        Ok(())
    }

    async fn bucket_must_be_there(&self) -> Result<(), NotReady> {
        let looked = self
            .quick()
            .head_bucket()
            .bucket(self.bucket())
            .send()
            .await;
        let Err(error) = looked else { return Ok(()) };
        match said(&error) {
            Said::Missing | Said::NoBucket => {}
            Said::Refused => return Err(self.refused("look into the bucket", "s3:ListBucket")),
            _ => {
                return Err(NotReady::Down(
                    self.failed("looking for the bucket", &error).to_string(),
                ));
            }
        }
        let region = &self.0.settings.region;
        // Where `us-east-1` lies is said by saying nothing.
        let place = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region.as_str()))
                .build()
        });
        let made = self.make_bucket(place.clone()).await;
        let made = match made {
            // Ceph calls its places otherwise than its region.
            Err(Made::NoSuchPlace) if place.is_some() => self.make_bucket(None).await,
            made => made,
        };
        match made {
            Ok(()) => {
                tracing::info!(
                    store = self.0.name,
                    bucket = self.bucket(),
                    "the bucket was made"
                );
                Ok(())
            }
            Err(Made::Refused) => {
                Err(self.refused("make the bucket, which is missing", "s3:CreateBucket"))
            }
            Err(Made::Taken) => Err(NotReady::Refused(format!(
                "storage.bucket: the bucket `{}` of {} belongs to somebody else; name another",
                self.bucket(),
                self.0.name
            ))),
            Err(Made::NoSuchPlace) => Err(NotReady::Refused(format!(
                "storage.region: {} has no place `{region}` for the bucket; make the bucket by hand, or name its region",
                self.0.name
            ))),
            Err(Made::Failed(error)) => Err(NotReady::Down(error.to_string())),
        }
    }

    async fn make_bucket(&self, place: Option<CreateBucketConfiguration>) -> Result<(), Made> {
        let made = self
            .quick()
            .create_bucket()
            .bucket(self.bucket())
            .set_create_bucket_configuration(place)
            .send()
            .await;
        let Err(error) = made else { return Ok(()) };
        let code = error
            .as_service_error()
            .and_then(|error| error.meta().code());
        Err(match code {
            // Another replica was quicker.
            Some("BucketAlreadyOwnedByYou") => return Ok(()),
            Some("BucketAlreadyExists") => Made::Taken,
            Some("InvalidLocationConstraint" | "IllegalLocationConstraintException") => {
                Made::NoSuchPlace
            }
            _ if said(&error) == Said::Refused => Made::Refused,
            _ => Made::Failed(self.failed("making the bucket", &error)),
        })
    }

    /// Puts, reads, finds and deletes an object; says all rights that are missing at once.
    async fn rights_must_be_there(&self) -> Result<(), NotReady> {
        let place = self.place(&keys::probe());
        let put = self.put_whole(&place, Bytes::from_static(b"probe")).await;
        // What is not there is no want of a right: a put that was refused is said once.
        let may_be_missing = |result: Result<()>| match result {
            Err(Error::NotFound) => Ok(()),
            result => result,
        };
        let get = may_be_missing(self.look(&place).await.map(drop));
        let list = self.raw(&place, Depth::All, None, None, 1).await.map(drop);
        let delete = self.remove(&place).await;
        let mut refused = Vec::new();
        for (what, right, result) in [
            ("write", "s3:PutObject", put.map(drop)),
            ("read", "s3:GetObject", get),
            ("list", "s3:ListBucket", list),
            ("delete", "s3:DeleteObject", delete),
        ] {
            match result {
                Ok(()) => {}
                Err(Error::Unavailable(why)) if why.contains(" refuses ") => {
                    refused.push(format!("{what} ({right})"));
                }
                Err(error) => return Err(NotReady::Down(error.to_string())),
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        Err(NotReady::Refused(format!(
            "storage.access_key: this key may not {} in the bucket `{}` of {}",
            refused.join(", "),
            self.bucket(),
            self.0.name
        )))
    }

    fn refused(&self, what: &str, right: &str) -> NotReady {
        NotReady::Refused(format!(
            "storage.access_key: this key, or its secret, may not {what} ({right}): bucket `{}` of {}",
            self.bucket(),
            self.0.name
        ))
    }
}

/// Why a bucket was not made.
enum Made {
    Refused,
    Taken,
    NoSuchPlace,
    Failed(Error),
}
