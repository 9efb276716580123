//! A table of the rules' file whose keys are taken out one by one; what was not taken is unknown. Mistakes are collected.
use std::collections::BTreeMap;
use toml::{Table, Value};

pub(super) struct Section<'a> {
    at: String,
    table: Table,
    wrong: &'a mut Vec<String>,
    known: Vec<String>,
}

impl<'a> Section<'a> {
    pub(super) fn new(at: &str, table: Table, wrong: &'a mut Vec<String>) -> Self {
        Self {
            at: at.to_owned(),
            table,
            wrong,
            known: Vec::new(),
        }
    }

    pub(super) fn wrong(&mut self, key: &str, message: &str) {
        let dot = if self.at.is_empty() { "" } else { "." };
        self.wrong.push(format!("{}{dot}{key}: {message}", self.at));
    }

    fn take<T>(
        &mut self,
        key: &str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key.to_owned());
        let read = read(self.table.remove(key)?);
        if read.is_none() {
            self.wrong(key, &format!("must be {what}"));
        }
        read
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "text", text)
    }

    /// A text that must be there and not be empty.
    pub(super) fn needed_text(&mut self, key: &str) -> Option<String> {
        let is_there = self.table.contains_key(key);
        let found = self.text(key).filter(|text| !text.is_empty());
        if found.is_none() && !is_there {
            self.wrong(key, "must be given");
        }
        found
    }

    /// A whole number or a text, as text.
    pub(super) fn scalar(&mut self, key: &str) -> Option<String> {
        self.take(key, "text or a whole number", |value| match value {
            Value::String(text) => Some(text),
            Value::Integer(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// A number of characters or entries.
    pub(super) fn size(&mut self, key: &str) -> Option<usize> {
        self.take(key, "a whole number from 1 to 1000000", |value| {
            let size = usize::try_from(value.as_integer()?).ok()?;
            (1..=1_000_000).contains(&size).then_some(size)
        })
    }

    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key, "a list of texts", texts)
    }

    pub(super) fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        self.take(key, "a table of texts", |value| entries(value, text))
            .unwrap_or_default()
    }

    pub(super) fn lists(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        self.take(key, "a table of lists of texts", |value| {
            entries(value, texts)
        })
        .unwrap_or_default()
    }

    pub(super) fn table(&mut self, key: &str) -> Table {
        self.take(key, "a table", |value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
        .unwrap_or_default()
    }

    pub(super) fn tables(&mut self, key: &str) -> Vec<Table> {
        self.take(
            key,
            "tables, each written as [[...]]",
            |value| match value {
                Value::Array(values) => values
                    .into_iter()
                    .map(|value| match value {
                        Value::Table(table) => Some(table),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            },
        )
        .unwrap_or_default()
    }

    /// Tells of keys that nobody took.
    pub(super) fn finish(mut self) {
        for key in std::mem::take(&mut self.table).keys() {
            let message = format!(
                "there is no such key here; there are {}",
                self.known.join(", ")
            );
            self.wrong(key, &message);
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texts(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        _ => None,
    }
}

fn entries<T>(value: Value, read: impl Fn(Value) -> Option<T>) -> Option<BTreeMap<String, T>> {
    match value {
        Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| Some((key, read(value)?)))
            .collect(),
        _ => None,
    }
}
