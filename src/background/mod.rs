//! Work that goes on by itself. A tick takes no input: it compares what is with what should be, and acts, so that a
//! restart, a missed wake and the usual case share one path. One replica works at a time per piece of work, by a lease.
use crate::{services::Portal, store::Lease};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// A piece of background work.
pub trait Worker: Send + 'static {
    const NAME: &'static str;
    /// How often it looks without being woken.
    const PERIOD: Duration;
    fn tick(&mut self, lease: &Lease) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// How long a lease holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);

/// Starts all of it.
pub fn start(portal: &Portal, tasks: &TaskTracker, stop: &CancellationToken) {
    let _ = (portal, tasks, stop);
}

/// Ticks each period, and soon after something changed, until `stop`.
pub async fn run<W: Worker>(mut worker: W, portal: Portal, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    let mut changes = portal.store.changes().subscribe();
    let mut held = None;
    loop {
        match portal.store.acquire_lease(W::NAME, &holder, LEASE).await {
            Ok(Some(lease)) => {
                let span = tracing::info_span!("background", worker = W::NAME);
                if let Err(error) = worker.tick(&lease).instrument(span).await {
                    tracing::error!(
                        worker = W::NAME,
                        ?error,
                        "a tick failed; the next one tries again"
                    );
                }
                held = Some(lease);
            }
            Ok(None) => held = None,
            Err(error) => tracing::warn!(worker = W::NAME, %error, "no lease"),
        }
        // A burst of changes is one wake.
        let woken = async {
            match changes.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
                Err(RecvError::Closed) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(W::PERIOD) => {}
            () = woken => {}
        }
        while changes.try_recv().is_ok_and(|_| true) {}
    }
    if let Some(lease) = held
        && let Err(error) = portal.store.release_lease(&lease).await
    {
        tracing::debug!(%error, "the lease was not given back; it ends by itself");
    }
}
