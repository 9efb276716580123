//! Slowing down who guesses: per account and per address. No account is ever locked.
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _};
use std::num::NonZeroU32;

/// More keys than this are forgotten when they are fresh again, so that guessers cannot fill the memory.
const KEYS: usize = 10_000;

pub(super) struct Limits {
    account: DefaultKeyedRateLimiter<String>,
    address: DefaultKeyedRateLimiter<String>,
    token: DefaultKeyedRateLimiter<String>,
}

impl Default for Limits {
    fn default() -> Self {
        let per_minute = |n: u32| {
            NonZeroU32::new(n).map_or(Quota::per_minute(NonZeroU32::MIN), Quota::per_minute)
        };
        Self {
            account: DefaultKeyedRateLimiter::keyed(per_minute(10)),
            address: DefaultKeyedRateLimiter::keyed(per_minute(30)),
            token: DefaultKeyedRateLimiter::keyed(per_minute(60)),
        }
    }
}

impl Limits {
    /// Counts one try to sign in; the error is how many seconds to wait.
    pub fn sign_in(&self, account: &str, address: &str) -> Result<(), u64> {
        take(&self.address, address)?;
        take(&self.account, account)
    }

    /// Counts one wrong token from an address.
    pub fn wrong_token(&self, address: &str) -> Result<(), u64> {
        take(&self.token, address)
    }
}

fn take(limiter: &DefaultKeyedRateLimiter<String>, key: &str) -> Result<(), u64> {
    if limiter.len() > KEYS {
        limiter.retain_recent();
    }
    let key = key.chars().take(100).collect::<String>();
    limiter
        .check_key(&key)
        .map_err(|not_yet| not_yet.wait_time_from(limiter.clock().now()).as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_slows_down_and_others_are_not_held() {
        let limits = Limits::default();
        for _ in 0..10 {
            assert_eq!(limits.sign_in("ada", "10.0.0.1"), Ok(()));
        }
        assert!(
            limits
                .sign_in("ada", "10.0.0.2")
                .is_err_and(|wait| (1..=60).contains(&wait))
        );
        assert_eq!(limits.sign_in("bob", "10.0.0.2"), Ok(()));
    }
}
