//! `deploy/tourmaline.example.toml` shows every setting. A setting is a line that begins with `#` and no space: there it is
//! switched off.
#![allow(clippy::unwrap_used)]
use super::{Config, load};
use serde_json::Value;
use std::{collections::BTreeSet, io::Write as _};

const EXAMPLE: &str = include_str!("../../deploy/tourmaline.example.toml");

/// The example with everything switched on.
fn all() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with([' ', '#']) => setting,
        _ => line,
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Each setting's key and value. Lists of tables have `[]` in place of a number.
fn settings(value: &Value, key: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                settings(value, &key, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                settings(item, &format!("{key}[]"), found);
            }
        }
        value => found.push((key.to_owned(), value.clone())),
    }
}

fn settings_of(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    settings(value, "", &mut found);
    found
}

#[test]
fn as_it_is_it_changes_nothing() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(EXAMPLE.as_bytes()).unwrap();
    let loaded = serde_json::to_value(load(Some(file.path())).unwrap()).unwrap();
    let default = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(loaded, default);
}

/// A setting that the structs have and the example lacks is found by writing the structs out again.
#[test]
fn it_has_every_setting() {
    let shown: Value = toml::from_str(&all()).unwrap();
    let shown: BTreeSet<_> = settings_of(&shown)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let read: Config = toml::from_str(&all()).unwrap();
    assert!(!read.clusters.is_empty() && !read.sign_in.providers.is_empty());
    let known = settings_of(&serde_json::to_value(read).unwrap());
    let missing: Vec<_> = known
        .iter()
        .filter(|(key, _)| !shown.contains(key))
        .collect();
    assert!(missing.is_empty(), "add to the example: {missing:?}");
}

#[test]
fn it_shows_the_defaults() {
    let shown: Value = toml::from_str(&all()).unwrap();
    let shown = settings_of(&shown);
    for (key, default) in settings_of(&serde_json::to_value(Config::default()).unwrap()) {
        // What has no default has an example of a value.
        if default.is_null() || default == "" || default == Value::Array(Vec::new()) {
            continue;
        }
        let (_, value) = shown.iter().find(|(shown, _)| *shown == key).unwrap();
        assert_eq!(*value, default, "{key}");
    }
}
