//! What the portal writes about itself: lines on standard error, as text or JSON. `TOURMALINE_LOG` filters them.
use crate::config::LogFormat;

/// Call once, before anything is logged.
pub fn init(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TOURMALINE_LOG")
        .unwrap_or_else(|_| "info,sqlx=warn".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.init(),
    }
}
