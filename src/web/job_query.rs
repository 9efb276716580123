//! The filters of a list of jobs, as pages and API take them.
use crate::{
    domain::{
        names::{ONE_LINE, UserName, is_one_line},
        violation::Violations,
    },
    services::{Error, Portal},
    store::JobFilter,
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;

/// The query of a list of jobs. Empty means all.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(default)]
pub struct JobQuery {
    /// One or more, separated by commas.
    pub phase: String,
    pub user: String,
    pub queue: String,
    pub name: String,
    #[serde(rename = "type")]
    pub language: String,
    pub created_after: String,
    pub created_before: String,
    pub q: String,
}

impl JobQuery {
    /// Names and values of what is given, in the form's order.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        [
            ("phase", &self.phase),
            ("user", &self.user),
            ("queue", &self.queue),
            ("name", &self.name),
            ("type", &self.language),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
            ("q", &self.q),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.trim()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
    }

    /// The filter, or what is wrong with it; `None` where no such user exists, so that nothing can match. Days begin at
    /// midnight in `zone`.
    pub async fn filter(
        &self,
        portal: &Portal,
        zone: TimeZone,
    ) -> Result<Option<JobFilter>, Error> {
        let mut wrong = Violations::default();
        let given = |value: &str| {
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        for (field, value) in self.pairs() {
            if !is_one_line(value) {
                wrong.add(&format!("/{field}"), ONE_LINE, Some(value));
            }
        }
        let mut filter = JobFilter {
            queue: given(&self.queue),
            name: given(&self.name),
            text: given(&self.q),
            ..JobFilter::default()
        };
        for phase in self
            .phase
            .split(',')
            .map(str::trim)
            .filter(|p| !p.is_empty())
        {
            match phase.parse() {
                Ok(phase) => filter.phases.push(phase),
                Err(why) => wrong.add("/phase", format!("The phase {why}."), Some(phase)),
            }
        }
        if !self.language.is_empty() {
            match self.language.parse() {
                Ok(language) => filter.language = Some(language),
                Err(why) => wrong.add("/type", format!("The type {why}."), Some(&self.language)),
            }
        }
        filter.created_after = moment("/created_after", &self.created_after, &zone, &mut wrong);
        filter.created_before = moment("/created_before", &self.created_before, &zone, &mut wrong);
        wrong.into_result(())?;
        if let Some(name) = given(&self.user) {
            let found = match UserName::parse(&name) {
                Ok(name) => portal.store.find_user_by_name(&name).await?,
                Err(_) => None,
            };
            let Some(user) = found else {
                return Ok(None);
            };
            filter.user = Some(user.id);
        }
        Ok(Some(filter))
    }
}

/// A moment, or a day, which begins at midnight.
fn moment(field: &str, text: &str, zone: &TimeZone, wrong: &mut Violations) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let day = text
        .parse::<jiff::civil::Date>()
        .ok()
        .and_then(|day| day.to_zoned(zone.clone()).ok());
    let found = text
        .parse::<Timestamp>()
        .ok()
        .or(day.map(|day| day.timestamp()));
    if found.is_none() {
        wrong.add(
            field,
            "Give a time such as `2026-11-25T08:00:00Z`, or a day such as `2026-11-25`.",
            Some(text),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_begins_where_its_reader_is() {
        let mut wrong = Violations::default();
        let mut at = |text, zone| moment("/created_after", text, &zone, &mut wrong).unwrap();
        let oslo = TimeZone::get("Europe/Oslo").unwrap();
        assert_eq!(
            at("2026-11-25", TimeZone::UTC).to_string(),
            "2026-11-25T00:00:00Z"
        );
        assert_eq!(
            at("2026-11-25", oslo.clone()).to_string(),
            "2026-11-24T23:00:00Z"
        );
        assert_eq!(
            at("2026-11-25T08:00:00Z", oslo).to_string(),
            "2026-11-25T08:00:00Z"
        );
        assert!(moment("/created_after", "tomorrow", &TimeZone::UTC, &mut wrong).is_none());
        assert_eq!(wrong.on("/created_after").len(), 1);
    }
}
