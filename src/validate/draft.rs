//! What was typed or sent, as text by input, before anything is checked.
use super::{
    areas::{self, Separator, Value},
    inputs::{self, INPUTS, Kind},
};
use crate::domain::{
    job::{CodePath, EnvValue, JobSpec},
    violation::Violations,
};
use std::collections::{BTreeMap, BTreeSet};

/// A job as it was typed. Absent and empty are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// By pointer; never an empty text.
    texts: BTreeMap<String, String>,
    /// What was wrong already while reading: types, unknown fields.
    pub(super) problems: Violations,
}

/// A field, its value before and its value after; empty where there is none.
pub type Difference = (String, String, String);

impl Draft {
    /// A form's inputs, which are named by JSON pointers; others are left alone.
    pub fn from_form(pairs: &[(String, String)]) -> Self {
        let mut draft = Self::default();
        let mut seen = BTreeSet::new();
        for (name, text) in pairs.iter().filter(|(name, _)| name.starts_with('/')) {
            let Some(field) = inputs::find(name) else {
                draft
                    .problems
                    .add(name, "there is no such field", Some(text));
                continue;
            };
            if !seen.insert(field.pointer) {
                draft
                    .problems
                    .add(name, "is given twice; give it once", Some(text));
                continue;
            }
            match field.kind {
                Kind::Lines | Kind::Pairs => draft.set(name, &text.replace("\r\n", "\n")),
                Kind::Switch if text == "on" => draft.set(name, "true"),
                _ => draft.set(name, text),
            }
        }
        draft
    }

    /// A job's own values, to be sent again.
    pub fn from_spec(spec: &JobSpec) -> Self {
        let mut draft = Self::default();
        let mut set = |pointer: &str, text: &str| draft.set(pointer, text);
        set("/name", spec.name.as_str());
        set("/type", spec.language.as_str());
        set("/spark_version", &spec.spark_version);
        set("/main_file", &spec.main_file.to_string());
        set("/main_class", spec.main_class.as_deref().unwrap_or(""));
        set("/arguments", &lines(&spec.arguments));
        set("/queue", spec.queue.as_str());
        set("/cluster", spec.cluster.as_ref().map_or("", |c| c.as_str()));
        set("/priority", &spec.priority.to_string());
        set("/driver/cores", &spec.driver.cores.to_string());
        set("/driver/memory", spec.driver.memory.as_str());
        set(
            "/driver/memory_overhead",
            spec.driver
                .memory_overhead
                .as_ref()
                .map_or("", |m| m.as_str()),
        );
        set("/executor/cores", &spec.executor.cores.to_string());
        set("/executor/memory", spec.executor.memory.as_str());
        set(
            "/executor/memory_overhead",
            spec.executor
                .memory_overhead
                .as_ref()
                .map_or("", |m| m.as_str()),
        );
        set("/executor/instances", &spec.executor.instances.to_string());
        if let Some(dynamic) = &spec.dynamic_allocation {
            set("/dynamic_allocation", "true");
            set(
                "/dynamic_allocation/min_executors",
                &dynamic.min_executors.to_string(),
            );
            set(
                "/dynamic_allocation/max_executors",
                &dynamic.max_executors.to_string(),
            );
            let initial = dynamic.initial_executors.map(|n| n.to_string());
            set(
                "/dynamic_allocation/initial_executors",
                &initial.unwrap_or_default(),
            );
        }
        set("/spark_conf", &text_pairs(&spec.spark_conf));
        set("/env", &env_pairs(&spec.env));
        set("/py_files", &paths(&spec.py_files));
        set("/jars", &paths(&spec.jars));
        set("/packages", &lines(&spec.packages));
        set("/image", spec.image.as_deref().unwrap_or(""));
        set("/max_run_seconds", &spec.max_run_seconds.to_string());
        set("/max_attempts", &spec.max_attempts.to_string());
        set("/labels", &text_pairs(&spec.labels));
        draft
    }

    /// What was typed, for the form to show again; empty where nothing was.
    pub fn value(&self, pointer: &str) -> &str {
        self.texts.get(pointer).map_or("", String::as_str)
    }

    /// Puts a value in, or takes it out if it is empty.
    pub fn set(&mut self, pointer: &str, text: &str) {
        if text.is_empty() {
            self.texts.remove(pointer);
        } else {
            self.texts.insert(pointer.to_owned(), text.to_owned());
        }
    }

    /// What the other one has otherwise, in the form's order, entry by entry in maps.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        for field in INPUTS {
            let (old, new) = (self.value(field.pointer), other.value(field.pointer));
            match field.kind {
                Kind::Pairs => pair_differences(field.pointer, old, new, &mut found),
                Kind::Lines if areas::items(old) == areas::items(new) => {}
                _ if old != new => {
                    found.push((field.pointer.to_owned(), old.to_owned(), new.to_owned()));
                }
                _ => {}
            }
        }
        found
    }

    pub(super) fn items(&self, pointer: &str) -> Vec<String> {
        areas::items(self.value(pointer))
    }

    pub(super) fn pairs(&self, pointer: &str) -> Vec<Result<(String, Value), String>> {
        areas::pairs(self.value(pointer), separator(pointer))
    }
}

/// Values of the environment may begin with a blank, and so only `=` parts them from their names.
fn separator(pointer: &str) -> Separator {
    if pointer == "/env" {
        Separator::Equals
    } else {
        Separator::EqualsOrBlank
    }
}

fn pair_differences(pointer: &str, old: &str, new: &str, found: &mut Vec<Difference>) {
    let read = |text| -> BTreeMap<String, String> {
        areas::pairs(text, separator(pointer))
            .into_iter()
            .map(|pair| {
                pair.map_or_else(
                    |line| (line, String::new()),
                    |(key, value)| (key, value.into_text()),
                )
            })
            .collect()
    };
    let (old, new) = (read(old), read(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        if before != after {
            let text = |value: Option<&String>| value.cloned().unwrap_or_default();
            found.push((inputs::below(pointer, key), text(before), text(after)));
        }
    }
}

pub(super) fn lines(items: &[String]) -> String {
    items
        .iter()
        .map(|item| areas::item_line(item))
        .collect::<Vec<_>>()
        .join("\n")
}

fn paths(paths: &[CodePath]) -> String {
    lines(&paths.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn text_pairs(pairs: &BTreeMap<String, String>) -> String {
    let line =
        |(key, value): (&String, &String)| areas::pair_line(key, &Value::Text(value.clone()));
    pairs.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn env_pairs(env: &BTreeMap<String, EnvValue>) -> String {
    env.iter()
        .map(|(name, value)| {
            let value = match value {
                EnvValue::Text(text) => Value::Text(text.clone()),
                EnvValue::Secret { secret } => Value::Secret(secret.clone()),
            };
            areas::pair_line(name, &value)
        })
        .collect::<Vec<_>>()
        .join("\n")
}
