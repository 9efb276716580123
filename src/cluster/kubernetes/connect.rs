//! From settings to a client. Tokens and certificates in files are read again when they change.
use crate::config::Kubernetes;
use http::Uri;
use kube::{
    Client, Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use std::time::Duration;

pub async fn client(settings: &Kubernetes) -> kube::Result<Client> {
    let mut config = config(settings).await?;
    // Whoever calls tries again at its own pace; a client that does so by itself would hold it up for minutes.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(settings.timeout_seconds));
    if let Some(proxy) = &settings.proxy {
        config.proxy_url = Some(uri(proxy)?);
    }
    Client::try_from(config)
}

async fn config(settings: &Kubernetes) -> kube::Result<Config> {
    if settings.in_cluster {
        return Config::incluster().map_err(|error| kube::Error::Service(Box::new(error)));
    }
    if let Some(file) = &settings.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(file)?;
        let options = KubeConfigOptions {
            context: settings.context.clone(),
            ..KubeConfigOptions::default()
        };
        return Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?);
    }
    let mut config = Config::new(uri(settings.url.as_deref().unwrap_or_default())?);
    config.root_cert_file.clone_from(&settings.ca_file);
    config.auth_info = AuthInfo {
        token_file: settings
            .token_file
            .as_ref()
            .map(|file| file.display().to_string()),
        ..AuthInfo::default()
    };
    Ok(config)
}

fn uri(text: &str) -> kube::Result<Uri> {
    text.parse()
        .map_err(|error: http::uri::InvalidUri| kube::Error::HttpError(error.into()))
}
