//! Somebody's own jobs, in projects of which they are a member: what they wait for, and what has ended.
use super::{
    Result, Store,
    jobs::{COLUMNS, NAMED, NAMES, Place, PlaceRow},
    on,
};
use crate::domain::ids::UserId;

impl Store {
    /// A user's live jobs, the newest first.
    ///
    /// Read from the index of live jobs, whose length does not grow with how many have ended.
    pub async fn list_live_jobs_of(&self, user: UserId, limit: u32) -> Result<Vec<Place>> {
        let live = "l.phase IN ('queued', 'starting', 'running')";
        self.list_own_jobs(live, user, limit).await
    }

    /// A user's ended jobs, the newest first.
    ///
    /// Read from the index of their ended jobs, however many others there are.
    pub async fn list_ended_jobs_of(&self, user: UserId, limit: u32) -> Result<Vec<Place>> {
        let ended = "l.phase IN ('succeeded', 'failed', 'cancelled') AND l.deleting_at IS NULL";
        self.list_own_jobs(ended, user, limit).await
    }

    async fn list_own_jobs(&self, which: &str, user: UserId, limit: u32) -> Result<Vec<Place>> {
        let sql = format!(
            "SELECT {COLUMNS}, {NAMES} FROM \
             (SELECT l.number FROM jobs l WHERE {which} AND l.user_id = $1 \
              AND EXISTS (SELECT 1 FROM members m WHERE m.project_id = l.project_id AND m.user_id = $1) \
              ORDER BY l.number DESC LIMIT $2) AS found \
             JOIN jobs j ON j.number = found.number {NAMED} ORDER BY j.number DESC"
        );
        let rows: Vec<PlaceRow> = on!(self, |db| {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(user.to_string())
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        rows.into_iter().map(Place::try_from).collect()
    }
}
