//! `?limit=` and `?after=` of every list.
use crate::services::Error;
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Listing {
    limit: String,
    after: String,
}

/// Which part of a list.
pub struct Window<T> {
    pub after: Option<T>,
    pub limit: u32,
}

impl Listing {
    pub fn window<T: std::str::FromStr>(&self) -> Result<Window<T>, Error> {
        let limit = match self.limit.as_str() {
            "" => 50,
            text => match text.parse::<u32>() {
                Ok(limit @ 1..=200) => limit,
                _ => {
                    return Err(Error::field(
                        "/limit",
                        "Give a whole number from 1 to 200.",
                        Some(text),
                    ));
                }
            },
        };
        let after = match self.after.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                Error::field(
                    "/after",
                    "Give `next` of the page before as it was, or nothing.",
                    Some(text),
                )
            })?),
        };
        Ok(Window { after, limit })
    }
}
