//! What the portal writes about itself: lines on standard error, as text or JSON. `TOURMALINE_LOG` filters them.
use crate::config::LogFormat;
use tracing_subscriber::EnvFilter;

/// Writes whole addresses, and that of the first-start link is a secret.
const NEVER: &str = "tower_http::csrf=off";

/// Call once, before anything is logged.
pub fn init(format: LogFormat) {
    let wanted = std::env::var("TOURMALINE_LOG").ok();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(wanted.as_deref()))
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.init(),
    }
}

/// What is written of what was asked for; without that, or where it cannot be read, the usual.
pub fn filter(wanted: Option<&str>) -> EnvFilter {
    let usual = || EnvFilter::new("info,sqlx=warn");
    let filter = wanted.map_or_else(usual, |wanted| {
        EnvFilter::try_new(wanted).unwrap_or_else(|_| usual())
    });
    match NEVER.parse() {
        Ok(never) => filter.add_directive(never),
        Err(_) => filter,
    }
}
