//! Slowing down who guesses. What failed counts, by the network that it came from: few failures for one account, more for
//! all together. An account that many networks try answers later, to those who are not signed in to it; none is locked.
use crate::domain::names::UserName;
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock as _};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// More keys than this are forgotten when they are fresh again, so that guessers cannot fill the memory.
const KEYS: usize = 10_000;

/// What an address counts as: itself, and with version 6 the /64 that one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Network {
    /// What cannot be read is one network like another.
    pub fn of(address: &str) -> Self {
        let address = address
            .parse::<IpAddr>()
            .map(|address| address.to_canonical());
        Self(match address {
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            Ok(address) => address,
            Err(_) => Ipv6Addr::UNSPECIFIED.into(),
        })
    }
}

pub(super) struct Limits {
    account_from_network: Failures<(UserName, Network)>,
    network: Failures<Network>,
    account: Failures<UserName>,
    token: DefaultKeyedRateLimiter<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        let tokens =
            NonZeroU32::new(60).map_or(Quota::per_minute(NonZeroU32::MIN), Quota::per_minute);
        Self {
            account_from_network: Failures::per_minute(10),
            network: Failures::per_minute(30),
            account: Failures::per_minute(30),
            token: DefaultKeyedRateLimiter::keyed(tokens),
        }
    }
}

impl Limits {
    /// Counts one try as if it failed, so that many at once are counted too; [`Try::forgive`] takes it back. `account` is
    /// none where the name can be nobody's. The error is how many seconds to wait.
    pub fn try_once(&self, account: Option<UserName>, network: Network) -> Result<Try<'_>, u64> {
        let now = Instant::now();
        let both = account.clone().map(|account| (account, network));
        if let Some(both) = &both {
            self.account_from_network
                .count(both, now)
                .map_err(seconds)?;
        }
        if let Err(wait) = self.network.count(&network, now) {
            if let Some(both) = &both {
                self.account_from_network.forgive(both, now);
            }
            return Err(seconds(wait));
        }
        let delay = account
            .as_ref()
            .and_then(|account| self.account.count(account, now).err());
        Ok(Try {
            limits: self,
            account,
            network,
            delay,
        })
    }

    /// Counts one wrong token from a network.
    pub fn wrong_token(&self, network: Network) -> Result<(), u64> {
        if self.token.len() > KEYS {
            self.token.retain_recent();
        }
        self.token
            .check_key(&network)
            .map_err(|not_yet| seconds(not_yet.wait_time_from(self.token.clock().now())))
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// A try that was let through.
pub(super) struct Try<'a> {
    limits: &'a Limits,
    account: Option<UserName>,
    network: Network,
    /// How much later it is answered, because its account is tried from everywhere.
    pub delay: Option<Duration>,
}

impl Try<'_> {
    /// It was no wrong guess.
    pub fn forgive(self) {
        let now = Instant::now();
        self.limits.network.forgive(&self.network, now);
        if let Some(account) = self.account {
            if self.delay.is_none() {
                self.limits.account.forgive(&account, now);
            }
            let both = (account, self.network);
            self.limits.account_from_network.forgive(&both, now);
        }
    }
}

/// Failures by key, each forgotten after its time.
struct Failures<K> {
    most: f64,
    /// Forgotten in a second.
    rate: f64,
    by_key: Mutex<HashMap<K, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    failures: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> Failures<K> {
    fn per_minute(most: u32) -> Self {
        Self {
            most: most.into(),
            rate: f64::from(most) / 60.0,
            by_key: Mutex::default(),
        }
    }

    fn left(&self, count: Option<&Count>, now: Instant) -> f64 {
        count.map_or(0.0, |count| {
            let passed = now.saturating_duration_since(count.at);
            (count.failures - self.rate * passed.as_secs_f64()).max(0.0)
        })
    }

    /// The error is after how long there is room for one more; nothing is counted then.
    fn count(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.left(by_key.get(key), now) + 1.0;
        if failures > self.most {
            return Err(Duration::from_secs_f64((failures - self.most) / self.rate));
        }
        by_key.insert(key.clone(), Count { failures, at: now });
        if by_key.len() > KEYS {
            self.forget(&mut by_key, now);
        }
        Ok(())
    }

    fn forgive(&self, key: &K, now: Instant) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = self.left(by_key.get(key), now) - 1.0;
        if failures > 0.0 {
            by_key.insert(key.clone(), Count { failures, at: now });
        } else {
            by_key.remove(key);
        }
    }

    /// Keeps the half that failed the most.
    fn forget(&self, by_key: &mut HashMap<K, Count>, now: Instant) {
        let left = by_key.values().map(|count| self.left(Some(count), now));
        let mut left: Vec<f64> = left.collect();
        let middle = left.len() / 2;
        let median = *left.select_nth_unstable_by(middle, f64::total_cmp).1;
        by_key.retain(|_, count| self.left(Some(count), now) > median);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fail(limits: &Limits, name: &str, address: &str) -> Result<Option<Duration>, u64> {
        let name = UserName::parse(name).ok();
        let tried = limits.try_once(name, Network::of(address));
        tried.map(|tried| tried.delay)
    }

    #[test]
    fn guessing_slows_down_and_others_are_not_held() {
        let limits = Limits::default();
        for _ in 0..10 {
            assert_eq!(fail(&limits, "ada", "10.0.0.1"), Ok(None));
        }
        let refused = fail(&limits, "ada", "10.0.0.1");
        assert!(refused.is_err_and(|wait| (1..=7).contains(&wait)));
        assert_eq!(fail(&limits, "ada", "10.0.0.2"), Ok(None));
        assert_eq!(fail(&limits, "bob", "10.0.0.1"), Ok(None));
    }

    #[test]
    fn an_account_tried_from_everywhere_answers_later_and_is_not_locked() {
        let limits = Limits::default();
        for n in 0..30 {
            assert_eq!(fail(&limits, "ada", &format!("10.0.0.{n}")), Ok(None));
        }
        let late = fail(&limits, "ada", "10.0.1.1").unwrap().unwrap();
        assert!(late <= Duration::from_secs(2), "{late:?}");
        assert_eq!(fail(&limits, "bob", "10.0.1.1"), Ok(None));
    }

    #[test]
    fn what_fitted_does_not_count() {
        let limits = Limits::default();
        let network = Network::of("10.0.0.1");
        for _ in 0..100 {
            let tried = limits.try_once(UserName::parse("ada").ok(), network);
            let tried = tried.unwrap_or_else(|wait| panic!("held for {wait} s"));
            assert_eq!(tried.delay, None);
            tried.forgive();
        }
        assert!(limits.network.by_key.lock().unwrap().is_empty());
        assert!(limits.account.by_key.lock().unwrap().is_empty());
    }

    #[test]
    fn failures_are_forgotten_with_time() {
        let failures = Failures::per_minute(10);
        let begin = Instant::now();
        for _ in 0..10 {
            failures.count(&"ada", begin).unwrap();
        }
        let wait = failures.count(&"ada", begin).unwrap_err();
        assert!((5.9..6.1).contains(&wait.as_secs_f64()), "{wait:?}");
        let later = begin + Duration::from_secs(7);
        failures.count(&"ada", later).unwrap();
        assert!(failures.count(&"ada", later).is_err());
    }

    #[test]
    fn what_many_keys_fill_is_forgotten_from_its_least() {
        let (failures, now) = (Failures::per_minute(10), Instant::now());
        for _ in 0..5 {
            failures.count(&0, now).unwrap();
        }
        for key in 1..=3 * KEYS {
            failures.count(&key, now).unwrap();
            assert!(failures.by_key.lock().unwrap().len() <= KEYS);
        }
        assert!(failures.by_key.lock().unwrap().contains_key(&0));
    }

    #[test]
    fn one_customer_is_one_network() {
        let same = |a, b| Network::of(a) == Network::of(b);
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
