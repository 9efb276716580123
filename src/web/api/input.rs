//! What the API's small bodies and lists take: JSON objects with every wrong field told at once, and pages of lists.
use super::List;
use crate::{domain::violation::Violations, services::Error};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The fields of a JSON object. Absent and null are the same; what does not fit is kept for [`Fields::finish`].
pub struct Fields {
    map: Map<String, Value>,
    known: Vec<&'static str>,
    wrong: Violations,
}

impl Fields {
    pub fn of(value: Value) -> Self {
        let mut wrong = Violations::default();
        let map = match value {
            Value::Object(map) => map,
            _ => {
                wrong.add("", "Send a JSON object.", None);
                Map::new()
            }
        };
        Self {
            map,
            known: Vec::new(),
            wrong,
        }
    }

    /// Of a merge patch: null takes a field away, so that a text becomes empty; what must be there says so.
    pub fn of_patch(mut patch: Value) -> Self {
        for (_, value) in patch.as_object_mut().into_iter().flatten() {
            if value.is_null() {
                *value = "".into();
            }
        }
        Self::of(patch)
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn add(&mut self, name: &str, right: &str, value: &Value) {
        let shown = match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        };
        self.wrong
            .add(&pointer(name), right.to_owned(), shown.as_deref());
    }

    /// A text, or none where the field is not there.
    pub fn text_if(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                self.add(name, "This must be text.", &other);
                None
            }
        }
    }

    /// A text; empty where the field is not there.
    pub fn text(&mut self, name: &'static str) -> String {
        self.text_if(name).unwrap_or_default()
    }

    /// A text that is never repeated.
    pub fn secret(&mut self, name: &'static str) -> SecretString {
        match self.take(name) {
            None => SecretString::default(),
            Some(Value::String(text)) => text.into(),
            Some(_) => {
                self.wrong.add(&pointer(name), "This must be text.", None);
                SecretString::default()
            }
        }
    }

    pub fn flag_if(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            other => {
                self.add(name, "This must be true or false.", &other);
                None
            }
        }
    }

    pub fn whole_if(&mut self, name: &'static str) -> Option<i64> {
        let value = self.take(name)?;
        let number = value.as_i64();
        if number.is_none() {
            self.add(name, "This must be a whole number, not text.", &value);
        }
        number
    }

    /// Adds what a service finds wrong, but for fields that are wrong by their type already.
    pub fn also(&mut self, others: &Violations) {
        for other in others {
            if self.wrong.on(&other.field).is_empty() {
                self.wrong
                    .add(&other.field, other.message.clone(), other.value.as_deref());
            }
        }
    }

    /// Whether everything that was sent fits; a field that nobody took is unknown.
    pub fn finish(mut self) -> Result<(), Error> {
        let unknown = std::mem::take(&mut self.map);
        for (name, value) in unknown.iter().take(50) {
            let right = format!(
                "There is no such field; there are {}.",
                self.known.join(", ")
            );
            self.add(name, &right, value);
        }
        Ok(self.wrong.into_result(())?)
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// `?limit=` and `?after=` of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Paging {
    limit: Option<String>,
    pub after: Option<String>,
}

/// What the description says of them.
pub const PAGING: &[(&str, &str)] = &[
    ("limit", "How many at most: 1 to 200, default 50"),
    ("after", "The `next` of the page before"),
];

impl Paging {
    /// 1 to 200; 50 where none was asked for.
    pub fn limit(&self) -> Result<u32, Error> {
        let Some(text) = &self.limit else {
            return Ok(50);
        };
        match text.parse() {
            Ok(limit @ 1..=200) => Ok(limit),
            _ => Err(Error::field(
                "/limit",
                "Give a whole number from 1 to 200.",
                Some(text),
            )),
        }
    }

    /// The cursor as an id or a number; none where none was sent.
    pub fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Error> {
        self.after
            .as_deref()
            .map(|text| text.parse().map_err(|_| not_a_cursor(text)))
            .transpose()
    }
}

fn not_a_cursor(text: &str) -> Error {
    Error::field(
        "/after",
        "This is not the `next` of a page of this list.",
        Some(text),
    )
}

impl<T: utoipa::ToSchema> List<T> {
    /// A page of which one more than `limit` was asked for, to see whether more follow.
    pub fn of_one_more(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::{ids::JobId, names::UserName};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut fields = Fields::of(json!({"name": 3, "site_admin": "yes", "a/b": 1, "days": "7"}));
        assert_eq!(fields.text("name"), "");
        assert_eq!(fields.flag_if("site_admin"), None);
        assert_eq!(fields.whole_if("days"), None);
        let Err(Error::Invalid(wrong)) = fields.finish() else {
            panic!("it fits");
        };
        let named: Vec<&str> = wrong.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(named, ["/name", "/site_admin", "/days", "/a~1b"]);
    }

    #[test]
    fn null_is_absent_and_a_list_is_no_object() {
        let mut fields = Fields::of(json!({"name": null}));
        assert_eq!(fields.text_if("name"), None);
        assert!(fields.finish().is_ok());
        assert!(Fields::of(json!([])).finish().is_err());
    }

    proptest! {
        #[test]
        fn a_page_is_asked_for_with_numbers_of_its_range(limit in "\\PC{0,8}", number in 0u32..400) {
            let asked = |limit: String| Paging { limit: Some(limit), after: None }.limit();
            if let Ok(limit) = asked(limit) {
                prop_assert!((1..=200).contains(&limit));
            }
            prop_assert_eq!(asked(number.to_string()).is_ok(), (1..=200).contains(&number));
        }

        #[test]
        fn a_cursor_is_read_whole_or_refused(text in any::<String>(), number: i64) {
            let after = |text: String| Paging { limit: None, after: Some(text) };
            prop_assert_eq!(after(number.to_string()).after::<i64>().unwrap(), Some(number));
            if let Ok(Some(name)) = after(text.clone()).after::<UserName>() {
                prop_assert_eq!(name.as_str(), text.as_str());
            }
            if let Ok(Some(id)) = after(text.clone()).after::<JobId>() {
                prop_assert_eq!(after(id.to_string()).after::<JobId>().unwrap(), Some(id));
            }
        }

        #[test]
        fn pages_end_to_end_are_the_list(count in 0usize..50, limit in 1u32..20) {
            let all: Vec<usize> = (0..count).collect();
            let mut read = Vec::new();
            let mut after: Option<usize> = None;
            loop {
                let from = after.map_or(0, |last| last + 1);
                let rest = all[from..].iter().copied().take(limit as usize + 1).collect();
                let page = List::of_one_more(rest, limit, ToString::to_string);
                prop_assert!(page.items.len() <= limit as usize);
                read.extend(page.items);
                match page.next {
                    None => break,
                    Some(next) => after = Some(next.parse().unwrap()),
                }
            }
            prop_assert_eq!(read, all);
        }
    }

    #[test]
    fn pages_go_on_where_the_last_ended() {
        let page = |after: u32| {
            let rest = (after + 1..=5).take(3).collect();
            List::of_one_more(rest, 2, ToString::to_string)
        };
        let ends = [page(0), page(2), page(4)].map(|page| (page.items, page.next));
        let next = |number: &str| Some(number.to_owned());
        assert_eq!(
            ends,
            [
                (vec![1, 2], next("2")),
                (vec![3, 4], next("4")),
                (vec![5], None)
            ]
        );
        let full = List::of_one_more(vec![1, 2], 2, ToString::to_string);
        assert_eq!(full.next, None);
    }
}
