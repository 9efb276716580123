//! Users and their passwords' hashes.
use super::{Column, Result, Store, Tx, micros, on, within};
use crate::domain::{
    access::{Permitted, Site},
    ids::UserId,
    names::UserName,
    user::{Elevation, Theme, User},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    name: String,
    display_name: String,
    site_admin: bool,
    suspended_at: Option<i64>,
    time_zone: Option<String>,
    theme: String,
    created_at: i64,
    elevated_until: Option<i64>,
    elevated_reason: Option<String>,
}

pub(super) const COLUMNS: &str = "u.id, u.name, u.display_name, u.site_admin, u.suspended_at, u.time_zone, u.theme, u.created_at, u.elevated_until, u.elevated_reason";

impl TryFrom<Row> for User {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let column = Column {
            table: "users",
            id: &id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            name: column.name("name", row.name)?,
            display_name: row.display_name,
            site_admin: row.site_admin,
            suspended_at: column.time_if("suspended_at", row.suspended_at)?,
            time_zone: row.time_zone,
            theme: column.parse("theme", &row.theme)?,
            created_at: column.time("created_at", row.created_at)?,
            elevation: match row.elevated_until {
                Some(until) => Some(Elevation {
                    until: column.time("elevated_until", until)?,
                    reason: row.elevated_reason.unwrap_or_default(),
                }),
                None => None,
            },
        })
    }
}

#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub name: UserName,
    pub display_name: String,
    pub site_admin: bool,
    pub created_at: Timestamp,
}

impl Store {
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.id = $1");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(User::try_from).transpose()
    }

    pub async fn find_user_by_name(&self, name: &UserName) -> Result<Option<User>> {
        let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.name = $1");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(name.as_str())
                .fetch_optional(db)
                .await
        })?;
        row.map(User::try_from).transpose()
    }

    /// The next users after a name, in order of names.
    pub async fn list_users(&self, after: &str, limit: u32) -> Result<Vec<User>> {
        let sql =
            format!("SELECT {COLUMNS} FROM users u WHERE u.name > $1 ORDER BY u.name LIMIT $2");
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(User::try_from).collect()
    }

    pub async fn count_users(&self) -> Result<i64> {
        Ok(on!(self, |db| sqlx::query_scalar(
            "SELECT COUNT(*) FROM users"
        )
        .fetch_one(db)
        .await)?)
    }

    /// The hash to compare a password with; none where the user has no local account.
    pub async fn find_password(&self, user: UserId) -> Result<Option<String>> {
        Ok(on!(self, |db| {
            sqlx::query_scalar("SELECT hash FROM passwords WHERE user_id = $1")
                .bind(user.to_string())
                .fetch_optional(db)
                .await
        })?)
    }
}

impl Tx {
    /// The first user of all, and only that: the count is taken in the same transaction.
    pub async fn count_users(&mut self) -> Result<i64> {
        if let super::Inner::Pg(tx) = &mut self.inner {
            sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
                .execute(&mut **tx)
                .await?;
        }
        Ok(within!(self, |db| sqlx::query_scalar(
            "SELECT COUNT(*) FROM users"
        )
        .fetch_one(db)
        .await)?)
    }

    pub async fn insert_user(&mut self, _: &Permitted<Site>, user: &NewUser) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO users (id, name, display_name, site_admin, theme, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(user.id.to_string())
            .bind(user.name.as_str())
            .bind(&user.display_name)
            .bind(user.site_admin)
            .bind(Theme::Auto.as_str())
            .bind(micros(user.created_at))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn set_password(
        &mut self,
        user: &Permitted<UserId>,
        hash: &str,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
            )
            .bind(user.scope().to_string())
            .bind(hash)
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn set_profile(
        &mut self,
        user: &Permitted<UserId>,
        display_name: &str,
        time_zone: Option<&str>,
        theme: Theme,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "UPDATE users SET display_name = $2, time_zone = $3, theme = $4 WHERE id = $1",
            )
            .bind(user.scope().to_string())
            .bind(display_name)
            .bind(time_zone)
            .bind(theme.as_str())
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    pub async fn set_suspended(
        &mut self,
        _: &Permitted<Site>,
        user: UserId,
        at: Option<Timestamp>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE users SET suspended_at = $2 WHERE id = $1")
                .bind(user.to_string())
                .bind(at.map(micros))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// Gives or takes a site administrator's rights by a rule; whoever has them by hand keeps them. Whether that changed anything.
    pub async fn set_administrator_by_rule(
        &mut self,
        _: &Permitted<Site>,
        user: UserId,
        given: bool,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE users SET site_admin = $2, admin_by_rule = $2 \
                 WHERE id = $1 AND site_admin <> $2 AND (admin_by_rule OR NOT site_admin)",
            )
            .bind(user.to_string())
            .bind(given)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    pub async fn set_elevation(
        &mut self,
        admin: &Permitted<Site>,
        elevation: Option<&Elevation>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE users SET elevated_until = $2, elevated_reason = $3 WHERE id = $1")
                .bind(admin.by().map(|by| by.to_string()))
                .bind(elevation.map(|e| micros(e.until)))
                .bind(elevation.map(|e| e.reason.clone()))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }
}
