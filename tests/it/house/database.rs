//! Houses on PostgreSQL.
use super::{Home, Portal};
use crate::own_database::with_own;
use sqlx::{Connection as _, PgConnection};
use std::time::{Duration, Instant};

/// Tells a story in a house on PostgreSQL, and leaves nothing of it there.
pub async fn on_postgres<F: Future>(story: impl FnOnce(Portal) -> F) {
    with_own(async |url| story(Portal::at(Home::Postgres(url)).await).await).await;
}

/// Until a statement waits for another's lock.
pub async fn until_one_waits(database: &str) {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
        assert!(Instant::now() < patience, "no statement waits");
    }
}
