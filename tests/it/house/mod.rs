//! A portal to try things on: its own data folder and database, a clock that stands until it is moved, a pretended Spark,
//! and the real router, called without a network.
#![allow(
    dead_code,
    reason = "stories come and go; what people do with a portal stays"
)]
mod browser;
#[cfg(feature = "postgres")]
mod database;
mod jobs;
mod page;
pub mod provider;
mod user;

pub use browser::{Browser, Request};
#[cfg(feature = "postgres")]
pub use database::on_postgres;
pub use jobs::word_count;
pub use page::Page;
pub use user::{Api, PASSWORD, User};

use crate::pretended_spark::PretendedSpark;
use axum::Router;
use jiff::Timestamp;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tourmaline::{
    auth::Auth,
    background::{Worker, tasks::Tasks},
    cluster::{Cluster, Clusters, local::Local},
    config::Config,
    domain::clock::Clock,
    server, services,
    store::{Holder, Lease, Store},
    web,
};

/// A story that both databases must tell alike:
/// `on_both!(async fn a_job_is_found(portal: Portal) { … });`
macro_rules! on_both {
    ($(async fn $name:ident($portal:ident: Portal) $story:block)+) => {$(
        async fn $name($portal: $crate::house::Portal) $story

        mod $name {
            #[tokio::test]
            async fn sqlite() {
                super::$name($crate::house::Portal::new().await).await;
            }

            #[cfg(feature = "postgres")]
            #[tokio::test]
            async fn postgres() {
                $crate::house::on_postgres(super::$name).await;
            }
        }
    )+};
}

/// Where its rows lie.
pub enum Home {
    Sqlite,
    /// At this address.
    #[cfg(feature = "postgres")]
    Postgres(secrecy::SecretString),
}

pub struct Portal {
    pub services: services::Portal,
    pub auth: Auth,
    pub clock: Clock,
    pub stop: CancellationToken,
    router: Router,
    house: House,
}

/// What outlives a restart of the portal.
struct House {
    config: Config,
    spark: PretendedSpark,
    folder: tempfile::TempDir,
}

impl Portal {
    /// With an SQLite file, as a newcomer has it.
    pub async fn new() -> Self {
        Self::at(Home::Sqlite).await
    }

    pub async fn at(home: Home) -> Self {
        Self::with(home, |_| ()).await
    }

    /// With settings that differ from the defaults.
    pub async fn with(home: Home, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        // Hashing that takes its time is tried elsewhere.
        config.sign_in.argon2_memory_kib = 8;
        config.sign_in.argon2_passes = 1;
        // The pretended one below takes its place.
        config.local.enabled = false;
        config.local.stop_grace_seconds = 1;
        match home {
            Home::Sqlite => {}
            #[cfg(feature = "postgres")]
            Home::Postgres(url) => {
                config.database.url = Some(url);
                config.database.connections = 5;
            }
        }
        configure(&mut config);
        let house = House {
            config,
            spark: PretendedSpark::install(folder.path()),
            folder,
        };
        let start: Timestamp = "2026-03-01T09:00:00Z".parse().unwrap();
        Self::open(house, Clock::manual(start)).await
    }

    async fn open(house: House, clock: Clock) -> Self {
        let data = house.folder.path().join("data");
        let mut services = server::open_portal(house.config.clone(), &data, clock.clone())
            .await
            .unwrap();
        let mut local_config = house.config.clone();
        local_config.local.enabled = true;
        let local = Local::with(
            &local_config,
            &data,
            clock.clone(),
            env!("CARGO_BIN_EXE_tourmaline").into(),
            house.spark.surroundings(true, true),
        );
        services.clusters = Arc::new(Clusters::new(vec![Cluster::Local(local)]));
        let auth = Auth::new(&services).unwrap();
        let stop = CancellationToken::new();
        let app = web::App::new(services.clone(), auth.clone(), "test", stop.clone());
        Self {
            services,
            auth,
            clock,
            stop,
            router: web::router(&app),
            house,
        }
    }

    /// The same portal after its process ended and began anew. Browsers keep their cookies by [`Browser::move_to`].
    pub async fn restart(self) -> Self {
        self.stop.cancel();
        let (house, clock) = (self.house, self.clock);
        drop((self.services, self.auth, self.router));
        Self::open(house, clock).await
    }

    /// The same portal, started again with other settings.
    pub async fn with_settings(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(&mut self.house.config);
        self.restart().await
    }

    /// The database as another replica of the portal has it.
    pub async fn replica(&self) -> Store {
        server::open_store(&self.house.config, &self.data())
            .await
            .unwrap()
    }

    /// Until a statement of this house's waits for another's lock.
    #[cfg(feature = "postgres")]
    pub async fn until_a_statement_waits(&self) {
        let url = self.house.config.database.url.as_ref().unwrap();
        database::until_one_waits(secrecy::ExposeSecret::expose_secret(url)).await;
    }

    pub fn data(&self) -> PathBuf {
        self.house.folder.path().join("data")
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A browser in which nobody is signed in.
    pub fn visitor(&self) -> Browser<'_> {
        Browser::new(self)
    }
}

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Carries out the tasks that wait, as the background does.
pub async fn tick_tasks(portal: &Portal) {
    tick(portal, &mut Tasks(portal.services.clone())).await;
}

/// One tick of a piece of background work.
pub async fn tick<W: Worker>(portal: &Portal, worker: &mut W) {
    let lease = lease(portal, W::NAME, "tests").await;
    worker.tick(&lease).await.unwrap();
}

/// A lease of this place's, taken from whichever process of it held it before.
pub async fn lease(portal: &Portal, work: &'static str, process: &str) -> Lease {
    let holder = Holder {
        place: "tests".into(),
        process: process.into(),
    };
    let store = &portal.services.store;
    let lease = store.acquire_lease(work, &holder, MINUTE).await;
    lease.unwrap().unwrap()
}
