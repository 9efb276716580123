//! Tasks: long work that goes on by itself.
use super::{AFTER_ALL_IDS, Column, Error, Result, Store, Tx, micros, on, signed, within};
use crate::domain::{
    event::Change,
    ids::{ProjectId, TaskId, UserId},
    job::words,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    TaskState { Waiting = "waiting", Running = "running", Done = "done", Failed = "failed", Cancelled = "cancelled" }
}

#[derive(Debug, Clone)]
pub struct Task {
    pub id: TaskId,
    /// Which worker's work it is, such as `delete_files`.
    pub kind: String,
    /// What it does, for people.
    pub title: String,
    pub project: Option<ProjectId>,
    pub user: UserId,
    /// The worker's own JSON.
    pub input: String,
    pub state: TaskState,
    pub done: u64,
    pub total: Option<u64>,
    pub outcome: Option<String>,
    pub cancel_requested: bool,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct NewTask {
    pub id: TaskId,
    pub kind: &'static str,
    pub title: String,
    pub project: Option<ProjectId>,
    pub user: UserId,
    pub input: String,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    title: String,
    project_id: Option<String>,
    user_id: String,
    input: String,
    state: String,
    done: i64,
    total: Option<i64>,
    outcome: Option<String>,
    cancel_at: Option<i64>,
    created_at: i64,
    ended_at: Option<i64>,
}

const COLUMNS: &str = "id, kind, title, project_id, user_id, input, state, done, total, outcome, cancel_at, created_at, ended_at";

impl TryFrom<Row> for Task {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let id = row.id.clone();
        let column = Column {
            table: "tasks",
            id: &id,
        };
        Ok(Self {
            id: column.parse("id", &row.id)?,
            kind: row.kind,
            title: row.title,
            project: row
                .project_id
                .map(|p| column.parse("project_id", &p))
                .transpose()?,
            user: column.parse("user_id", &row.user_id)?,
            input: row.input,
            state: column.parse("state", &row.state)?,
            done: column.count("done", row.done)?,
            total: row.total.map(|t| column.count("total", t)).transpose()?,
            outcome: row.outcome,
            cancel_requested: row.cancel_at.is_some(),
            created_at: column.time("created_at", row.created_at)?,
            ended_at: column.time_if("ended_at", row.ended_at)?,
        })
    }
}

impl Store {
    pub async fn find_task(&self, id: TaskId) -> Result<Option<Task>> {
        let sql = format!("SELECT {COLUMNS} FROM tasks WHERE id = $1");
        let row: Option<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })?;
        row.map(Task::try_from).transpose()
    }

    /// A user's tasks, the newest first, those made before `before`.
    pub async fn list_tasks(
        &self,
        user: UserId,
        before: Option<TaskId>,
        limit: u32,
    ) -> Result<Vec<Task>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tasks WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .bind(before.map_or_else(|| AFTER_ALL_IDS.to_owned(), |id| id.to_string()))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// A project's tasks that have not ended, the oldest first.
    pub async fn list_live_tasks_of(&self, project: ProjectId, limit: u32) -> Result<Vec<Task>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tasks WHERE project_id = $1 AND ended_at IS NULL ORDER BY id LIMIT $2"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(project.to_string())
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Task::try_from).collect()
    }

    /// Tasks that have not ended, the oldest first.
    pub async fn list_live_tasks(&self, limit: u32) -> Result<Vec<Task>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tasks WHERE ended_at IS NULL ORDER BY created_at LIMIT $1"
        );
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Task::try_from).collect()
    }
}

impl Tx {
    pub async fn insert_task(&mut self, task: &NewTask) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO tasks (id, kind, title, project_id, user_id, input, state, done, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7)",
            )
            .bind(task.id.to_string())
            .bind(task.kind)
            .bind(&task.title)
            .bind(task.project.map(|p| p.to_string()))
            .bind(task.user.to_string())
            .bind(&task.input)
            .bind(micros(task.created_at))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        self.touch(Change::Task(task.id));
        Ok(())
    }

    pub async fn task_progress(&mut self, id: TaskId, done: u64, total: Option<u64>) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE tasks SET state = 'running', done = $2, total = $3 WHERE id = $1 AND ended_at IS NULL")
                .bind(id.to_string())
                .bind(signed(done))
                .bind(total.map(signed))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        self.touch(Change::Task(id));
        Ok(())
    }

    pub async fn end_task(
        &mut self,
        id: TaskId,
        state: TaskState,
        outcome: &str,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE tasks SET state = $2, outcome = $3, ended_at = $4 WHERE id = $1 AND ended_at IS NULL")
                .bind(id.to_string())
                .bind(state.as_str())
                .bind(outcome)
                .bind(micros(now))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        self.touch(Change::Task(id));
        Ok(())
    }

    /// Records the wish to stop; the worker sees it between two steps.
    pub async fn cancel_task(&mut self, id: TaskId, now: Timestamp) -> Result<()> {
        within!(self, |db| {
            sqlx::query("UPDATE tasks SET cancel_at = COALESCE(cancel_at, $2) WHERE id = $1 AND ended_at IS NULL")
                .bind(id.to_string())
                .bind(micros(now))
                .execute(db)
                .await
                .map(|_| ())
        })?;
        self.touch(Change::Task(id));
        Ok(())
    }
}
