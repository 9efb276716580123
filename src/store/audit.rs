//! Who did what: written in the transaction that did it.
use super::{Result, Store, Tx, micros, on, within};
use crate::domain::ids::{AuditId, UserId};
use jiff::Timestamp;

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AuditEntry {
    pub id: String,
    pub at: i64,
    pub user_name: Option<String>,
    pub action: String,
    pub target: String,
    pub detail: String,
}

impl Store {
    /// Entries before an id, the newest first.
    pub async fn list_audit(&self, before: Option<&str>, limit: u32) -> Result<Vec<AuditEntry>> {
        Ok(on!(self, |db| {
            sqlx::query_as(
                "SELECT a.id, a.at, u.name AS user_name, a.action, a.target, a.detail FROM audit a \
                 LEFT JOIN users u ON u.id = a.user_id WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2",
            )
            .bind(before.unwrap_or("~"))
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?)
    }
}

impl Tx {
    pub async fn add_audit(
        &mut self,
        user: Option<UserId>,
        action: &'static str,
        target: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("INSERT INTO audit (id, at, user_id, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(AuditId::new().to_string())
                .bind(micros(now))
                .bind(user.map(|u| u.to_string()))
                .bind(action)
                .bind(target)
                .bind(detail)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }
}
