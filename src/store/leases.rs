//! Leases: one replica at a time does a piece of background work, and a number that only grows fences off the others.
use super::{Error, Inner, Result, Store, Tx, within};
use std::time::Duration;

/// The right to do a piece of work, until it expires by the database's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: &'static str,
    pub holder: String,
    pub number: i64,
}

/// The database's clock, in microseconds.
const SQLITE_NOW: &str = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
const PG_NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";

impl Store {
    /// Takes the lease or makes it last longer; `None` where another holds it.
    pub async fn acquire_lease(
        &self,
        name: &'static str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<Lease>> {
        let mut tx = self.begin().await?;
        let now = match &tx.inner {
            Inner::Sqlite(_) => SQLITE_NOW,
            Inner::Pg(_) => PG_NOW,
        };
        // The number grows when the holder changes; the same holder keeps it.
        let sql = format!(
            "INSERT INTO leases (name, holder, number, expires_at) VALUES ($1, $2, 1, {now} + $3) \
             ON CONFLICT (name) DO UPDATE SET \
             number = CASE WHEN leases.holder = excluded.holder THEN leases.number ELSE leases.number + 1 END, \
             holder = excluded.holder, expires_at = excluded.expires_at \
             WHERE leases.holder = excluded.holder OR leases.expires_at < {now} RETURNING number"
        );
        let micros = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
        let number: Option<i64> = within!(tx, |db| {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(name)
                .bind(holder)
                .bind(micros)
                .fetch_optional(db)
                .await
        })?;
        tx.commit().await?;
        Ok(number.map(|number| Lease {
            name,
            holder: holder.to_owned(),
            number,
        }))
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let mut tx = self.begin().await?;
        within!(tx, |db| {
            sqlx::query("UPDATE leases SET expires_at = 0 WHERE name = $1 AND number = $2")
                .bind(lease.name)
                .bind(lease.number)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        tx.commit().await
    }

    /// Begins a write of a piece of background work; `Stale` where the lease went to another.
    pub async fn begin_under(&self, lease: &Lease) -> Result<Tx> {
        let mut tx = self.begin().await?;
        let sql = match &tx.inner {
            Inner::Sqlite(_) => "SELECT number FROM leases WHERE name = $1",
            Inner::Pg(_) => "SELECT number FROM leases WHERE name = $1 FOR SHARE",
        };
        let number: Option<i64> = within!(tx, |db| sqlx::query_scalar(sql)
            .bind(lease.name)
            .fetch_optional(db)
            .await)?;
        if number == Some(lease.number) {
            Ok(tx)
        } else {
            Err(Error::Stale("the lease"))
        }
    }
}
