//! A draft under check: what counts for an input, and the kinds of input that several fields share.
use super::{
    areas::Value,
    checks,
    draft::Draft,
    inputs::{self, Kind},
    rules::{Presence, Rules, words},
};
use crate::domain::{quantity::Memory, violation::Violations};
use std::collections::BTreeMap;

pub(super) struct Check<'a> {
    pub draft: &'a Draft,
    pub rules: &'a Rules,
    pub wrong: Violations,
}

impl Check<'_> {
    /// What was found while reading counts; nothing more is said of that field.
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>, value: Option<&str>) {
        if self.draft.problems.on(field).is_empty() {
            self.wrong.add(field, message, value);
        }
    }

    /// The text that counts for an input, if it is there.
    pub(super) fn given(&mut self, pointer: &str) -> Option<String> {
        let typed = self.draft.value(pointer);
        let value = (pointer != "/env").then_some(typed);
        let rule = self.rules.rule(pointer);
        match self.rules.presence(pointer, self.draft) {
            Presence::NotUsed(why) => {
                if !typed.is_empty() {
                    self.add(pointer, why, value);
                }
                None
            }
            Presence::Fixed(fixed) => {
                if !typed.is_empty() && typed != fixed {
                    self.add(
                        pointer,
                        format!("is fixed by the site to `{fixed}`; leave it out"),
                        value,
                    );
                }
                Some(fixed)
            }
            Presence::Required if typed.is_empty() => {
                let message = missing(pointer, self.rules);
                self.add(pointer, message, None);
                None
            }
            Presence::Required | Presence::Optional => {
                let text = if typed.is_empty() {
                    rule.default.as_deref()?
                } else {
                    typed
                };
                Some(text.to_owned())
            }
        }
    }

    pub(super) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        pointer: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.given(pointer)?;
        let parsed = checks::text(&text, self.rules.rule(pointer))
            .and_then(|()| parse(&text).map_err(|error| error.to_string()));
        parsed
            .map_err(|message| self.add(pointer, message, Some(&text)))
            .ok()
    }

    pub(super) fn whole(&mut self, pointer: &str) -> Option<i64> {
        let kind = inputs::find(pointer)?.kind;
        let text = self.given(pointer)?;
        checks::whole(&text, kind, self.rules.rule(pointer))
            .map_err(|message| self.add(pointer, message, Some(&text)))
            .ok()
    }

    pub(super) fn count(&mut self, pointer: &str) -> Option<u32> {
        self.whole(pointer).and_then(|n| u32::try_from(n).ok())
    }

    pub(super) fn memory(&mut self, pointer: &str) -> Option<Memory> {
        let text = self.given(pointer)?;
        checks::memory(&text, self.rules.rule(pointer))
            .map_err(|message| self.add(pointer, message, Some(&text)))
            .ok()
    }

    /// The items of a list that are right.
    pub(super) fn list<T>(
        &mut self,
        pointer: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let items = self.items(pointer, parse).into_iter();
        items.map(|(_, item)| item).collect()
    }

    /// The same with where each stands in the list.
    pub(super) fn items<T>(
        &mut self,
        pointer: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<(usize, T)> {
        if self.given(pointer).is_none() {
            return Vec::new();
        }
        let items = self.draft.items(pointer);
        let rule = self.rules.rule(pointer);
        if items.len() > rule.most() {
            self.add(
                pointer,
                format!(
                    "has {} lines; at most {} are taken",
                    items.len(),
                    rule.most()
                ),
                None,
            );
            return Vec::new();
        }
        let mut good = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match checks::text(item, rule).and_then(|()| parse(item)) {
                Ok(value) => good.push((i, value)),
                Err(message) => self.add(&format!("{pointer}/{i}"), message, Some(item)),
            }
        }
        good
    }

    /// The entries of a map whose keys are right, as `check` makes them.
    pub(super) fn map<T>(
        &mut self,
        pointer: &str,
        check: impl Fn(&str, Value) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        let mut good = BTreeMap::new();
        if self.given(pointer).is_none() {
            return good;
        }
        let secret = pointer == "/env";
        let entries = self.draft.pairs(pointer);
        let most = self.rules.rule(pointer).most();
        if entries.len() > most {
            self.add(
                pointer,
                format!("has {} entries; at most {most} are taken", entries.len()),
                None,
            );
            return good;
        }
        for entry in entries {
            match entry {
                Err(line) => {
                    let message = "must have a name and a value on each line, such as `name=value`";
                    self.add(pointer, message, (!secret).then_some(line.as_str()));
                }
                Ok((key, value)) => {
                    let field = inputs::below(pointer, &key);
                    let shown = (!secret).then(|| value.clone().into_text());
                    if good.contains_key(&key) {
                        self.add(&field, "is given twice; give it once", shown.as_deref());
                        continue;
                    }
                    match check(&key, value) {
                        Ok(value) => {
                            good.insert(key, value);
                        }
                        Err(message) => self.add(&field, message, shown.as_deref()),
                    }
                }
            }
        }
        good
    }
}

fn missing(pointer: &str, rules: &Rules) -> String {
    let rule = rules.rule(pointer);
    let field = inputs::find(pointer);
    let range = field.map_or_else(String::new, |field| match field.kind {
        Kind::Whole { .. } | Kind::Memory => rule.range(field.kind),
        _ => String::new(),
    });
    let right = match (pointer, rule.options.is_empty()) {
        ("/spark_version", _) => words(&rules.spark_versions().keys().collect::<Vec<_>>()),
        (_, false) => words(&rule.options),
        _ => field.map_or("", |field| field.such_as).to_owned(),
    };
    let right = [right, range];
    let right: Vec<_> = right
        .iter()
        .filter(|text| !text.is_empty())
        .map(String::as_str)
        .collect();
    if right.is_empty() {
        "must be given".into()
    } else {
        format!("must be given: {}", right.join(" "))
    }
}
