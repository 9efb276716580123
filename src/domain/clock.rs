//! Where the time comes from: the system, or a test's hand.
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Debug)]
pub struct Clock(Option<Arc<Mutex<Timestamp>>>);

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until [`Clock::advance`].
    pub fn manual(start: Timestamp) -> Self {
        Self(Some(Arc::new(Mutex::new(start))))
    }

    /// Now, to the microsecond: what the database keeps.
    pub fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that asks the system"
        )]
        let now = match &self.0 {
            None => Timestamp::now(),
            Some(hand) => *hand.lock().unwrap_or_else(PoisonError::into_inner),
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// Moves a manual clock; a system clock cannot be moved.
    pub fn advance(&self, by: std::time::Duration) {
        if let Some(hand) = &self.0 {
            let mut hand = hand.lock().unwrap_or_else(PoisonError::into_inner);
            *hand = hand.checked_add(by).unwrap_or(Timestamp::MAX);
        }
    }
}
