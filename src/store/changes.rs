//! Telling listeners that something changed, in this process and, on PostgreSQL, in the other replicas.
use crate::domain::event::Change;
use sqlx::postgres::PgListener;
use std::{collections::HashSet, time::Duration};
use tokio::sync::{broadcast, mpsc};

const CHANNEL: &str = "tourmaline_changes";

/// A tap of changes. A listener that was too slow is told so by its receiver and looks at everything again.
#[derive(Clone, Debug)]
pub struct Changes {
    local: broadcast::Sender<Change>,
    /// To the task that tells the other replicas.
    remote: Option<mpsc::UnboundedSender<Change>>,
}

impl Changes {
    pub(super) fn in_process() -> Self {
        Self {
            local: broadcast::channel(1024).0,
            remote: None,
        }
    }

    /// NOTIFY is sent after the commit and coalesced: inside the transaction it would serialise all commits.
    #[expect(clippy::disallowed_types, reason = "part of store")]
    pub(super) fn shared(pool: sqlx::PgPool) -> Self {
        let (remote, outbox) = mpsc::unbounded_channel();
        let local = broadcast::channel(1024).0;
        let me = uuid::Uuid::new_v4().simple().to_string();
        tokio::spawn(send(pool.clone(), outbox, me.clone()));
        tokio::spawn(receive(pool, local.clone(), me));
        Self {
            local,
            remote: Some(remote),
        }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.local.subscribe()
    }

    pub(super) fn publish(&self, touched: &[Change]) {
        for change in touched {
            // Nobody listening is no error.
            let _ = self.local.send(*change);
            if let Some(remote) = &self.remote {
                let _ = remote.send(*change);
            }
        }
    }
}

#[expect(clippy::disallowed_types, reason = "part of store")]
async fn send(pool: sqlx::PgPool, mut outbox: mpsc::UnboundedReceiver<Change>, me: String) {
    while let Some(first) = outbox.recv().await {
        let mut batch = HashSet::from([first]);
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(change) = outbox.try_recv() {
            batch.insert(change);
        }
        let payloads: Vec<String> = batch
            .iter()
            .map(|change| format!("{me} {}", encode(*change)))
            .collect();
        // A lost notice is made good by the listeners' own polls.
        let sent = sqlx::query("SELECT pg_notify($1, p) FROM unnest($2::text[]) AS p")
            .bind(CHANNEL)
            .bind(payloads)
            .execute(&pool)
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "other replicas were not told");
        }
    }
}

#[expect(clippy::disallowed_types, reason = "part of store")]
async fn receive(pool: sqlx::PgPool, local: broadcast::Sender<Change>, me: String) {
    loop {
        if let Err(error) = listen(&pool, &local, &me).await {
            tracing::debug!(%error, "not listening to other replicas; trying again");
        }
        if pool.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[expect(clippy::disallowed_types, reason = "part of store")]
async fn listen(
    pool: &sqlx::PgPool,
    local: &broadcast::Sender<Change>,
    me: &str,
) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let notice = listener.recv().await?;
        if let Some((from, change)) = notice.payload().split_once(' ')
            && from != me
            && let Some(change) = decode(change)
        {
            let _ = local.send(change);
        }
    }
}

fn encode(change: Change) -> String {
    match change {
        Change::Job(project, job) => format!("job {project} {job}"),
        Change::Log(job) => format!("log {job}"),
        Change::Task(task) => format!("task {task}"),
    }
}

fn decode(text: &str) -> Option<Change> {
    let mut words = text.split(' ');
    let change = match words.next()? {
        "job" => Change::Job(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
        "log" => Change::Log(words.next()?.parse().ok()?),
        "task" => Change::Task(words.next()?.parse().ok()?),
        _ => return None,
    };
    Some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{JobId, ProjectId, TaskId};

    #[test]
    fn changes_survive_the_wire() {
        for change in [
            Change::Job(ProjectId::new(), JobId::new()),
            Change::Log(JobId::new()),
            Change::Task(TaskId::new()),
        ] {
            assert_eq!(decode(&encode(change)), Some(change));
        }
    }
}
