//! Opening the database and bringing its schema up to date.
use super::{Changes, Db, Error, Result, Store, on};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    borrow::Cow,
    fs::File,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

static COMMON: Migrator = sqlx::migrate!("migrations/common");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Which database.
#[derive(Clone, Debug)]
pub enum Target {
    /// A file, made if missing.
    Sqlite(PathBuf),
    Postgres {
        url: SecretString,
        connections: u32,
        statement_timeout: Duration,
    },
}

impl Store {
    /// Connects, without touching the schema.
    pub async fn connect(target: &Target) -> Result<Self> {
        let db = match target {
            Target::Sqlite(file) => {
                // The first one makes the file and its journal.
                let _alone = alone(file).await?;
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full) // accepted means on disk
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10))
                    .optimize_on_close(true, None);
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .connect_with(options.clone())
                    .await?;
                let read = SqlitePoolOptions::new()
                    .max_connections(4)
                    .min_connections(1)
                    .test_before_acquire(false)
                    .connect_with(options.read_only(true))
                    .await?;
                Db::Sqlite { read, write }
            }
            Target::Postgres {
                url,
                connections,
                statement_timeout,
            } => {
                let options = PgConnectOptions::from_str(url.expose_secret())?
                    .application_name("tourmaline")
                    .options([
                        (
                            "statement_timeout",
                            format!("{}ms", statement_timeout.as_millis()),
                        ),
                        // Compiling takes longer than any of these queries runs.
                        ("jit", "off".to_owned()),
                        ("synchronous_commit", "on".to_owned()),
                        ("idle_in_transaction_session_timeout", "60s".to_owned()),
                    ]);
                Db::Pg(
                    PgPoolOptions::new()
                        .max_connections(*connections)
                        .acquire_timeout(Duration::from_secs(5))
                        .connect_with(options)
                        .await?,
                )
            }
        };
        let changes = match &db {
            Db::Sqlite { .. } => Changes::in_process(),
            Db::Pg(pool) => Changes::shared(pool.clone()),
        };
        Ok(Self { db, changes })
    }

    /// Brings the schema up to date. Others may begin at the same moment: on PostgreSQL sqlx holds an advisory lock, on SQLite
    /// it holds nothing, so a file beside the database is locked.
    pub async fn migrate(&self) -> Result<()> {
        let (dialect, result) = match &self.db {
            Db::Sqlite { write, .. } => {
                let options = write.connect_options();
                let _alone = alone(options.get_filename()).await?;
                ("SQLite", migrator(&SQLITE).run(write).await)
            }
            Db::Pg(pool) => ("PostgreSQL", migrator(&POSTGRES).run(pool).await),
        };
        result.map_err(|e| {
            tracing::error!(dialect, error = %e, "the schema could not be brought up to date");
            match e {
                sqlx::migrate::MigrateError::Execute(e) => Error::from(e),
                other => Error::Other(sqlx::Error::Migrate(Box::new(other))),
            }
        })
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<()> {
        on!(self, |db| sqlx::query("SELECT 1")
            .execute(db)
            .await
            .map(|_| ()))?;
        Ok(())
    }
}

/// The lock of a database file, held until it is dropped.
async fn alone(database: &Path) -> Result<File> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let locked = tokio::task::spawn_blocking(move || {
        let lock = File::options().create(true).append(true).open(name)?;
        lock.lock()?;
        Ok(lock)
    });
    locked
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| Error::from(sqlx::Error::Io(error)))
}

/// The common migrations and those of one dialect, in the order of their numbers.
fn migrator(dialect: &Migrator) -> Migrator {
    let mut all: Vec<_> = COMMON.iter().chain(dialect.iter()).cloned().collect();
    all.sort_by_key(|migration| migration.version);
    Migrator {
        migrations: Cow::Owned(all),
        ..Migrator::DEFAULT
    }
}
