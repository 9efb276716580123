//! A draft from JSON, or from YAML that was read into the same values: types and unknown fields are told here, values later.
use super::{
    areas::{self, Value as Entry},
    draft::{self, Draft},
    inputs::{self, INPUTS, Kind},
};
use serde_json::{Map, Value};

/// Beyond this many unknown fields only their number is told.
const UNKNOWN_SHOWN: usize = 50;

impl Draft {
    /// Never fails: what is wrong is kept, and told with everything else by [`super::job`].
    pub fn from_json(value: &Value) -> Self {
        let mut reader = Reader {
            draft: Self::default(),
            unknown: 0,
        };
        match value {
            Value::Object(map) => reader.object("", map),
            other => reader.problem("", "must be an object with the job's fields", other),
        }
        if let Some(more) = reader.unknown.checked_sub(UNKNOWN_SHOWN).filter(|n| *n > 0) {
            reader
                .draft
                .problems
                .add("/", format!("{more} more fields are unknown"), None);
        }
        reader.draft
    }
}

struct Reader {
    draft: Draft,
    unknown: usize,
}

impl Reader {
    fn object(&mut self, at: &str, map: &Map<String, Value>) {
        for (key, value) in map {
            let pointer = inputs::below(at, key);
            match (inputs::find(&pointer), value) {
                (None, _) if !inputs::is_group(&pointer) => self.unknown(at, key, &pointer, value),
                (_, Value::Null) => {}
                (None, Value::Object(fields)) => self.object(&pointer, fields),
                (None, other) => self.problem(
                    &pointer,
                    format!("must be an object with {}", names(&pointer)),
                    other,
                ),
                (Some(field), value) => self.field(field.pointer, field.kind, value),
            }
        }
    }

    fn field(&mut self, pointer: &str, kind: Kind, value: &Value) {
        match (kind, value) {
            (Kind::Text | Kind::Memory, Value::String(text)) if text.is_empty() => {
                self.problem(
                    pointer,
                    "must not be empty; leave it out or give a value",
                    value,
                );
            }
            (Kind::Text | Kind::Memory, Value::String(text)) => self.draft.set(pointer, text),
            (Kind::Text | Kind::Memory, other) => self.problem(pointer, not_text(other), other),
            (Kind::Whole { .. }, Value::Number(number)) => {
                self.draft.set(pointer, &number.to_string());
            }
            (Kind::Whole { .. }, other) => self.problem(pointer, not_number(other), other),
            (Kind::Switch, Value::Object(fields)) => {
                self.draft.set(pointer, "true");
                self.object(pointer, fields);
            }
            (Kind::Switch, other) => {
                self.problem(
                    pointer,
                    format!("must be null or an object with {}", names(pointer)),
                    other,
                );
            }
            (Kind::Lines, Value::Array(items)) => self.list(pointer, items),
            (Kind::Lines, other) => self.problem(pointer, "must be a list of texts", other),
            (Kind::Pairs, Value::Object(map)) => self.map(pointer, map),
            (Kind::Pairs, other) => self.problem(pointer, "must be an object of texts", other),
        }
    }

    fn list(&mut self, pointer: &str, items: &[Value]) {
        let mut texts = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let text = item.as_str().unwrap_or_else(|| {
                self.problem(&format!("{pointer}/{i}"), not_text(item), item);
                ""
            });
            texts.push(text.to_owned());
        }
        self.draft.set(pointer, &draft::lines(&texts));
    }

    fn map(&mut self, pointer: &str, map: &Map<String, Value>) {
        let mut lines = Vec::with_capacity(map.len());
        for (key, value) in map {
            let entry = match value {
                Value::String(text) => Some(Entry::Text(text.clone())),
                Value::Object(secret) if pointer == "/env" && secret.len() == 1 => secret
                    .get("secret")
                    .and_then(Value::as_str)
                    .map(|name| Entry::Secret(name.to_owned())),
                _ => None,
            };
            let entry = entry.unwrap_or_else(|| {
                let right = match pointer {
                    "/env" => "must be text, or {\"secret\": \"name\"} for a secret of the project"
                        .to_owned(),
                    _ => not_text(value),
                };
                self.problem(&inputs::below(pointer, key), right, value);
                Entry::Text(String::new())
            });
            if key.is_empty() {
                self.problem(
                    &inputs::below(pointer, key),
                    "must not have an empty name",
                    value,
                );
                continue;
            }
            lines.push(areas::pair_line(key, &entry));
        }
        self.draft.set(pointer, &lines.join("\n"));
    }

    fn unknown(&mut self, at: &str, key: &str, pointer: &str, value: &Value) {
        self.unknown += 1;
        if self.unknown > UNKNOWN_SHOWN {
            return;
        }
        let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
        let near = children(at)
            .into_iter()
            .find(|name| plain(name) == plain(key));
        let right = near.map_or_else(
            || format!("there is no such field; there are {}", names(at)),
            |name| format!("there is no such field; did you mean `{name}`?"),
        );
        self.problem(pointer, right, value);
    }

    /// Values of the environment may be secret and are never repeated.
    fn problem(&mut self, pointer: &str, message: impl Into<String>, value: &Value) {
        let shown = match value {
            _ if pointer == "/env" || pointer.starts_with("/env/") => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        self.draft.problems.add(pointer, message, shown.as_deref());
    }
}

fn not_text(value: &Value) -> String {
    match value {
        Value::Number(_) | Value::Bool(_) => format!("must be text: write \"{value}\""),
        _ => "must be text".into(),
    }
}

fn not_number(value: &Value) -> String {
    match value.as_str().map(str::parse::<i64>) {
        Some(Ok(number)) => format!("must be a number, not text: write {number}"),
        _ => "must be a whole number".into(),
    }
}

/// The names of the fields directly below a group.
fn children(at: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for field in INPUTS {
        if let Some(rest) = field
            .pointer
            .strip_prefix(at)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            let name = rest.split('/').next().unwrap_or(rest);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn names(at: &str) -> String {
    children(at).join(", ")
}
