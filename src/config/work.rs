//! `[work]`: bounds and rhythms of jobs and of the background.
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Work {
    /// Jobs of one project that may wait or run at once; default 10,000. More are refused with 429.
    pub live_jobs_per_project: u32,
    /// First wait before a failed attempt is tried again, in seconds, doubled each time; default 10, at most 10 min.
    pub retry_seconds: u64,
    /// A log's part is kept after so many seconds while nobody follows it; default 15 (2 while somebody does).
    pub log_part_seconds: u64,
    /// A log longer than so many bytes is cut, and says so; default 10 GiB.
    pub log_limit: u64,
    /// How long an ended attempt's object is left where it ran, in seconds; default 10 min.
    pub keep_objects_for_seconds: u64,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            live_jobs_per_project: 10_000,
            retry_seconds: 10,
            log_part_seconds: 15,
            log_limit: 10 << 30,
            keep_objects_for_seconds: 600,
        }
    }
}

impl Work {
    pub(super) fn validate(&self, wrong: &mut Vec<String>) {
        for (key, value, least) in [
            (
                "live_jobs_per_project",
                u64::from(self.live_jobs_per_project),
                1,
            ),
            ("retry_seconds", self.retry_seconds, 1),
            ("log_part_seconds", self.log_part_seconds, 1),
            ("log_limit", self.log_limit, 1 << 20),
        ] {
            if value < least {
                wrong.push(format!("work.{key}: {value} must be at least {least}"));
            }
        }
    }
}
