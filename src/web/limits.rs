//! What one user may do at once or in a while, so that nobody takes all of the portal.
use crate::{
    config,
    domain::ids::UserId,
    services::{Error, Result},
};
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

/// Streams that one user has open: ten tabs on each of a few machines.
const STREAMS: usize = 64;
/// Zips of one user; each takes a processor while it is sent.
const ZIPS: usize = 2;
/// Zips of everybody.
const ALL_ZIPS: usize = 8;
/// Searches, which read files' names or a log: one a second, and so many at once.
const SEARCHES: u32 = 20;

pub struct Limits {
    streams: AtOnce,
    zips: AtOnce,
    searches: DefaultKeyedRateLimiter<UserId>,
    requests: DefaultKeyedRateLimiter<UserId>,
}

impl Limits {
    pub fn new(config: &config::Server) -> Self {
        let rate = |second: u32, burst: u32| {
            let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(at_least_one(second));
            DefaultKeyedRateLimiter::keyed(quota.allow_burst(at_least_one(burst)))
        };
        Self {
            streams: AtOnce::new(STREAMS, usize::MAX),
            zips: AtOnce::new(ZIPS, ALL_ZIPS),
            searches: rate(1, SEARCHES),
            requests: rate(config.api_requests_per_second, config.api_requests_at_once),
        }
    }

    /// A stream's turn, given back when it is dropped.
    pub fn stream(&self, user: UserId) -> Result<Turn> {
        self.streams.take(user).map_err(|_| Error::TooMany {
            why: format!(
                "You have {STREAMS} live pages or streams open, the most that is taken. Close some, then load this again."
            ),
            retry_seconds: 10,
        })
    }

    /// A zip's turn, given back when it is dropped.
    pub fn zip(&self, user: UserId) -> Result<Turn> {
        self.zips.take(user).map_err(|whose| Error::TooMany {
            why: match whose {
                Whose::User => format!(
                    "You have {ZIPS} zips under way, the most that is taken. Wait for one of them."
                ),
                Whose::Everybody => format!(
                    "{ALL_ZIPS} zips are under way here, the most that is taken. Try again in a minute, or download files one by one."
                ),
            },
            retry_seconds: 30,
        })
    }

    /// Counts a search, through everything or through a log.
    pub fn search(&self, user: UserId) -> Result<()> {
        count(&self.searches, user).map_err(|wait| Error::TooMany {
            why: format!(
                "More than {SEARCHES} searches came from you in a short time. Wait {wait} seconds."
            ),
            retry_seconds: wait,
        })
    }

    /// Counts a request with a token, whichever of the user's it is.
    pub fn request(&self, user: UserId) -> Result<()> {
        count(&self.requests, user).map_err(|wait| Error::TooMany {
            why: format!(
                "Your programs send more requests than are taken (server.api_requests_per_second). Wait {wait} seconds; ask for more in each request, such as ?limit=200, or follow an event stream."
            ),
            retry_seconds: wait,
        })
    }
}

/// The error is how many seconds to wait.
fn count(limiter: &DefaultKeyedRateLimiter<UserId>, user: UserId) -> Result<(), u64> {
    /// More users than this are forgotten when they are fresh again.
    const USERS: usize = 10_000;
    if limiter.len() > USERS {
        limiter.retain_recent();
    }
    limiter
        .check_key(&user)
        .map_err(|not_yet| not_yet.wait_time_from(limiter.clock().now()).as_secs() + 1)
}

type Counts = Arc<Mutex<HashMap<UserId, usize>>>;

/// How many each user has under way.
struct AtOnce {
    each: usize,
    all: usize,
    counts: Counts,
}

/// Whose bound was met.
#[derive(Debug)]
enum Whose {
    User,
    Everybody,
}

impl AtOnce {
    fn new(each: usize, all: usize) -> Self {
        Self {
            each,
            all,
            counts: Counts::default(),
        }
    }

    fn take(&self, user: UserId) -> Result<Turn, Whose> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = counts.get(&user).copied().unwrap_or(0);
        if mine >= self.each {
            return Err(Whose::User);
        }
        // Few enough to be counted: who has none is not in the table.
        if self.all < usize::MAX && counts.values().sum::<usize>() >= self.all {
            return Err(Whose::Everybody);
        }
        counts.insert(user, mine + 1);
        Ok(Turn {
            user,
            counts: self.counts.clone(),
        })
    }
}

/// One of those that a user may have at once.
#[must_use]
#[derive(Debug)]
pub struct Turn {
    user: UserId,
    counts: Counts,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn turns_are_bounded_for_each_and_for_all_and_come_back() {
        let zips = AtOnce::new(2, 3);
        let (ada, bob) = (UserId::new(), UserId::new());
        let mine = [zips.take(ada).unwrap(), zips.take(ada).unwrap()];
        assert!(matches!(zips.take(ada), Err(Whose::User)));
        let bobs = zips.take(bob).unwrap();
        assert!(matches!(zips.take(bob), Err(Whose::Everybody)));
        drop(mine);
        let bobs = [bobs, zips.take(bob).unwrap()];
        drop(bobs);
        assert!(zips.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn one_users_requests_hold_nobody_else() {
        let limits = Limits::new(&config::Server {
            api_requests_per_second: 1,
            api_requests_at_once: 2,
            ..config::Server::default()
        });
        let (ada, bob) = (UserId::new(), UserId::new());
        limits.request(ada).unwrap();
        limits.request(ada).unwrap();
        assert!(limits.request(ada).is_err());
        limits.request(bob).unwrap();
    }
}
