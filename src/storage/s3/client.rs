//! Clients of one store: how it is reached, how long is waited for it and how often it is asked again.
use crate::config::Storage as Settings;
use anyhow::Context as _;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::tls;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use secrecy::ExposeSecret as _;
use std::{path::Path, time::Duration};

/// A connection that is not made in this time is not made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one try of a question without bytes may take, and how long all of them.
const QUICK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(12));
/// The same for a part of bytes on its way, for a copy inside the store and for putting parts together.
const BULK: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(900));
/// Tries of one call. Over all calls the SDK keeps a budget: a store in trouble is not asked three times as much.
const TRIES: u32 = 3;

pub(super) struct Clients {
    /// For questions without bytes: pages wait for them.
    pub quick: Client,
    /// For bytes.
    pub bulk: Client,
    /// Signs for the address that browsers use; sends nothing.
    pub browser: Option<Client>,
    /// Makes credentials for jobs.
    pub sts: aws_sdk_sts::Client,
}

pub(super) fn clients(settings: &Settings, endpoint: &str) -> anyhow::Result<Clients> {
    let (access, secret) = settings.keys()?;
    let keys = Credentials::new(
        access.expose_secret(),
        secret.expose_secret(),
        None,
        None,
        "settings",
    );
    let http = http(settings)?;
    let base = |endpoint: &str, (one, all)| {
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(settings.region.clone()))
            .force_path_style(settings.path_style)
            .credentials_provider(keys.clone())
            .http_client(http.clone())
            // Not every store knows the newer checksums; bodies are signed all the same.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(retries())
            .timeout_config(timeouts(one, all))
    };
    let sts = aws_sdk_sts::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(settings.region.clone()))
        .credentials_provider(keys.clone())
        .http_client(http.clone())
        .retry_config(retries())
        .timeout_config(timeouts(QUICK.0, QUICK.1));
    Ok(Clients {
        quick: Client::from_conf(base(endpoint, QUICK).build()),
        bulk: Client::from_conf(base(endpoint, BULK).build()),
        browser: settings
            .browser_endpoint
            .as_deref()
            .map(|endpoint| Client::from_conf(base(endpoint, QUICK).build())),
        sts: aws_sdk_sts::Client::from_conf(sts.build()),
    })
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(5))
}

fn timeouts(one: Duration, all: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(one)
        .operation_timeout(all)
        .build()
}

fn http(settings: &Settings) -> anyhow::Result<SharedHttpClient> {
    let mut trust = tls::TrustStore::default();
    if let Some(file) = &settings.ca_file {
        let pem =
            authorities(file).with_context(|| format!("storage.ca_file: {}", file.display()))?;
        trust = trust.with_pem_certificate(pem);
    }
    let context = tls::TlsContext::builder().with_trust_store(trust).build()?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .tls_context(context)
        .build_https())
}

/// A file of certificates, which must be such: the client panics at its first use otherwise.
fn authorities(file: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.context("it is no PEM")?)?;
    }
    anyhow::ensure!(!roots.is_empty(), "it holds no certificate in PEM");
    Ok(pem)
}
