//! Sessions: the secret in the cookie is kept as a hash; idle and absolute ends are checked here, in SQL.
use super::{AFTER_ALL_IDS, Column, Result, Store, Tx, micros, on, users, within};
use crate::domain::{
    access::{Permitted, Site},
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
    /// The provider's tokens, sealed.
    pub provider_tokens: Option<String>,
}

/// A session that an identity provider began.
#[derive(Debug, Clone)]
pub struct ProviderSession {
    pub id: SessionId,
    pub user: UserId,
    pub identity: IdentityId,
    pub issuer: String,
    /// Sealed.
    pub tokens: String,
    /// When the provider was asked last.
    pub checked_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ProviderRow {
    id: String,
    user_id: String,
    identity_id: String,
    issuer: String,
    provider_tokens: String,
    checked_at: i64,
}

const PROVIDER_COLUMNS: &str = "SELECT s.id, s.user_id, s.identity_id, i.issuer, s.provider_tokens, s.checked_at \
    FROM sessions s JOIN identities i ON i.id = s.identity_id WHERE s.provider_tokens IS NOT NULL";

impl TryFrom<ProviderRow> for ProviderSession {
    type Error = super::Error;
    fn try_from(row: ProviderRow) -> Result<Self> {
        let column = Column {
            table: "sessions",
            id: &row.id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            user: column.parse("user_id", &row.user_id)?,
            identity: column.parse("identity_id", &row.identity_id)?,
            checked_at: column.time("checked_at", row.checked_at)?,
            issuer: row.issuer,
            tokens: row.provider_tokens,
        })
    }
}

impl Store {
    pub async fn find_provider_session(&self, id: SessionId) -> Result<Option<ProviderSession>> {
        let sql = format!("{PROVIDER_COLUMNS} AND s.id = $1");
        let row: Option<ProviderRow> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(ProviderSession::try_from).transpose()
    }

    /// Whose living sessions there are, of which their provider was not asked since `before`.
    pub async fn list_unchecked_issuers(&self, before: Timestamp) -> Result<Vec<String>> {
        Ok(on!(self, |db| {
            sqlx::query_scalar(
                "SELECT DISTINCT i.issuer FROM sessions s JOIN identities i ON i.id = s.identity_id \
                 WHERE s.provider_tokens IS NOT NULL AND s.checked_at <= $1",
            )
            .bind(micros(before))
            .fetch_all(db)
            .await
        })?)
    }

    /// The sessions of one provider that it was not asked about since `before`, those that wait longest first.
    pub async fn list_unchecked_sessions(
        &self,
        issuer: &str,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<ProviderSession>> {
        let sql = format!(
            "{PROVIDER_COLUMNS} AND i.issuer = $1 AND s.checked_at <= $2 ORDER BY s.checked_at LIMIT $3"
        );
        let rows: Vec<ProviderRow> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(issuer)
                .bind(micros(before))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(ProviderSession::try_from).collect()
    }

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
                "INSERT INTO sessions (id, secret_hash, user_id, created_at, last_seen_at, agent, address, identity_id, provider_sid, provider_tokens, checked_at) \
                 VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $4)",
            )
            .bind(session.id.to_string())
            .bind(&session.secret_hash)
            .bind(session.user.to_string())
            .bind(micros(session.created_at))
            .bind(&session.agent)
            .bind(&session.address)
            .bind(session.identity.map(|id| id.to_string()))
            .bind(session.provider_sid.as_deref())
            .bind(session.provider_tokens.as_deref())
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

    /// Says when the provider was asked about a session; false where somebody else said so meanwhile.
    pub async fn set_session_checked(
        &mut self,
        user: &Permitted<UserId>,
        id: SessionId,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE sessions SET checked_at = $4 WHERE id = $1 AND user_id = $2 AND checked_at = $3",
            )
            .bind(id.to_string())
            .bind(user.scope().to_string())
            .bind(micros(before))
            .bind(micros(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Keeps the tokens, sealed, that the provider gave for those before.
    pub async fn set_session_tokens(
        &mut self,
        user: &Permitted<UserId>,
        id: SessionId,
        before: &str,
        tokens: &str,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE sessions SET provider_tokens = $4 WHERE id = $1 AND user_id = $2 AND provider_tokens = $3",
            )
            .bind(id.to_string())
            .bind(user.scope().to_string())
            .bind(before)
            .bind(tokens)
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// Ends the sessions whose tokens nobody can read any more.
    pub async fn delete_sealed_sessions(&mut self, _: &Permitted<Site>) -> Result<()> {
        within!(self, |db| {
            sqlx::query("DELETE FROM sessions WHERE provider_tokens IS NOT NULL")
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Ends the sessions that a provider calls `sid`, or, where it names none, all of whom it calls `sub`; how many.
    pub async fn delete_provider_sessions(
        &mut self,
        _: &Permitted<Site>,
        issuer: &str,
        sub: Option<&str>,
        sid: Option<&str>,
    ) -> Result<u64> {
        Ok(within!(self, |db| {
            sqlx::query(
                "DELETE FROM sessions WHERE identity_id IN \
                 (SELECT id FROM identities WHERE issuer = $1 AND ($2 IS NULL OR sub = $2)) \
                 AND ($3 IS NULL OR provider_sid = $3 OR (provider_sid IS NULL AND $2 IS NOT NULL))",
            )
            .bind(issuer)
            .bind(sub)
            .bind(sid)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?)
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
