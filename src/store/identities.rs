//! By what identity providers know users.
use super::{Column, Result, Store, Tx, micros, on, within};
use crate::domain::{
    access::{Permitted, Site},
    ids::{IdentityId, UserId},
    names::ProviderName,
    user::Identity,
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    user_id: String,
    provider: String,
    issuer: String,
    subject: String,
    mail: Option<String>,
    created_at: i64,
    last_login_at: i64,
}

const COLUMNS: &str = "id, user_id, provider, issuer, subject, mail, created_at, last_login_at";

impl TryFrom<Row> for Identity {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let column = Column {
            table: "identities",
            id: &row.id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            user: column.parse("user_id", &row.user_id)?,
            provider: column.name("provider", row.provider)?,
            created_at: column.time("created_at", row.created_at)?,
            last_login_at: column.time("last_login_at", row.last_login_at)?,
            issuer: row.issuer,
            subject: row.subject,
            mail: row.mail,
        })
    }
}

/// What a sign-in by a provider says.
#[derive(Debug, Clone)]
pub struct NewIdentity<'a> {
    pub id: IdentityId,
    pub provider: &'a ProviderName,
    pub issuer: &'a str,
    pub subject: &'a str,
    /// What its tokens call them.
    pub sub: &'a str,
    pub mail: Option<&'a str>,
    /// The claims that the portal reads, as JSON.
    pub claims: &'a str,
    pub at: Timestamp,
}

impl Store {
    pub async fn find_identity(&self, issuer: &str, subject: &str) -> Result<Option<Identity>> {
        let sql = format!("SELECT {COLUMNS} FROM identities WHERE issuer = $1 AND subject = $2");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(issuer)
                .bind(subject)
                .fetch_optional(db)
                .await
        })?;
        row.map(Identity::try_from).transpose()
    }

    /// A user's identities, the oldest first.
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        let sql =
            format!("SELECT {COLUMNS} FROM identities WHERE user_id = $1 ORDER BY id LIMIT 100");
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Identity::try_from).collect()
    }
}

const CLAIMS: &str = "SELECT provider, claims FROM identities WHERE user_id = $1 LIMIT 100";

fn claims(rows: Vec<(String, String)>) -> Result<Vec<(ProviderName, String)>> {
    let parse = |(provider, claims): (String, String)| {
        let column = Column {
            table: "identities",
            id: &provider,
        };
        Ok((column.name("provider", provider.clone())?, claims))
    };
    rows.into_iter().map(parse).collect()
}

impl Store {
    /// What a user's providers said last, as JSON.
    pub async fn list_claims(&self, user: UserId) -> Result<Vec<(ProviderName, String)>> {
        let rows = on!(self, |db| {
            sqlx::query_as(CLAIMS)
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })?;
        claims(rows)
    }
}

impl Tx {
    /// What a user's providers said last, as JSON.
    pub async fn list_claims(&mut self, user: UserId) -> Result<Vec<(ProviderName, String)>> {
        let rows = within!(self, |db| {
            sqlx::query_as(CLAIMS)
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })?;
        claims(rows)
    }

    /// Keeps what the provider of one of the user's identities says now.
    pub async fn set_claims(
        &mut self,
        user: &Permitted<UserId>,
        id: IdentityId,
        claims: &str,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE identities SET claims = $3 WHERE id = $1 AND user_id = $2")
                .bind(id.to_string())
                .bind(user.scope().to_string())
                .bind(claims)
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Notes that a logout token was used, until it would not be taken any more; false where it was used before.
    pub async fn take_logout_token(
        &mut self,
        _: &Permitted<Site>,
        issuer: &str,
        jti: &str,
        until: Timestamp,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "INSERT INTO logout_tokens (issuer, jti, until) VALUES ($1, $2, $3) \
                 ON CONFLICT (issuer, jti) DO NOTHING",
            )
            .bind(issuer)
            .bind(jti)
            .bind(micros(until))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Forgets those that would not be taken any more; the portal's own housekeeping.
    pub async fn delete_old_logout_tokens(&mut self, now: Timestamp) -> Result<()> {
        within!(self, |db| {
            sqlx::query("DELETE FROM logout_tokens WHERE until < $1")
                .bind(micros(now))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn insert_identity(
        &mut self,
        user: &Permitted<UserId>,
        new: &NewIdentity<'_>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO identities (id, user_id, provider, issuer, subject, sub, mail, claims, created_at, last_login_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
            )
            .bind(new.id.to_string())
            .bind(user.scope().to_string())
            .bind(new.provider.as_str())
            .bind(new.issuer)
            .bind(new.subject)
            .bind(new.sub)
            .bind(new.mail)
            .bind(new.claims)
            .bind(micros(new.at))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// Notes another sign-in by one of the user's identities.
    pub async fn touch_identity(
        &mut self,
        user: &Permitted<UserId>,
        new: &NewIdentity<'_>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE identities SET provider = $3, sub = $4, mail = $5, claims = $6, last_login_at = $7 \
                 WHERE id = $1 AND user_id = $2",
            )
            .bind(new.id.to_string())
            .bind(user.scope().to_string())
            .bind(new.provider.as_str())
            .bind(new.sub)
            .bind(new.mail)
            .bind(new.claims)
            .bind(micros(new.at))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }
}
