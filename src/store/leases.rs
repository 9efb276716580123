//! Leases: one replica at a time does a piece of background work, and a number that only grows fences off the others.
use super::{Error, Inner, Result, Store, Tx, within};
use std::time::Duration;

/// The right to do a piece of work, until it expires by the database's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub name: &'static str,
    pub holder: Holder,
    pub number: i64,
}

/// Who asks for leases: a process, and the place it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The data folder's own id. One process serves it at a time, so that an earlier holder from there is dead.
    pub place: String,
    pub process: String,
}

/// The database's clock, in microseconds.
const SQLITE_NOW: &str = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
const PG_NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";

impl Store {
    /// Takes the lease or makes it last longer; `None` where another place holds it.
    pub async fn acquire_lease(
        &self,
        name: &'static str,
        holder: &Holder,
        lasts: Duration,
    ) -> Result<Option<Lease>> {
        let mut tx = self.begin().await?;
        let now = match &tx.inner {
            Inner::Sqlite(_) => SQLITE_NOW,
            Inner::Pg(_) => PG_NOW,
        };
        // The number grows when the holder changes; the same holder keeps it.
        let sql = format!(
            "INSERT INTO leases (name, holder, place, number, expires_at) VALUES ($1, $2, $3, 1, {now} + $4) \
             ON CONFLICT (name) DO UPDATE SET \
             number = CASE WHEN leases.holder = excluded.holder THEN leases.number ELSE leases.number + 1 END, \
             holder = excluded.holder, place = excluded.place, expires_at = excluded.expires_at \
             WHERE leases.place = excluded.place OR leases.expires_at < {now} RETURNING number"
        );
        let micros = i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX);
        let number: Option<i64> = within!(tx, |db| {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(name)
                .bind(&holder.process)
                .bind(&holder.place)
                .bind(micros)
                .fetch_optional(db)
                .await
        })?;
        tx.commit().await?;
        Ok(number.map(|number| Lease {
            name,
            holder: holder.clone(),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Target;

    const LASTS: Duration = Duration::from_mins(1);

    fn holder(place: &str, process: &str) -> Holder {
        Holder {
            place: place.into(),
            process: process.into(),
        }
    }

    #[tokio::test]
    async fn a_lease_goes_at_once_to_whoever_serves_the_same_place_and_to_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::connect(&Target::Sqlite(folder.path().join("db")))
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let take = async |place, process| {
            let holder = holder(place, process);
            store.acquire_lease("work", &holder, LASTS).await.unwrap()
        };
        let first = take("here", "one").await.unwrap();
        assert_eq!(take("here", "one").await.unwrap().number, first.number);
        assert_eq!(take("there", "two").await, None);
        let second = take("here", "restarted").await.unwrap();
        assert!(second.number > first.number);
        assert!(matches!(
            store.begin_under(&first).await,
            Err(Error::Stale(_))
        ));
        store.begin_under(&second).await.unwrap();
    }
}
