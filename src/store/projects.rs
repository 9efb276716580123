//! Projects and their members.
use super::{AFTER_ALL_IDS, Column, Error, Inner, Result, Store, Tx, micros, on, within};
use crate::domain::{
    access::Permitted,
    ids::{ProjectId, UserId},
    names::Title,
    project::{Member, Project, Role, Visibility},
};
use jiff::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    description: String,
    visibility: String,
    created_at: i64,
    archived_at: Option<i64>,
    deleting_at: Option<i64>,
    version: i64,
}

impl TryFrom<Row> for Project {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let column = Column {
            table: "projects",
            id: &id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            name: column.name("name", row.name)?,
            description: row.description,
            visibility: column.parse("visibility", &row.visibility)?,
            created_at: column.time("created_at", row.created_at)?,
            archived_at: column.time_if("archived_at", row.archived_at)?,
            deleting_at: column.time_if("deleting_at", row.deleting_at)?,
            version: row.version,
        })
    }
}

const COLUMNS: &str = "p.id, p.name, p.description, p.visibility, p.created_at, p.archived_at, p.deleting_at, p.version";

/// A project, and what somebody has in it by membership.
#[derive(Debug, Clone)]
pub struct Membership {
    pub project: Project,
    pub role: Option<Role>,
}

#[derive(sqlx::FromRow)]
struct WithRole {
    #[sqlx(flatten)]
    project: Row,
    role: Option<String>,
}

impl TryFrom<WithRole> for Membership {
    type Error = Error;
    fn try_from(row: WithRole) -> Result<Self> {
        let id = row.project.id.clone();
        let role = row
            .role
            .map(|role| {
                Column {
                    table: "members",
                    id: &id,
                }
                .parse("role", &role)
            })
            .transpose()?;
        Ok(Self {
            project: row.project.try_into()?,
            role,
        })
    }
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    name: String,
    display_name: String,
    role: String,
    by_rule: bool,
    since: i64,
}

impl TryFrom<MemberRow> for Member {
    type Error = Error;
    fn try_from(row: MemberRow) -> Result<Self> {
        let id = row.user_id.clone();
        let column = Column {
            table: "members",
            id: &id,
        };
        Ok(Self {
            user: column.parse("user_id", &row.user_id)?,
            name: column.name("name", row.name)?,
            display_name: row.display_name,
            role: column.parse("role", &row.role)?,
            by_rule: row.by_rule,
            since: column.time("since", row.since)?,
        })
    }
}

impl Store {
    /// A project and the user's role in it; whether the user may see it is for `domain::access` to say.
    pub async fn find_project(&self, id: ProjectId, user: UserId) -> Result<Option<Membership>> {
        let sql = format!(
            "SELECT {COLUMNS}, m.role FROM projects p \
             LEFT JOIN members m ON m.project_id = p.id AND m.user_id = $2 WHERE p.id = $1"
        );
        let row: Option<WithRole> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .bind(user.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(Membership::try_from).transpose()
    }

    /// The projects that the user is a member of, by name; the archived ones last.
    pub async fn list_projects_of(&self, user: UserId) -> Result<Vec<Membership>> {
        let sql = format!(
            "SELECT {COLUMNS}, m.role FROM members m JOIN projects p ON p.id = m.project_id \
             WHERE m.user_id = $1 AND p.deleting_at IS NULL \
             ORDER BY CASE WHEN p.archived_at IS NULL THEN 0 ELSE 1 END, lower(p.name), p.id LIMIT 1000"
        );
        let rows: Vec<WithRole> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Membership::try_from).collect()
    }

    /// Projects by id after a cursor, whoever's they are: public ones alone, or all.
    pub async fn list_projects(
        &self,
        user: UserId,
        all: bool,
        after: Option<ProjectId>,
        limit: u32,
    ) -> Result<Vec<Membership>> {
        let sql = format!(
            "SELECT {COLUMNS}, m.role FROM projects p LEFT JOIN members m ON m.project_id = p.id AND m.user_id = $1 \
             WHERE ($2 OR p.visibility = 'public' OR m.role IS NOT NULL) AND p.deleting_at IS NULL AND p.id < $3 \
             ORDER BY p.id DESC LIMIT $4"
        );
        let rows: Vec<WithRole> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .bind(all)
                .bind(after.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string()))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Membership::try_from).collect()
    }

    pub async fn find_member(&self, project: ProjectId, user: UserId) -> Result<Option<Member>> {
        let row: Option<MemberRow> = on!(self, |db| {
            sqlx::query_as(
                "SELECT m.user_id, u.name, u.display_name, m.role, m.by_rule, m.since FROM members m \
                 JOIN users u ON u.id = m.user_id WHERE m.project_id = $1 AND m.user_id = $2",
            )
            .bind(project.to_string())
            .bind(user.to_string())
            .fetch_optional(db)
            .await
        })?;
        row.map(Member::try_from).transpose()
    }

    /// The next members after a name, in order of names.
    pub async fn list_members(
        &self,
        project: ProjectId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Member>> {
        let rows: Vec<MemberRow> = on!(self, |db| {
            sqlx::query_as(
                "SELECT m.user_id, u.name, u.display_name, m.role, m.by_rule, m.since FROM members m \
                 JOIN users u ON u.id = m.user_id WHERE m.project_id = $1 AND u.name > $2 ORDER BY u.name LIMIT $3",
            )
            .bind(project.to_string())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(db)
            .await
        })?;
        rows.into_iter().map(Member::try_from).collect()
    }

    pub async fn count_members(&self, project: ProjectId) -> Result<i64> {
        Ok(on!(self, |db| {
            sqlx::query_scalar("SELECT COUNT(*) FROM members WHERE project_id = $1")
                .bind(project.to_string())
                .fetch_one(db)
                .await
        })?)
    }

    /// Jobs that have not ended.
    pub async fn count_live_jobs(&self, project: ProjectId) -> Result<i64> {
        Ok(on!(self, |db| {
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM jobs WHERE project_id = $1 AND phase IN ('queued', 'starting', 'running')",
            )
            .bind(project.to_string())
            .fetch_one(db)
            .await
        })?)
    }

    pub async fn count_jobs(&self, project: ProjectId) -> Result<i64> {
        Ok(on!(self, |db| {
            sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE project_id = $1")
                .bind(project.to_string())
                .fetch_one(db)
                .await
        })?)
    }
}

impl Tx {
    /// A new project; its maker is its first administrator.
    pub async fn insert_project(
        &mut self,
        project: &Project,
        maker: &Permitted<UserId>,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO projects (id, name, description, visibility, created_at, version) VALUES ($1, $2, $3, $4, $5, 1)",
            )
            .bind(project.id.to_string())
            .bind(project.name.as_str())
            .bind(&project.description)
            .bind(project.visibility.as_str())
            .bind(micros(project.created_at))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        self.put_member_row(
            project.id,
            *maker.scope(),
            Role::Administrator,
            project.created_at,
        )
        .await
    }

    /// Changes what people call it; `Stale` where it is no longer at `version`.
    pub async fn update_project(
        &mut self,
        project: &Permitted<ProjectId>,
        version: i64,
        name: &Title,
        description: &str,
        visibility: Visibility,
        archived_at: Option<Timestamp>,
    ) -> Result<()> {
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE projects SET name = $3, description = $4, visibility = $5, archived_at = $6, version = version + 1 \
                 WHERE id = $1 AND version = $2 AND deleting_at IS NULL",
            )
            .bind(project.scope().to_string())
            .bind(version)
            .bind(name.as_str())
            .bind(description)
            .bind(visibility.as_str())
            .bind(archived_at.map(micros))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the project"))
        } else {
            Ok(())
        }
    }

    /// Hides the project from everybody while a task deletes what is in it. `Stale` where a job of it is live.
    pub async fn begin_deleting_project(
        &mut self,
        project: &Permitted<ProjectId>,
        now: Timestamp,
    ) -> Result<()> {
        self.lock_project(*project.scope()).await?;
        let rows = within!(self, |db| {
            sqlx::query(
                "UPDATE projects SET deleting_at = $2, version = version + 1 WHERE id = $1 AND deleting_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE project_id = $1 AND phase IN ('queued', 'starting', 'running'))",
            )
            .bind(project.scope().to_string())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        if rows == 0 {
            Err(Error::Stale("the project"))
        } else {
            Ok(())
        }
    }

    /// The last step of a deletion: its files are gone, now its rows.
    pub async fn delete_project(&mut self, project: &Permitted<ProjectId>) -> Result<()> {
        let id = project.scope().to_string();
        if let Inner::Sqlite(tx) = &mut self.inner {
            sqlx::query("DELETE FROM jobs_search WHERE rowid IN (SELECT number FROM jobs WHERE project_id = $1)")
                .bind(&id)
                .execute(&mut **tx)
                .await?;
        }
        for sql in [
            "DELETE FROM jobs WHERE project_id = $1",
            "DELETE FROM projects WHERE id = $1 AND deleting_at IS NOT NULL",
        ] {
            within!(self, |db| sqlx::query(sql)
                .bind(&id)
                .execute(db)
                .await
                .map(|_| ()))?;
        }
        Ok(())
    }

    pub async fn put_member(
        &mut self,
        project: &Permitted<ProjectId>,
        user: UserId,
        role: Role,
        now: Timestamp,
    ) -> Result<()> {
        self.put_member_row(*project.scope(), user, role, now).await
    }

    /// Gives the members of another project the same roles here; who is in this one stays as they are. What a rule gave there
    /// it gave there alone.
    pub async fn copy_members(
        &mut self,
        project: &Permitted<ProjectId>,
        from: ProjectId,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO members (project_id, user_id, role, since) \
                 SELECT $1, user_id, role, $3 FROM members WHERE project_id = $2 AND NOT by_rule \
                 ON CONFLICT (project_id, user_id) DO NOTHING",
            )
            .bind(project.scope().to_string())
            .bind(from.to_string())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    async fn put_member_row(
        &mut self,
        project: ProjectId,
        user: UserId,
        role: Role,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO members (project_id, user_id, role, since) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role",
            )
            .bind(project.to_string())
            .bind(user.to_string())
            .bind(role.as_str())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }

    /// Gives a role by a rule; false where there is no such project, or somebody gave the user a role by hand.
    pub async fn grant_member(
        &mut self,
        project: &Permitted<ProjectId>,
        user: UserId,
        role: Role,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query(
                "INSERT INTO members (project_id, user_id, role, since, by_rule) \
                 SELECT id, $2, $3, $4, TRUE FROM projects WHERE id = $1 AND deleting_at IS NULL \
                 ON CONFLICT (project_id, user_id) DO UPDATE SET role = excluded.role WHERE members.by_rule",
            )
            .bind(project.scope().to_string())
            .bind(user.to_string())
            .bind(role.as_str())
            .bind(micros(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Takes what a rule gave.
    pub async fn revoke_member(
        &mut self,
        project: &Permitted<ProjectId>,
        user: UserId,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("DELETE FROM members WHERE project_id = $1 AND user_id = $2 AND by_rule")
                .bind(project.scope().to_string())
                .bind(user.to_string())
                .execute(db)
                .await
                .map(|_| ())
        })?;
        Ok(())
    }

    /// What rules gave somebody.
    pub async fn list_memberships_by_rule(
        &mut self,
        user: UserId,
    ) -> Result<Vec<(ProjectId, Role)>> {
        let rows: Vec<(String, String)> = within!(self, |db| {
            sqlx::query_as("SELECT project_id, role FROM members WHERE user_id = $1 AND by_rule")
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })?;
        let parse = |(project, role): (String, String)| {
            let column = Column {
                table: "members",
                id: &project,
            };
            Ok((
                column.parse("project_id", &project)?,
                column.parse("role", &role)?,
            ))
        };
        rows.into_iter().map(parse).collect()
    }

    /// False where the user is no member.
    pub async fn delete_member(
        &mut self,
        project: &Permitted<ProjectId>,
        user: UserId,
    ) -> Result<bool> {
        let rows = within!(self, |db| {
            sqlx::query("DELETE FROM members WHERE project_id = $1 AND user_id = $2")
                .bind(project.scope().to_string())
                .bind(user.to_string())
                .execute(db)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(rows > 0)
    }

    /// Administrators of a project, counted under a lock, so that two cannot leave at once.
    pub async fn count_administrators(&mut self, project: &Permitted<ProjectId>) -> Result<i64> {
        self.lock_project(*project.scope()).await?;
        Ok(within!(self, |db| {
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM members WHERE project_id = $1 AND role = 'administrator'",
            )
            .bind(project.scope().to_string())
            .fetch_one(db)
            .await
        })?)
    }

    /// Waits for others that hold the project, save those who only refer to it: two who each made a member would wait
    /// for one another. A statement sees what was committed before it began: what must see
    /// what they did has to be another, after this.
    async fn lock_project(&mut self, id: ProjectId) -> Result<()> {
        if let Inner::Pg(tx) = &mut self.inner {
            sqlx::query("SELECT id FROM projects WHERE id = $1 FOR NO KEY UPDATE")
                .bind(id.to_string())
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }
}
