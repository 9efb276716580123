//! The operator's rules as they apply: what each input may be, which Spark versions there are, what is denied.
use super::{
    draft::Draft,
    inputs::{self, Kind, MAX_COUNT, MAX_LENGTH},
    rules_file,
};
use crate::domain::{job::Language, quantity::Memory};
use regex::Regex;
use std::{collections::BTreeMap, fmt};

/// A rules file that was found right as a whole.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) version: String,
    pub(super) inputs: BTreeMap<&'static str, InputRule>,
    pub(super) spark_versions: BTreeMap<String, SparkVersion>,
    pub(super) conf: ConfRules,
    pub(super) env: Vec<Denied>,
    pub(super) labels: Vec<Denied>,
}

/// A Spark version that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkVersion {
    pub image: String,
    pub languages: Vec<Language>,
    /// Keys that a job may set, `*` for any text; `None`: all that are not denied.
    pub conf: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ConfRules {
    pub defaults: BTreeMap<String, String>,
    pub fixed: BTreeMap<String, String>,
    pub deny: Vec<Denied>,
    pub deny_values: Vec<DeniedTexts>,
}

/// What the values of some keys, `*` for any text, must not hold.
#[derive(Debug, Clone)]
pub(super) struct DeniedTexts {
    pub keys: Vec<String>,
    pub texts: Vec<String>,
    pub reason: String,
}

#[derive(Debug, Clone)]
pub(super) struct Denied {
    pub keys: Vec<String>,
    pub except: Vec<String>,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Asked {
    Required,
    #[default]
    Optional,
    Fixed,
    Unused,
}

/// The rules for one input.
#[derive(Debug, Clone, Default)]
pub(super) struct InputRule {
    pub asked: Asked,
    pub value: Option<String>,
    pub default: Option<String>,
    /// Other inputs and the values of theirs with which this one is there.
    pub only_if: Vec<(&'static str, Vec<String>)>,
    pub minimum: Option<Amount>,
    pub maximum: Option<Amount>,
    pub step: Option<Amount>,
    pub options: Vec<String>,
    pub pattern: Option<Pattern>,
    pub max_length: Option<usize>,
    pub max_count: Option<usize>,
    pub label: Option<String>,
    pub help: String,
    pub unit: String,
}

/// A number, or an amount of memory in bytes, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amount {
    pub value: i64,
    pub text: String,
}

#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub regex: Regex,
    pub says: String,
}

/// Whether an input is to be filled, by the rules and by what else was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    Required,
    Fixed(String),
    Optional,
    /// Why it is not there.
    NotUsed(String),
}

impl Rules {
    /// All mistakes at once, each naming its key.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        rules_file::read(text)
    }

    /// Those that are built in, `deploy/rules.toml`.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../../deploy/rules.toml"))
            .unwrap_or_else(|wrong| unreachable!("a test reads deploy/rules.toml: {wrong:?}"))
    }

    /// Short and the same for the same text.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The Spark versions that are offered.
    pub fn spark_versions(&self) -> &BTreeMap<String, SparkVersion> {
        &self.spark_versions
    }

    /// Spark conf for every job that cluster and job may set otherwise.
    pub fn default_conf(&self) -> &BTreeMap<String, String> {
        &self.conf.defaults
    }

    /// Spark conf for every job that nothing changes.
    pub fn fixed_conf(&self) -> &BTreeMap<String, String> {
        &self.conf.fixed
    }

    /// A draft with the defaults typed in, for an empty form.
    pub fn empty_form(&self) -> Draft {
        let mut draft = Draft::default();
        for field in inputs::INPUTS {
            let rule = self.rule(field.pointer);
            if let Some(text) = rule.default.as_deref().or(rule.value.as_deref())
                && rule.only_if.is_empty()
            {
                draft.set(field.pointer, text);
            }
        }
        draft
    }

    pub(super) fn rule(&self, pointer: &str) -> &InputRule {
        static NONE: InputRule = InputRule::NONE;
        self.inputs.get(pointer).unwrap_or(&NONE)
    }

    /// The value that counts: what was typed, or else what the rules put there.
    pub(super) fn effective<'a>(&'a self, pointer: &str, draft: &'a Draft) -> &'a str {
        let rule = self.rule(pointer);
        match (draft.value(pointer), rule.asked) {
            (_, Asked::Fixed) => rule.value.as_deref().unwrap_or(""),
            ("", _) => rule.default.as_deref().unwrap_or(""),
            (typed, _) => typed,
        }
    }

    pub(super) fn presence(&self, pointer: &str, draft: &Draft) -> Presence {
        let rule = self.rule(pointer);
        for (other, values) in &rule.only_if {
            let value = self.effective(other, draft);
            // A value that is itself a mistake says nothing of this input.
            let options = &self.rule(other).options;
            if !options.is_empty() && !options.iter().any(|option| option == value) {
                return Presence::Optional;
            }
            if !values.iter().any(|wanted| wanted == value) {
                return Presence::NotUsed(not_used(other, values, value));
            }
        }
        match rule.asked {
            Asked::Required => Presence::Required,
            Asked::Optional => Presence::Optional,
            Asked::Fixed => Presence::Fixed(rule.value.clone().unwrap_or_default()),
            Asked::Unused => Presence::NotUsed("is not offered here; leave it out".into()),
        }
    }

    /// Why a job must not set this conf key.
    pub(super) fn conf_denied(&self, key: &str, spark_version: Option<&str>) -> Option<String> {
        if let Some(reason) = denied(&self.conf.deny, key) {
            return Some(format!("must not be set: {reason}"));
        }
        if let Some(value) = self.conf.fixed.get(key) {
            return Some(format!("is fixed by the site to `{value}`; leave it out"));
        }
        let version = spark_version?;
        let allowed = self.spark_versions.get(version)?.conf.as_ref()?;
        let is_allowed = allowed.iter().any(|pattern| matches(pattern, key));
        (!is_allowed).then(|| {
            format!(
                "must not be set with Spark {version}; these may: {}",
                allowed.join(", ")
            )
        })
    }
}

impl ConfRules {
    /// Why a key must not have this value.
    pub(super) fn value_denied(&self, key: &str, value: &str) -> Option<String> {
        self.deny_values.iter().find_map(|denied| {
            let is_meant = denied.keys.iter().any(|pattern| matches(pattern, key));
            let found = denied.texts.iter().find(|text| value.contains(*text));
            let text = found.filter(|_| is_meant)?;
            Some(format!("must not have `{text}` in it: {}", denied.reason))
        })
    }
}

fn not_used(other: &str, values: &[String], value: &str) -> String {
    let name = &other[1..];
    match inputs::find(other).map(|field| field.kind) {
        Some(Kind::Switch) => {
            format!("is only for jobs with {name}; leave it out, or give that too")
        }
        _ => format!(
            "is only for {name} {}, not `{value}`; leave it out",
            words(values)
        ),
    }
}

/// `a`, `b` or `c`.
pub(super) fn words<T: fmt::Display>(values: &[T]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The reason of the first entry that names the key.
pub(super) fn denied<'a>(list: &'a [Denied], key: &str) -> Option<&'a str> {
    list.iter()
        .find(|entry| {
            entry.keys.iter().any(|pattern| matches(pattern, key))
                && !entry.except.iter().any(|pattern| matches(pattern, key))
        })
        .map(|entry| entry.reason.as_str())
}

/// Whether `text` is `pattern`, in which `*` stands for any text. Case does not count: Spark and the operator each read
/// some keys in more than one spelling.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl InputRule {
    const NONE: Self = Self {
        asked: Asked::Optional,
        value: None,
        default: None,
        only_if: Vec::new(),
        minimum: None,
        maximum: None,
        step: None,
        options: Vec::new(),
        pattern: None,
        max_length: None,
        max_count: None,
        label: None,
        help: String::new(),
        unit: String::new(),
    };

    pub(super) fn longest(&self) -> usize {
        self.max_length.unwrap_or(MAX_LENGTH)
    }

    pub(super) fn most(&self) -> usize {
        self.max_count.unwrap_or(MAX_COUNT)
    }

    /// The least and the most of an amount, the rules' or else the input's own.
    pub(super) fn bounds(&self, kind: Kind) -> (Option<Amount>, Option<Amount>) {
        let own = |value: i64| Amount {
            value,
            text: value.to_string(),
        };
        match kind {
            Kind::Whole { least, most } => (
                Some(self.minimum.clone().unwrap_or_else(|| own(least))),
                Some(self.maximum.clone().unwrap_or_else(|| own(most))),
            ),
            _ => (self.minimum.clone(), self.maximum.clone()),
        }
    }

    /// `from 1 to 64`, with the step if there is one; empty where nothing bounds it.
    pub(super) fn range(&self, kind: Kind) -> String {
        let bounds = match self.bounds(kind) {
            (Some(least), Some(most)) => format!("from {} to {}", least.text, most.text),
            (Some(least), None) => format!("at least {}", least.text),
            (None, Some(most)) => format!("at most {}", most.text),
            (None, None) => String::new(),
        };
        match &self.step {
            Some(step) if bounds.is_empty() => format!("a multiple of {}", step.text),
            Some(step) => format!("{bounds}, a multiple of {}", step.text),
            None => bounds,
        }
    }
}

impl Amount {
    pub(super) fn memory(memory: &Memory) -> Self {
        Self {
            // Memory is at most 8 EiB.
            value: i64::try_from(memory.bytes()).unwrap_or(i64::MAX),
            text: memory.to_string(),
        }
    }
}
