//! Asks the providers of those who are signed in whether they still are, and what they are in now: within five minutes a
//! change there is a change here. A provider that does not answer signs nobody out.
use super::Worker;
use crate::{auth::Auth, services::Portal, store::Lease};
use futures::StreamExt as _;
use jiff::Timestamp;
use std::time::Duration;

/// How long an answer of a provider counts.
const COUNTS: Duration = Duration::from_secs(240);
/// How many sessions of one provider a tick looks at, and how many at once.
const EACH_TICK: u32 = 500;
const AT_ONCE: usize = 8;

pub struct SignIns {
    pub portal: Portal,
    pub auth: Auth,
}

impl Worker for SignIns {
    const NAME: &'static str = "sign-ins";
    const PERIOD: Duration = Duration::from_secs(20);
    const WOKEN: bool = false;

    async fn tick(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let before = self.portal.clock.now().checked_sub(COUNTS)?;
        let issuers = self.portal.store.list_unchecked_issuers(before).await?;
        // Side by side: a slow one keeps nobody else's people waiting.
        let asked = issuers
            .into_iter()
            .map(|issuer| self.ask(lease, issuer, before));
        futures::future::try_join_all(asked).await?;
        Ok(())
    }
}

impl SignIns {
    /// Asks one provider about its people, until it does not answer.
    async fn ask(&self, lease: &Lease, issuer: String, before: Timestamp) -> anyhow::Result<()> {
        let (portal, auth) = (&self.portal, &self.auth);
        let due = portal
            .store
            .list_unchecked_sessions(&issuer, before, EACH_TICK);
        let mut looks = futures::stream::iter(due.await?)
            .map(|session| async move { auth.check_session(portal, lease, &session).await })
            .buffer_unordered(AT_ONCE);
        while let Some(answered) = looks.next().await {
            if !answered? {
                break;
            }
        }
        Ok(())
    }
}
