//! The inputs of the form of a job: what stands in each, what the rules say of it, what is wrong with it.
use crate::{
    domain::violation::{Violation, Violations},
    validate::{Draft, Presence, Rules},
};
use std::sync::Arc;

/// Inputs of which each line or entry can be wrong by itself.
const LISTED: &[&str] = &[
    "/arguments",
    "/spark_conf",
    "/env",
    "/py_files",
    "/jars",
    "/packages",
    "/labels",
];

/// A value and what the reader sees of it.
pub type Choice = (String, String);

pub struct JobForm {
    pub rules: Arc<Rules>,
    pub draft: Draft,
    pub errors: Violations,
    pub queues: Vec<Choice>,
    pub clusters: Vec<Choice>,
}

/// One input as a template shows it.
pub struct Field {
    pub label: String,
    pub value: String,
    pub hint: String,
    pub unit: String,
    pub options: Vec<Choice>,
    pub errors: Vec<String>,
    pub is_optional: bool,
    /// The site's own value, which is not the user's to choose.
    pub fixed: Option<String>,
    /// JSON for app.js; empty where it is always used.
    pub only_if: String,
    pub is_offered: bool,
}

impl Field {
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    pub fn is_on(&self) -> bool {
        self.value == "true"
    }
}

impl JobForm {
    pub fn field(&self, pointer: &str) -> Field {
        let input = self.rules.input(pointer, &self.draft);
        let value = self.draft.value(pointer).to_owned();
        let mut options = match pointer {
            "/queue" if input.options.is_empty() => self.queues.clone(),
            "/cluster" if input.options.is_empty() => self.clusters.clone(),
            _ => {
                let plain = |option: &String| (option.clone(), words(pointer, option));
                input.options.iter().map(plain).collect()
            }
        };
        // What was typed elsewhere stays, even where it is not offered.
        if !options.is_empty() && !value.is_empty() && !options.iter().any(|(o, _)| *o == value) {
            options.push((value.clone(), value.clone()));
        }
        let condition: serde_json::Map<String, serde_json::Value> = input
            .only_if
            .iter()
            .map(|(other, values)| ((*other).to_owned(), values.clone().into()))
            .collect();
        Field {
            // A list of choices shows its default and its range by itself.
            hint: if options.is_empty() {
                input.hint()
            } else {
                input.help.clone()
            },
            errors: self.errors_of(pointer),
            is_optional: !input.is_needed && input.default.is_empty(),
            fixed: match &input.presence {
                Presence::Fixed(value) => Some(value.clone()),
                _ => None,
            },
            only_if: if condition.is_empty() {
                String::new()
            } else {
                serde_json::Value::from(condition).to_string()
            },
            is_offered: input.is_offered() && (pointer != "/cluster" || options.len() > 2),
            label: input.label,
            unit: input.unit,
            options,
            value,
        }
    }

    /// What is wrong with an input, its lines and entries included, each as a sentence.
    fn errors_of(&self, pointer: &str) -> Vec<String> {
        self.errors
            .iter()
            .filter(|violation| owner(&violation.field) == pointer)
            .map(|violation| sentence(&subject(violation), &violation.message))
            .collect()
    }

    /// Input and sentence of everything that is wrong, in the form's order.
    pub fn summary(&self) -> Vec<(String, String)> {
        let of = |violation: &Violation| {
            let pointer = owner(&violation.field);
            let label = self.rules.input(pointer, &self.draft).label;
            let said = sentence(&subject(violation), &violation.message);
            let text = if label.is_empty() {
                said
            } else {
                format!("{label}: {said}")
            };
            (pointer.to_owned(), text)
        };
        self.errors.iter().map(of).collect()
    }

    /// Whether one of these inputs, parted by blanks, is wrong, so that the fold which holds them must be open.
    pub fn is_wrong(&self, pointers: &str) -> bool {
        self.errors
            .iter()
            .any(|violation| pointers.split(' ').any(|p| p == owner(&violation.field)))
    }

    /// What a closed fold holds, in a few words.
    pub fn note(&self, pointers: &str) -> String {
        let given = pointers
            .split(' ')
            .filter(|pointer| {
                let default = self.rules.input(pointer, &self.draft).default;
                !matches!(self.draft.value(pointer), value if value.is_empty() || value == default)
            })
            .count();
        match given {
            0 => String::new(),
            1 => "1 set".into(),
            n => format!("{n} set"),
        }
    }
}

fn words(pointer: &str, option: &str) -> String {
    match (pointer, option) {
        ("/type", "r") => "R".into(),
        ("/type", other) => {
            let mut name = other.to_owned();
            if let Some(first) = name.get(..1).map(str::to_uppercase) {
                name.replace_range(..1, &first);
            }
            name
        }
        _ => option.to_owned(),
    }
}

/// The input that a violation stands at.
fn owner(field: &str) -> &str {
    LISTED
        .iter()
        .find(|listed| {
            field
                .strip_prefix(**listed)
                .is_some_and(|rest| rest.starts_with('/'))
        })
        .copied()
        .unwrap_or(field)
}

/// The line or entry that is meant; empty for the input as a whole.
fn subject(violation: &Violation) -> String {
    let pointer = owner(&violation.field);
    let Some(entry) = violation
        .field
        .strip_prefix(pointer)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return String::new();
    };
    match entry.parse::<usize>() {
        Ok(index) => format!("line {}", index + 1),
        Err(_) => format!("`{}`", entry.replace("~1", "/").replace("~0", "~")),
    }
}

/// Messages go on behind the name of what they are about, or are sentences of their own.
fn sentence(subject: &str, message: &str) -> String {
    let goes_on = message.starts_with(char::is_lowercase);
    let mut text = match (subject.is_empty(), goes_on) {
        (true, _) => message.to_owned(),
        (false, true) => format!("{subject} {message}"),
        (false, false) => format!("{subject}: {message}"),
    };
    if let Some(first) = text.chars().next().filter(char::is_ascii_lowercase) {
        text.replace_range(..1, &first.to_uppercase().to_string());
    }
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(errors: Violations) -> JobForm {
        let rules = Arc::new(Rules::embedded());
        JobForm {
            draft: rules.empty_form(),
            rules,
            errors,
            queues: vec![("default".into(), "default".into())],
            clusters: Vec::new(),
        }
    }

    #[test]
    fn what_is_wrong_stands_at_its_field_as_a_sentence() {
        let mut errors = Violations::default();
        errors.add("/name", "must be given: a line of text", None);
        errors.add(
            "/spark_conf/spark.master",
            "must not be set: the site does",
            None,
        );
        errors.add("/arguments/1", "is too long", None);
        errors.add("/dynamic_allocation/max_executors", "must be given", None);
        errors.add("/main_file", "There is no file `x`. Upload it first.", None);
        let form = form(errors);
        assert_eq!(form.errors_of("/name"), ["Must be given: a line of text."]);
        assert_eq!(
            form.errors_of("/spark_conf"),
            ["`spark.master` must not be set: the site does."]
        );
        assert!(form.errors_of("/dynamic_allocation").is_empty());
        let sentences: Vec<String> = form.summary().into_iter().map(|(_, s)| s).collect();
        assert_eq!(
            sentences,
            [
                "Name: Must be given: a line of text.",
                "Spark configuration: `spark.master` must not be set: the site does.",
                "Arguments: Line 2 is too long.",
                "Most executors: Must be given.",
                "Main file: There is no file `x`. Upload it first.",
            ]
        );
        assert!(form.is_wrong("/spark_conf /env"));
        assert!(!form.is_wrong("/labels"));
    }

    #[test]
    fn what_is_used_only_with_others_says_so() {
        let form = form(Violations::default());
        assert_eq!(
            form.field("/main_class").only_if,
            r#"{"/type":["java","scala"]}"#
        );
        assert!(form.field("/main_class").is_offered);
        assert!(!form.field("/main_class").is_optional);
        assert!(form.field("/name").only_if.is_empty());
        assert_eq!(form.note("/priority /labels"), "");
    }
}
