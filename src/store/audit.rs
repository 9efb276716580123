//! Who did what: written in the transaction that did it.
use super::{AFTER_ALL_IDS, Column, Error, Result, Store, Tx, micros, on, within};
use crate::domain::ids::{AuditId, UserId};
use jiff::Timestamp;

#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: Timestamp,
    /// None: the portal itself, or the command line.
    pub user_name: Option<String>,
    pub action: String,
    pub target: String,
    pub detail: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    at: i64,
    user_name: Option<String>,
    action: String,
    target: String,
    detail: String,
}

impl TryFrom<Row> for AuditEntry {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let column = Column {
            table: "audit",
            id: &row.id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            at: column.time("at", row.at)?,
            user_name: row.user_name,
            action: row.action,
            target: row.target,
            detail: row.detail,
        })
    }
}

impl Store {
    /// Entries before an id, the newest first.
    pub async fn list_audit(&self, before: Option<AuditId>, limit: u32) -> Result<Vec<AuditEntry>> {
        let before = before.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string());
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(
                "SELECT a.id, a.at, u.name AS user_name, a.action, a.target, a.detail FROM audit a \
                 LEFT JOIN users u ON u.id = a.user_id WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2",
            )
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(AuditEntry::try_from).collect()
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
