//! Work that goes on by itself. A tick takes no input: it compares what is with what should be, and acts, so that a
//! restart, a missed wake and the usual case share one path. One replica works at a time per piece of work, by a lease.
pub mod dispatcher;
pub mod janitor;
pub mod log_archiver;
mod log_merger;
pub mod monitor;
pub mod sign_ins;
pub mod tasks;

use crate::{
    auth::Auth,
    services::Portal,
    store::{Holder, Lease},
};
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// A piece of background work.
pub trait Worker: Send + 'static {
    const NAME: &'static str;
    /// How often it looks without being woken.
    const PERIOD: Duration;
    /// Whether a change wakes it before that.
    const WOKEN: bool = true;
    fn tick(&mut self, lease: &Lease) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// How long a lease holds without being renewed.
const LEASE: Duration = Duration::from_secs(30);

/// Starts all of it.
pub fn start(portal: &Portal, auth: &Auth, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(run(
        dispatcher::Dispatcher::new(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        monitor::Monitor(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        log_archiver::LogArchiver(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        log_merger::LogMerger(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        tasks::Tasks(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        sign_ins::SignIns {
            portal: portal.clone(),
            auth: auth.clone(),
        },
        portal.clone(),
        stop.clone(),
    ));
    tasks.spawn(run(
        janitor::Janitor::new(portal.clone()),
        portal.clone(),
        stop.clone(),
    ));
}

/// Makes a lease last while a long tick goes on. One that went to another is found out by the tick itself.
async fn renew(portal: &Portal, lease: &Lease) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let renewed = portal
            .store
            .acquire_lease(lease.name, &lease.holder, LEASE)
            .await;
        if let Err(error) = renewed {
            tracing::warn!(worker = lease.name, %error, "the lease was not renewed");
        }
    }
}

/// Ticks each period, and soon after something changed, until `stop`.
pub async fn run<W: Worker>(mut worker: W, portal: Portal, stop: CancellationToken) {
    let holder = Holder {
        place: portal.replica.to_string(),
        process: uuid::Uuid::new_v4().to_string(),
    };
    let mut changes = portal.store.changes().subscribe();
    let mut held: Option<(Lease, Instant)> = None;
    loop {
        if held
            .as_ref()
            .is_none_or(|(_, since)| since.elapsed() > LEASE / 3)
        {
            held = match portal.store.acquire_lease(W::NAME, &holder, LEASE).await {
                Ok(lease) => lease.map(|lease| (lease, Instant::now())),
                Err(error) => {
                    tracing::warn!(worker = W::NAME, %error, "no lease");
                    None
                }
            };
        }
        let began = Instant::now();
        if let Some((lease, _)) = &held {
            let span = tracing::info_span!("background", worker = W::NAME);
            let ticked = tokio::select! {
                ticked = worker.tick(lease).instrument(span) => ticked,
                never = renew(&portal, lease) => match never {},
            };
            if let Err(error) = ticked {
                tracing::error!(
                    worker = W::NAME,
                    ?error,
                    "a tick failed; the next one tries again"
                );
                // Perhaps the lease went to another.
                held = None;
            }
        }
        // A burst of changes is one wake, and changes without end leave four fifths of the time to others.
        let pause = (began.elapsed() * 4).max(Duration::from_millis(20));
        let woken = async {
            match changes.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => tokio::time::sleep(pause).await,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(W::PERIOD) => {}
            () = woken, if W::WOKEN => {}
        }
        changes = changes.resubscribe();
    }
    if let Some((lease, _)) = held
        && let Err(error) = portal.store.release_lease(&lease).await
    {
        tracing::debug!(%error, "the lease was not given back; it ends by itself");
    }
}
