//! A portal on a port of loopback, in this process, with a data folder of its own and Keycloak as its identity provider.
use crate::variable;
use std::time::Duration;
use tourmaline::{
    auth::Auth,
    background::{Worker as _, sign_ins::SignIns},
    config::{self, Claims, Config, FirstLogin},
    domain::{clock::Clock, names::ProviderName},
    server, services,
    store::Holder,
    web::{self, App},
};

pub struct Portal {
    base: String,
    services: services::Portal,
    auth: Auth,
    clock: Clock,
    stop: tokio_util::sync::CancellationToken,
    _folder: tempfile::TempDir,
}

impl Portal {
    pub async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, variable("TOURMALINE_TEST_OIDC_CLIENT_SECRET")).unwrap();
        let provider = config::Provider {
            name: ProviderName::parse("keycloak").unwrap(),
            title: Some("Keycloak".into()),
            issuer: variable("TOURMALINE_TEST_OIDC_ISSUER"),
            client_id: variable("TOURMALINE_TEST_OIDC_CLIENT_ID"),
            client_secret_file: Some(secret),
            scopes: ["profile", "email", "eduperson_entitlement"]
                .map(String::from)
                .into(),
            claims: Claims::default(),
            max_age_seconds: Some(3600),
            leeway_seconds: 60,
            timeout_seconds: 10,
            first_login: FirstLogin::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut config = Config::default();
        config.server.public_url = Some(base.clone());
        config.local.enabled = false;
        config.sign_in.providers = vec![provider];
        configure(&mut config);
        assert_eq!(config.validate(), Vec::<String>::new());
        // It stands until it is moved: nobody waits for minutes.
        let clock = Clock::manual(Clock::system().now());
        let data = folder.path().join("data");
        let services = server::open_portal(config, &data, clock.clone())
            .await
            .unwrap();
        let auth = Auth::new(&services).unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let app = App::new(services.clone(), auth.clone(), "test", stop.clone());
        let router = web::router(&app);
        // It ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base,
            services,
            auth,
            clock,
            stop,
            _folder: folder,
        }
    }

    /// Time passes here, and the background asks the providers.
    pub async fn five_minutes_later(&self) {
        self.clock.advance(Duration::from_secs(290));
        let holder = Holder {
            place: "tests".into(),
            process: "tests".into(),
        };
        let store = &self.services.store;
        let lease = store.acquire_lease(SignIns::NAME, &holder, Duration::from_secs(60));
        let mut worker = SignIns {
            portal: self.services.clone(),
            auth: self.auth.clone(),
        };
        worker.tick(&lease.await.unwrap().unwrap()).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
