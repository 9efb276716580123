//! Facts of this installation by key, such as its short id.
use super::{Result, Store, Tx, on, within};
use crate::domain::access::{Permitted, Site};

impl Store {
    pub async fn find_fact(&self, key: &str) -> Result<Option<String>> {
        Ok(on!(self, |db| {
            sqlx::query_scalar("SELECT value FROM installation WHERE key = $1")
                .bind(key)
                .fetch_optional(db)
                .await
        })?)
    }
}

impl Tx {
    /// Sets a fact unless it is set; what is set now is returned.
    pub async fn set_fact_once(
        &mut self,
        _: &Permitted<Site>,
        key: &str,
        value: &str,
    ) -> Result<String> {
        within!(self, |db| {
            sqlx::query("INSERT INTO installation (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
                .bind(key)
                .bind(value)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(within!(self, |db| {
            sqlx::query_scalar("SELECT value FROM installation WHERE key = $1")
                .bind(key)
                .fetch_one(db)
                .await
        })?)
    }

    pub async fn set_fact(&mut self, _: &Permitted<Site>, key: &str, value: &str) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO installation (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(key)
            .bind(value)
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// Removes a fact; true where it was there, and to one caller alone.
    pub async fn take_fact(&mut self, _: &Permitted<Site>, key: &str, value: &str) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query("DELETE FROM installation WHERE key = $1 AND value = $2")
                .bind(key)
                .bind(value)
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }
}
