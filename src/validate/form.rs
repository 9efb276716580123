//! What a form shows beside an input: label, help, default, range, and whether it is to be filled at all.
use super::{
    draft::Draft,
    inputs::{self, Field, Kind},
    rules::{Asked, InputRule, Presence, Rules},
};

/// What the form shows beside an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub label: String,
    pub help: String,
    /// What stands there if nothing is given; empty if nothing does.
    pub default: String,
    /// What is taken, in words: `1 to 64, default 2`. Empty where everything is.
    pub range: String,
    pub unit: String,
    /// The only values taken; empty for free text.
    pub options: Vec<String>,
    pub presence: Presence,
    /// Must be filled wherever it is used.
    pub is_needed: bool,
    /// Other inputs, and the values of theirs with which this one is used; empty: always.
    pub only_if: Vec<(&'static str, Vec<String>)>,
}

impl Input {
    pub fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    pub fn is_used(&self) -> bool {
        !matches!(self.presence, Presence::NotUsed(_))
    }

    /// Whether the form has it at all: some are used only with other values than are typed now.
    pub fn is_offered(&self) -> bool {
        self.is_used() || !self.only_if.is_empty()
    }

    /// Range and help in one line.
    pub fn hint(&self) -> String {
        let mut range = self.range.clone();
        if let Some(first) = range.get(..1).map(str::to_uppercase) {
            range.replace_range(..1, &first);
            range.push('.');
        }
        [range, self.help.clone()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Rules {
    /// What to show beside an input, given what else was typed.
    pub fn input(&self, pointer: &str, draft: &Draft) -> Input {
        let rule = self.rule(pointer);
        let field = inputs::find(pointer);
        let default = rule.default.clone().unwrap_or_default();
        let options = match pointer {
            "/spark_version" => self.spark_versions.keys().cloned().collect(),
            _ => rule.options.clone(),
        };
        Input {
            label: rule
                .label
                .clone()
                .or(field.map(|f| f.label.to_owned()))
                .unwrap_or_default(),
            help: rule.help.clone(),
            range: field.map_or_else(String::new, |field| range_words(rule, field, &default)),
            unit: rule.unit.clone(),
            default,
            options,
            is_needed: rule.asked == Asked::Required,
            only_if: rule.only_if.clone(),
            presence: match field {
                Some(_) => self.presence(pointer, draft),
                None => Presence::NotUsed("there is no such field".into()),
            },
        }
    }
}

fn range_words(rule: &InputRule, field: &Field, default: &str) -> String {
    let range = rule.range(field.kind);
    let range = range.strip_prefix("from ").unwrap_or(&range);
    let words = match field.kind {
        Kind::Lines => format!("at most {}", rule.most()),
        Kind::Pairs => format!("at most {} entries", rule.most()),
        _ => range.to_owned(),
    };
    match (words.is_empty(), default.is_empty()) {
        (_, true) => words,
        (true, false) => format!("default {default}"),
        (false, false) => format!("{words}, default {default}"),
    }
}
