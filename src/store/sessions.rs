//! Sessions: the secret in the cookie is kept as a hash; idle and absolute ends are checked here, in SQL.
use super::{AFTER_ALL_IDS, Column, Result, Store, Tx, micros, on, users, within};
use crate::domain::{
    access::Permitted,
    ids::{IdentityId, SessionId, UserId},
    user::{Session, User},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    session_id: String,
    session_user: String,
    session_created_at: i64,
    last_seen_at: i64,
    agent: String,
    address: String,
}

impl TryFrom<Row> for Session {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let column = Column {
            table: "sessions",
            id: &row.session_id,
        };
        Ok(Self {
            id: column.parse("id", &row.session_id)?,
            user: column.parse("user_id", &row.session_user)?,
            created_at: column.time("created_at", row.session_created_at)?,
            last_seen_at: column.time("last_seen_at", row.last_seen_at)?,
            agent: row.agent.clone(),
            address: row.address.clone(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct WithUser {
    #[sqlx(flatten)]
    session: Row,
    #[sqlx(flatten)]
    user: users::Row,
}

const COLUMNS: &str = "s.id AS session_id, s.user_id AS session_user, s.created_at AS session_created_at, s.last_seen_at, s.agent, s.address";

#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub secret_hash: String,
    pub user: UserId,
    pub created_at: Timestamp,
    pub agent: String,
    pub address: String,
    /// The identity by which it was begun, and what the provider calls the session there.
    pub identity: Option<IdentityId>,
    pub provider_sid: Option<String>,
}

impl Store {
    /// The living session of a secret, and whose it is; a suspended user has none.
    /// `idle_after` and `born_after` are the moments before which a session has ended.
    pub async fn find_session(
        &self,
        secret_hash: &str,
        idle_after: Timestamp,
        born_after: Timestamp,
    ) -> Result<Option<(Session, User)>> {
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.secret_hash = $1 AND s.last_seen_at > $2 AND s.created_at > $3 AND u.suspended_at IS NULL",
            users::COLUMNS
        );
        let row: Option<WithUser> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(secret_hash)
                .bind(micros(idle_after))
                .bind(micros(born_after))
                .fetch_optional(db)
                .await
        })?;
        row.map(|row| Ok((row.session.try_into()?, row.user.try_into()?)))
            .transpose()
    }

    /// One of the user's own living sessions.
    pub async fn find_own_session(
        &self,
        user: UserId,
        id: SessionId,
        idle_after: Timestamp,
        born_after: Timestamp,
    ) -> Result<Option<Session>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s \
             WHERE s.id = $1 AND s.user_id = $2 AND s.last_seen_at > $3 AND s.created_at > $4"
        );
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .bind(user.to_string())
                .bind(micros(idle_after))
                .bind(micros(born_after))
                .fetch_optional(db)
                .await
        })?;
        row.map(Session::try_from).transpose()
    }

    /// A user's living sessions that were begun before one, the newest first.
    pub async fn list_sessions(
        &self,
        user: UserId,
        idle_after: Timestamp,
        born_after: Timestamp,
        before: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<Session>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sessions s \
             WHERE s.user_id = $1 AND s.last_seen_at > $2 AND s.created_at > $3 AND s.id < $4 \
             ORDER BY s.id DESC LIMIT $5"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .bind(micros(idle_after))
                .bind(micros(born_after))
                .bind(before.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string()))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Session::try_from).collect()
    }

    /// Where a user's living sessions were begun.
    pub async fn list_session_addresses(
        &self,
        user: UserId,
        idle_after: Timestamp,
        born_after: Timestamp,
    ) -> Result<Vec<String>> {
        Ok(on!(self, |db| {
            sqlx::query_scalar(
                "SELECT DISTINCT address FROM sessions \
                 WHERE user_id = $1 AND last_seen_at > $2 AND created_at > $3 LIMIT 1000",
            )
            .bind(user.to_string())
            .bind(micros(idle_after))
            .bind(micros(born_after))
            .fetch_all(db)
            .await
        })?)
    }
}

impl Tx {
    pub async fn insert_session(
        &mut self,
        _: &Permitted<UserId>,
        session: &NewSession,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO sessions (id, secret_hash, user_id, created_at, last_seen_at, agent, address, identity_id, provider_sid) \
                 VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8)",
            )
            .bind(session.id.to_string())
            .bind(&session.secret_hash)
            .bind(session.user.to_string())
            .bind(micros(session.created_at))
            .bind(&session.agent)
            .bind(&session.address)
            .bind(session.identity.map(|id| id.to_string()))
            .bind(session.provider_sid.as_deref())
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn touch_session(
        &mut self,
        _: &Permitted<UserId>,
        id: SessionId,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(micros(now))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Ends one of the user's own sessions; false where there is no such.
    pub async fn delete_session(
        &mut self,
        user: &Permitted<UserId>,
        id: SessionId,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2")
                .bind(id.to_string())
                .bind(user.scope().to_string())
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Ends all of the user's sessions but one.
    pub async fn delete_other_sessions(
        &mut self,
        user: &Permitted<UserId>,
        keep: Option<SessionId>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
                .bind(user.scope().to_string())
                .bind(keep.map_or_else(String::new, |id| id.to_string()))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Removes what has ended; the portal's own housekeeping.
    pub async fn delete_ended_sessions(
        &mut self,
        idle_before: Timestamp,
        born_before: Timestamp,
    ) -> Result<u64> {
        Ok(within!(self, |db| {
            sqlx::query("DELETE FROM sessions WHERE last_seen_at <= $1 OR created_at <= $2")
                .bind(micros(idle_before))
                .bind(micros(born_before))
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?)
    }
}
