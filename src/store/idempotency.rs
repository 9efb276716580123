//! What was already answered to an idempotency key, which belongs to a user and a route.
use super::{Result, Store, Tx, micros, on, within};
use crate::domain::ids::UserId;
use jiff::Timestamp;

/// The first answer to a key.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Answered {
    pub body_hash: String,
    /// The id of what was made.
    pub resource: String,
}

impl Store {
    pub async fn find_answer(
        &self,
        user: UserId,
        route: &str,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<Answered>> {
        Ok(on!(self, |db| {
            sqlx::query_as(
                "SELECT body_hash, resource FROM idempotency WHERE user_id = $1 AND route = $2 AND key = $3 AND created_at > $4",
            )
            .bind(user.to_string())
            .bind(route)
            .bind(key)
            .bind(micros(since))
            .fetch_optional(db)
            .await
        })?)
    }
}

impl Tx {
    /// Takes the key; `Duplicate` where it is taken. On PostgreSQL this waits for another that takes it just now.
    pub async fn take_key(
        &mut self,
        user: UserId,
        route: &str,
        key: &str,
        answer: &Answered,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("DELETE FROM idempotency WHERE user_id = $1 AND route = $2 AND key = $3 AND created_at <= $4")
                .bind(user.to_string())
                .bind(route)
                .bind(key)
                .bind(micros(since))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO idempotency (user_id, route, key, body_hash, resource, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(user.to_string())
            .bind(route)
            .bind(key)
            .bind(&answer.body_hash)
            .bind(&answer.resource)
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// The portal's own housekeeping.
    pub async fn delete_old_keys(&mut self, before: Timestamp) -> Result<u64> {
        Ok(within!(self, |db| {
            sqlx::query("DELETE FROM idempotency WHERE created_at <= $1")
                .bind(micros(before))
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?)
    }
}
