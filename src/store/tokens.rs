//! API tokens, kept as hashes.
use super::{AFTER_ALL_IDS, Column, Result, Store, Tx, micros, on, users, within};
use crate::domain::{
    access::Permitted,
    ids::{TokenId, UserId},
    user::{Scope, Token, User},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    token_id: String,
    token_user: String,
    token_name: String,
    scope: String,
    token_created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TryFrom<Row> for Token {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let column = Column {
            table: "tokens",
            id: &row.token_id,
        };
        Ok(Self {
            id: column.parse("id", &row.token_id)?,
            user: column.parse("user_id", &row.token_user)?,
            scope: column.parse("scope", &row.scope)?,
            created_at: column.time("created_at", row.token_created_at)?,
            expires_at: column.time_if("expires_at", row.expires_at)?,
            last_used_at: column.time_if("last_used_at", row.last_used_at)?,
            name: row.token_name.clone(),
        })
    }
}

#[derive(sqlx::FromRow)]
struct WithUser {
    #[sqlx(flatten)]
    token: Row,
    #[sqlx(flatten)]
    user: users::Row,
}

const COLUMNS: &str = "t.id AS token_id, t.user_id AS token_user, t.name AS token_name, t.scope, t.created_at AS token_created_at, t.expires_at, t.last_used_at";

#[derive(Debug, Clone)]
pub struct NewToken {
    pub id: TokenId,
    pub secret_hash: String,
    pub name: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// The living token of a secret, and whose it is.
    pub async fn find_token(
        &self,
        secret_hash: &str,
        now: Timestamp,
    ) -> Result<Option<(Token, User)>> {
        let sql = format!(
            "SELECT {COLUMNS}, {} FROM tokens t JOIN users u ON u.id = t.user_id \
             WHERE t.secret_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2) AND u.suspended_at IS NULL",
            users::COLUMNS
        );
        let row: Option<WithUser> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(secret_hash)
                .bind(micros(now))
                .fetch_optional(db)
                .await
        })?;
        row.map(|row| Ok((row.token.try_into()?, row.user.try_into()?)))
            .transpose()
    }

    /// One of the user's own tokens.
    pub async fn find_own_token(&self, user: UserId, id: TokenId) -> Result<Option<Token>> {
        let sql = format!("SELECT {COLUMNS} FROM tokens t WHERE t.id = $1 AND t.user_id = $2");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .bind(user.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(Token::try_from).transpose()
    }

    /// A user's tokens made before one, the newest first, the expired among them.
    pub async fn list_tokens(
        &self,
        user: UserId,
        before: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Token>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tokens t WHERE t.user_id = $1 AND t.id < $2 ORDER BY t.id DESC LIMIT $3"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .bind(before.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string()))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Token::try_from).collect()
    }
}

impl Tx {
    pub async fn insert_token(&mut self, user: &Permitted<UserId>, token: &NewToken) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO tokens (id, secret_hash, user_id, name, scope, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(token.id.to_string())
            .bind(&token.secret_hash)
            .bind(user.scope().to_string())
            .bind(&token.name)
            .bind(token.scope.as_str())
            .bind(micros(token.created_at))
            .bind(token.expires_at.map(micros))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn touch_token(
        &mut self,
        _: &Permitted<UserId>,
        id: TokenId,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1")
                .bind(id.to_string())
                .bind(micros(now))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Removes what expired before then; the portal's own housekeeping.
    pub async fn delete_expired_tokens(&mut self, before: Timestamp) -> Result<u64> {
        Ok(within!(self, |db| {
            sqlx::query("DELETE FROM tokens WHERE expires_at < $1")
                .bind(micros(before))
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?)
    }

    /// Revokes one of the user's own tokens; false where there is no such.
    pub async fn delete_token(&mut self, user: &Permitted<UserId>, id: TokenId) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query("DELETE FROM tokens WHERE id = $1 AND user_id = $2")
                .bind(id.to_string())
                .bind(user.scope().to_string())
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }
}
