//! Wiring: settings become adapters, adapters the portal, the portal routers and background tasks. Stops gracefully.
use crate::{
    auth::{Auth, first_start, oidc},
    background,
    cluster::{Cluster, Clusters, kubernetes, local},
    config::Config,
    domain::clock::Clock,
    services::{CurrentRules, Portal, Seal, jobs::Acceptor, logs::Searches, seed},
    storage::{Folder, NotReady, S3, Storage},
    store::{Store, Target},
    validate::Rules,
    web::{App, router},
};
use anyhow::Context as _;
use axum::extract::ConnectInfo;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{
    fs::{DirBuilder, File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// Makes the data folder, readable by its owner alone.
pub fn prepare_data(data: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("{} is not this user's own", data.display()))?;
    Ok(())
}

/// One portal serves a data folder. The lock ends with the process, however that ends.
fn lock_data(data: &Path) -> anyhow::Result<File> {
    let path = data.join("serve.lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut whose = String::new();
            file.read_to_string(&mut whose)?;
            anyhow::bail!(
                "another portal serves {} ({}); stop it, or name another folder with --data",
                data.display(),
                whose.trim()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).context("the data folder cannot be locked");
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())?;
    Ok(file)
}

/// As many open files as the system grants: connections, uploads and listings each hold some.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, most)
    {
        tracing::warn!(%error, "the limit of open files was not raised");
    }
}

/// Where the data folder is, for people.
fn place(data: &Path) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} {}", host.trim(), data.display())
        .trim()
        .to_owned()
}

/// The data folder's own id, made at its first use. A link appears whole or not at all, and to one maker alone.
fn replica_id(data: &Path) -> anyhow::Result<String> {
    let path = data.join("replica");
    if !path.exists() {
        let fresh = uuid::Uuid::new_v4().to_string();
        let draft = data.join(format!("replica.{fresh}"));
        std::fs::write(&draft, &fresh)?;
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft)?;
        if let Err(error) = linked
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error.into());
        }
    }
    Ok(std::fs::read_to_string(&path)?)
}

/// Connects to the database that the settings name, its schema up to date.
pub async fn open_store(config: &Config, data: &Path) -> anyhow::Result<Store> {
    let target = match &config.database.url {
        Some(url) => Target::Postgres {
            url: url.clone(),
            connections: config.database.connections,
            statement_timeout: Duration::from_secs(config.database.statement_timeout_seconds),
        },
        None => Target::Sqlite(data.join("tourmaline.db")),
    };
    let store = Store::connect(&target)
        .await
        .context("the database cannot be opened")?;
    store
        .migrate()
        .await
        .context("the database's schema cannot be brought up to date")?;
    Ok(store)
}

/// The store that the settings name; one on other machines is not called yet.
fn open_storage(config: &Config, data: &Path) -> anyhow::Result<Storage> {
    Ok(if config.storage.is_s3() {
        Storage::S3(S3::new(&config.storage, &config.server.url())?)
    } else {
        Storage::Folder(Folder::open(&data.join("store"))?)
    })
}

/// What can be wrong with a store's settings before it is called, such as a file of certificates that holds none.
pub fn check_storage(config: &Config) -> anyhow::Result<()> {
    if config.storage.is_s3() {
        S3::new(&config.storage, &config.server.url())?;
    }
    Ok(())
}

/// How long a store that was down at the start is left before it is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// A store that refuses something ends the start; one that is down is prepared when it is back.
async fn prepare_storage(
    storage: &Storage,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    match storage.prepare().await {
        Ok(()) => return Ok(()),
        Err(NotReady::Refused(why)) => anyhow::bail!(why),
        Err(NotReady::Down(why)) => {
            tracing::warn!(%why, "the store is down; what needs it waits");
        }
    }
    let (storage, stop) = (storage.clone(), stop.clone());
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(STORE_AGAIN) => {}
            }
            match storage.prepare().await {
                Ok(()) => {
                    tracing::info!("the store is there");
                    return;
                }
                Err(NotReady::Refused(why)) => tracing::error!(%why, "the store cannot be used"),
                Err(NotReady::Down(why)) => tracing::debug!(%why, "the store is still down"),
            }
        }
    });
    Ok(())
}

/// The operator's rules, from the file that the settings name or those built in.
pub fn load_rules(config: &Config) -> anyhow::Result<Rules> {
    let Some(file) = &config.server.rules_file else {
        return Ok(Rules::embedded());
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("server.rules_file: {}", file.display()))?;
    Rules::parse(&text).map_err(|wrong| {
        anyhow::anyhow!("{} does not fit:\n  {}", file.display(), wrong.join("\n  "))
    })
}

/// Whether the files that the settings name can be read.
pub fn check_files(config: &Config) -> anyhow::Result<()> {
    let wrong = oidc::check(config);
    anyhow::ensure!(
        wrong.is_empty(),
        "the settings do not fit:\n  {}",
        wrong.join("\n  ")
    );
    Ok(())
}

/// Gives up all that was sealed in the database, so that it takes another key.
pub async fn forget_key(config: &Config, data: &Path) -> anyhow::Result<()> {
    Ok(seed::forget_key(&open_store(config, data).await?).await?)
}

/// The portal over its adapters, without anything running.
pub async fn open_portal(config: Config, data: &Path, clock: Clock) -> anyhow::Result<Portal> {
    prepare_data(data)?;
    let rules = load_rules(&config)?;
    let store = open_store(&config, data).await?;
    let storage = open_storage(&config, data)?;
    let fresh = uuid::Uuid::new_v4().simple().to_string();
    let installation = seed::installation_id(&store, &clock, &fresh[..8]).await?;
    let clusters = clusters(&config, data, &clock, &installation)?;
    let seal = Seal::open(config.server.secret_key_file.as_deref(), data)?;
    seed::claim_key(&store, &seal).await?;
    Ok(Portal {
        seal,
        store,
        storage,
        clusters: Arc::new(Clusters::new(clusters)),
        rules: CurrentRules::new(rules),
        acceptor: Acceptor::default(),
        searches: Searches::default(),
        config: Arc::new(config),
        clock,
        data: Arc::new(data.to_owned()),
        replica: replica_id(data).context("the data folder's id")?.into(),
        installation: installation.into(),
    })
}

fn clusters(
    config: &Config,
    data: &Path,
    clock: &Clock,
    installation: &str,
) -> anyhow::Result<Vec<Cluster>> {
    // Also where it takes no jobs: those that run here are watched to their end.
    let local = local::Local::new(config, data, clock.clone());
    let mut clusters = vec![Cluster::Local(local)];
    for settings in &config.clusters {
        let cluster = kubernetes::Kubernetes::new(settings, installation, clock.clone())
            .with_context(|| format!("clusters: {}", settings.name))?;
        clusters.push(Cluster::Kubernetes(cluster));
    }
    Ok(clusters)
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(config: Config, data: &Path) -> anyhow::Result<()> {
    // First of all: until somebody listens to it, this signal ends the process.
    let hangup = signal(SignalKind::hangup()).context("listening to SIGHUP")?;
    allow_many_files();
    prepare_data(data)?;
    let _lock = lock_data(data)?;
    check_files(&config)?;
    let listen = config.server.listen;
    let portal = open_portal(config, data, Clock::system()).await?;
    seed::claim_home(&portal, &place(data)).await?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    prepare_storage(&portal.storage, &tasks, &stop).await?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("server.listen: {listen} cannot be taken"))?;
    if let Some(link) = first_start::offer(&portal).await? {
        eprintln!("There is no user yet. Make the first one here, within an hour:\n\n  {link}\n");
    }
    if portal.config.local.enabled && portal.config.local.run_as.is_none() {
        eprintln!(
            "Jobs run on this machine as the portal's own user: this home is for people who trust each other."
        );
    }
    eprintln!(
        "Tourmaline serves {} (data in {})",
        portal.config.server.url(),
        data.display()
    );

    let auth = Auth::new(&portal)?;
    background::start(&portal, &auth, &tasks, &stop);
    let app = App::new(portal.clone(), auth, &portal.installation, stop.clone());
    tasks.spawn(reload_rules(portal, hangup, stop.clone()));
    tasks.spawn(stop_when_told(stop.clone()));
    accept(listener, &app).await;
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(20), tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            "background work did not stop within 20 s; what it was at is repeated at the next start"
        );
    }
    Ok(())
}

/// Who takes nothing of an answer for so long is dropped: it holds a file, a zip or a stream open.
const STALLED: Duration = Duration::from_secs(120);

/// Takes connections until the portal stops; then streams end and requests under way have ten seconds.
async fn accept(listener: TcpListener, app: &App) {
    let service = router(app);
    let graceful = GracefulShutdown::new();
    let mut server = hyper::server::conn::http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(20));
    loop {
        let (stream, peer) = tokio::select! {
            () = app.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: others will be closed.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let service = service.clone().map_request(
            move |mut request: http::Request<hyper::body::Incoming>| {
                request
                    .extensions_mut()
                    .insert(ConnectInfo::<SocketAddr>(peer));
                request.map(axum::body::Body::new)
            },
        );
        let stream = TokioIo::new(bounded(stream, STALLED));
        let connection = server.serve_connection(stream, TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(Duration::from_secs(10), graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests under way were cut after 10 s");
    }
}

/// Breaks off where nothing that is written is taken for so long.
fn bounded<S: AsyncRead + AsyncWrite>(stream: S, stalled: Duration) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stalled));
    Box::pin(stream)
}

async fn stop_when_told(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = stop.cancelled() => {}
    }
    stop.cancel();
}

/// SIGHUP reads the rules again; a bad file keeps the old ones and says why.
async fn reload_rules(portal: Portal, mut hangup: Signal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => {}
        }
        match load_rules(&portal.config) {
            Ok(rules) => {
                tracing::info!(version = rules.version(), "the rules were read again");
                portal.rules.replace(rules);
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the rules were not changed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn who_takes_nothing_is_dropped() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut ours = bounded(ours, Duration::from_millis(10));
        let written = tokio::time::timeout(Duration::from_secs(60), ours.write_all(&[0; 1000]));
        let broke = written.await.expect("it waits for ever").unwrap_err();
        assert_eq!(broke.kind(), std::io::ErrorKind::TimedOut);
    }
}
