//! The only SQL. [`Store`] reads, [`Tx`] writes; one file per resource, one text for SQLite and PostgreSQL.
//!
//! Rows become domain types here; an impossible value is [`Error::Corrupt`]. Nothing here decides who may.
mod attempts;
mod audit;
mod changes;
mod connect;
mod events;
mod idempotency;
mod identities;
mod installation;
mod jobs;
mod leases;
mod logs;
mod own_jobs;
mod projects;
mod queues;
mod sessions;
mod tasks;
mod tokens;
mod users;

pub use attempts::{Load, NewAttempt};
pub use audit::AuditEntry;
pub use changes::Changes;
pub use connect::Target;
pub use idempotency::Answered;
pub use identities::NewIdentity;
pub use jobs::{Acceptance, JobFilter, NewJob, PhaseChange, Place, PlacedOn, Turn};
pub use leases::{Holder, Lease};
pub use logs::{LogPart, LogStream};
pub use projects::Membership;
pub use queues::{Queue, QueueState};
pub use sessions::{NewSession, ProviderSession};
pub use tasks::{NewTask, Task, TaskState};
pub use tokens::NewToken;
pub use users::NewUser;

use crate::domain::event::Change;
use jiff::Timestamp;
use sqlx::{Postgres, Sqlite, Transaction, error::DatabaseError as _, sqlite::SqliteError};

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    changes: Changes,
}

#[derive(Clone, Debug)]
enum Db {
    #[expect(clippy::disallowed_types, reason = "the one module that holds pools")]
    Sqlite {
        read: sqlx::SqlitePool,
        write: sqlx::SqlitePool,
    },
    #[expect(clippy::disallowed_types, reason = "the one module that holds pools")]
    Pg(sqlx::PgPool),
}

/// A transaction. Dropped without [`Tx::commit`], it leaves nothing.
pub struct Tx {
    inner: Inner,
    changes: Changes,
    touched: Vec<Change>,
}

enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

/// Why the database does not answer; shared by all whom one such error keeps waiting.
pub type Away = std::sync::Arc<sqlx::Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer; nothing was changed, except that a commit under way may have succeeded.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] Away),
    /// There is one already.
    #[error("there is one already ({0})")]
    Duplicate(String),
    /// Somebody else was first: the row is not as it was read, or the lease went to another.
    #[error("{0} was changed meanwhile")]
    Stale(&'static str),
    /// Two transactions of PostgreSQL stood in each other's way; the same again will do.
    #[error("transactions collided")]
    Collided,
    #[error("{table}.{column} of {id} holds an impossible value")]
    Corrupt {
        table: &'static str,
        column: &'static str,
        id: String,
    },
    #[error(transparent)]
    Other(sqlx::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(Away::new(error)),
            sqlx::Error::Database(db) if db.is_unique_violation() => {
                Self::Duplicate(db.constraint().unwrap_or(db.message()).to_owned())
            }
            sqlx::Error::Database(db)
                if db
                    .try_downcast_ref::<SqliteError>()
                    .is_some_and(is_about_the_file) =>
            {
                Self::Unavailable(Away::new(error))
            }
            // 57P01–57P03: shutting down, crashed, not yet accepting; 08: connection; 53: out of resources.
            sqlx::Error::Database(db)
                if db.code().is_some_and(|c| {
                    c.starts_with("57P") || c.starts_with("08") || c.starts_with("53")
                }) =>
            {
                Self::Unavailable(Away::new(error))
            }
            sqlx::Error::Database(db)
                if db.code().is_some_and(|c| c == "40001" || c == "40P01") =>
            {
                Self::Collided
            }
            _ => Self::Other(error),
        }
    }
}

/// Whether SQLite says that its file cannot be used now: no room, an error of the disk, or others that hold it for too long.
fn is_about_the_file(error: &SqliteError) -> bool {
    const BUSY: i32 = 5;
    const IOERR: i32 = 10;
    const FULL: i32 = 13;
    // What it says more exactly stands in the higher bits.
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| [BUSY, IOERR, FULL].contains(&(code & 0xff)))
}

/// The same query on whichever database: `on!(self, |db| query.fetch_all(db).await)`.
macro_rules! on {
    ($store:expr, |$db:ident| $query:expr) => {
        match &$store.db {
            crate::store::Db::Sqlite { read: $db, .. } => $query,
            crate::store::Db::Pg($db) => $query,
        }
    };
}

/// The same statement in whichever transaction.
macro_rules! within {
    ($tx:expr, |$db:ident| $statement:expr) => {
        match &mut $tx.inner {
            crate::store::Inner::Sqlite(tx) => {
                let $db = &mut **tx;
                $statement
            }
            crate::store::Inner::Pg(tx) => {
                let $db = &mut **tx;
                $statement
            }
        }
    };
}

pub(crate) use {on, within};

impl Store {
    /// Begins a write. On SQLite there is one writer at a time; others wait their turn.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match &self.db {
            Db::Sqlite { write, .. } => Inner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Db::Pg(pool) => Inner::Pg(pool.begin().await?),
        };
        Ok(Tx {
            inner,
            changes: self.changes.clone(),
            touched: Vec::new(),
        })
    }

    /// What changed, as it is committed here or, on PostgreSQL, by another replica.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.db, Db::Pg(_))
    }
}

impl Tx {
    /// On disk when this returns. Whoever listens is told after it.
    pub async fn commit(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await?,
            Inner::Pg(tx) => tx.commit().await?,
        }
        self.changes.publish(&self.touched);
        Ok(())
    }

    fn touch(&mut self, change: Change) {
        if !self.touched.contains(&change) {
            self.touched.push(change);
        }
    }

    /// Tells listeners about `change` once this commits.
    pub fn announce(&mut self, change: Change) {
        self.touch(change);
    }
}

/// After every id, also where a database sorts as a dictionary does.
const AFTER_ALL_IDS: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Reads columns of one row, naming the row in what goes wrong.
struct Column<'a> {
    table: &'static str,
    id: &'a str,
}

impl Column<'_> {
    fn corrupt(&self, column: &'static str) -> Error {
        Error::Corrupt {
            table: self.table,
            column,
            id: self.id.to_owned(),
        }
    }

    fn parse<T: std::str::FromStr>(&self, column: &'static str, text: &str) -> Result<T> {
        text.parse().map_err(|_| self.corrupt(column))
    }

    fn name<T: TryFrom<String>>(&self, column: &'static str, text: String) -> Result<T> {
        T::try_from(text).map_err(|_| self.corrupt(column))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|_| self.corrupt(column))
    }

    fn time(&self, column: &'static str, micros: i64) -> Result<Timestamp> {
        Timestamp::from_microsecond(micros).map_err(|_| self.corrupt(column))
    }

    fn time_if(&self, column: &'static str, micros: Option<i64>) -> Result<Option<Timestamp>> {
        micros.map(|m| self.time(column, m)).transpose()
    }

    fn count<T: TryFrom<i64>>(&self, column: &'static str, value: i64) -> Result<T> {
        T::try_from(value).map_err(|_| self.corrupt(column))
    }
}

/// JSON of our own types, which always serialise.
fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Other(sqlx::Error::Encode(Box::new(e))))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_no_fault_of_the_portal() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect(&Target::Sqlite(folder.path().join("db")))
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let Db::Sqlite { write, .. } = &store.db else {
            panic!("{store:?}")
        };
        sqlx::query("CREATE TABLE large (text TEXT)")
            .execute(write)
            .await
            .unwrap();
        // As many pages as there are: none more.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(write)
            .await
            .unwrap();
        let full = sqlx::query("INSERT INTO large VALUES (hex(zeroblob(100000)))")
            .execute(write)
            .await;
        let error = Error::from(full.unwrap_err());
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    }
}
