//! Ids: `UUIDv7` text, one newtype per kind of thing, so that one is never taken for another.
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; ids made later sort later (to the millisecond, and within one process to the call).
            #[expect(clippy::new_without_default, reason = "an id is made, not defaulted")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// One of so many, always the same one for this id; 0 where there are none.
            pub fn one_of(self, many: usize) -> usize {
                let spread = self.0.as_u128() % (many.max(1) as u128);
                usize::try_from(spread).unwrap_or(0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

id! {
    UserId,
    ProjectId,
    JobId,
    TaskId,
    TokenId,
    /// Names a session on the account page; it is not the secret in the cookie.
    SessionId,
    IdentityId,
    AuditId,
}
