//! Queues.
use super::{Column, Error, Result, Store, Tx, micros, on, within};
use crate::domain::{
    access::{Permitted, Site},
    job::words,
    names::QueueName,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words! {
    /// `open` takes and places jobs, `hold` takes them and places none, `drain` takes none and places those that wait.
    QueueState { Open = "open", Hold = "hold", Drain = "drain" }
}

#[derive(Debug, Clone)]
pub struct Queue {
    pub name: QueueName,
    pub description: String,
    pub state: QueueState,
    /// Jobs of it that wait.
    pub waiting: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    description: String,
    state: String,
    waiting: i64,
}

impl Store {
    pub async fn list_queues(&self) -> Result<Vec<Queue>> {
        let rows: Vec<Row> = on!(self, |db| {
            sqlx::query_as(
                "SELECT q.name, q.description, q.state, \
                 (SELECT COUNT(*) FROM jobs j WHERE j.phase = 'queued' AND j.queue = q.name) AS waiting \
                 FROM queues q ORDER BY q.name",
            )
            .fetch_all(db)
            .await
        })?;
        rows.into_iter()
            .map(|row| {
                let id = row.name.clone();
                let column = Column {
                    table: "queues",
                    id: &id,
                };
                Ok::<_, Error>(Queue {
                    name: column.name("name", row.name)?,
                    description: row.description,
                    state: column.parse("state", &row.state)?,
                    waiting: row.waiting,
                })
            })
            .collect()
    }

    /// The queues without counting what waits in them.
    pub async fn list_queue_states(&self) -> Result<Vec<(QueueName, QueueState)>> {
        let rows: Vec<(String, String)> = on!(self, |db| {
            sqlx::query_as("SELECT name, state FROM queues ORDER BY name")
                .fetch_all(db)
                .await
        })?;
        rows.into_iter()
            .map(|(name, state)| {
                let id = name.clone();
                let column = Column {
                    table: "queues",
                    id: &id,
                };
                let state = column.parse("state", &state)?;
                Ok((column.name("name", name)?, state))
            })
            .collect()
    }

    pub async fn find_queue_state(&self, name: &QueueName) -> Result<Option<QueueState>> {
        let state: Option<String> = on!(self, |db| {
            sqlx::query_scalar("SELECT state FROM queues WHERE name = $1")
                .bind(name.as_str())
                .fetch_optional(db)
                .await
        })?;
        state
            .map(|state| {
                Column {
                    table: "queues",
                    id: name.as_str(),
                }
                .parse("state", &state)
            })
            .transpose()
    }
}

impl Tx {
    /// Makes a queue unless there is one of that name.
    pub async fn insert_queue(
        &mut self,
        _: &Permitted<Site>,
        name: &QueueName,
        description: &str,
        now: Timestamp,
    ) -> Result<()> {
        within!(self, |db| {
            sqlx::query(
                "INSERT INTO queues (name, description, state, created_at) VALUES ($1, $2, 'open', $3) ON CONFLICT (name) DO NOTHING",
            )
            .bind(name.as_str())
            .bind(description)
            .bind(micros(now))
            .execute(db)
            .await
            .map(|_| ())
        })?;
        Ok(())
    }
}
