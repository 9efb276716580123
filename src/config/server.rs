//! `[server]`: where the portal listens and how it is reached.
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

/// One address, or all of a network: `192.0.2.10`, `10.232.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse::<IpAddr>();
        let net = address.map_or_else(
            |_| text.parse(),
            |address| Ok(address.to_canonical().into()),
        );
        net.map(Self).map_err(|_| {
            format!("`{text}` must be an address or a network, such as 192.0.2.10 or 10.232.0.0/16")
        })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Default `127.0.0.1:8080`. An address that others reach needs an https `public_url`.
    pub listen: SocketAddr,
    /// How browsers reach the portal, such as `https://portal.example`; default `http://` and the address it listens on.
    /// With https the session cookie is `__Host-tourmaline` and Secure.
    pub public_url: Option<String>,
    /// Addresses and networks of reverse proxies whose `X-Forwarded-For` counts; default none.
    pub trusted_proxies: Vec<Network>,
    /// The largest file that one upload may bring, in bytes; default 100 GiB.
    pub upload_limit: u64,
    /// Requests with tokens that one user may send in a second, on and on; default 50. More are refused with 429.
    pub api_requests_per_second: u32,
    /// Requests with tokens that one user may send at a stroke; default 500.
    pub api_requests_at_once: u32,
    /// What the portal writes to standard error: `text` (default) or `json`.
    pub log_format: LogFormat,
    /// The operator's rules for jobs; default those built in (`deploy/rules.toml`). Read again on SIGHUP.
    pub rules_file: Option<PathBuf>,
    /// The file with the key by which secrets in the database are encrypted: 32 bytes in Base64. Default `secret-key` in the
    /// data folder, made there; one that is named here must be there. Portals that share a database need the same.
    pub secret_key_file: Option<PathBuf>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            upload_limit: 100 << 30,
            api_requests_per_second: 50,
            api_requests_at_once: 500,
            log_format: LogFormat::Text,
            rules_file: None,
            secret_key_file: None,
        }
    }
}

impl Server {
    /// How browsers reach the portal, without a slash at the end.
    pub fn url(&self) -> String {
        self.public_url.as_deref().map_or_else(
            || format!("http://{}", self.listen),
            |url| url.trim_end_matches('/').to_owned(),
        )
    }

    pub fn is_https(&self) -> bool {
        self.public_url
            .as_deref()
            .is_some_and(|url| url.starts_with("https://"))
    }

    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        if let Some(url) = &self.public_url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            wrong.push(format!(
                "server.public_url: `{url}` must begin with https:// or http://"
            ));
        }
        if !self.listen.ip().is_loopback() && !self.is_https() {
            wrong.push(format!(
                "server.listen: {} can be reached from other machines; that needs server.public_url to be https (a reverse proxy with TLS before the portal)",
                self.listen
            ));
        }
        for (key, value) in [
            ("api_requests_per_second", self.api_requests_per_second),
            ("api_requests_at_once", self.api_requests_at_once),
        ] {
            if value == 0 {
                wrong.push(format!(
                    "server.{key}: 0 would refuse every request; give at least 1"
                ));
            }
        }
        if self.upload_limit == 0 {
            wrong.push("server.upload_limit: 0 would refuse every file; give bytes".into());
        }
    }
}
