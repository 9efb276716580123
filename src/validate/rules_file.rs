//! The rules' file → [`Rules`]: read strictly and as a whole, so that every mistake is told at once. The schema is
//! documented in `deploy/rules.toml`.
use super::{
    checks,
    inputs::{self, Field, INPUTS, Kind},
    rules::{
        Amount, Asked, ConfRules, Denied, DeniedTexts, InputRule, Pattern, Rules, SparkVersion,
        words,
    },
    section::Section,
};
use crate::domain::{
    job::Language,
    names::{ClusterName, QueueName},
};
use regex::Regex;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write};
use toml::{Table, Value};

pub(super) fn read(text: &str) -> Result<Rules, Vec<String>> {
    let table = text
        .parse::<Table>()
        .map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
    let mut wrong = Vec::new();
    let mut file = Section::new("", table, &mut wrong);
    let inputs = file.table("inputs");
    let versions = file.table("spark_versions");
    let conf = file.table("spark_conf");
    let env = file.table("env");
    let labels = file.table("labels");
    file.finish();
    let rules = Rules {
        version: version(text),
        inputs: read_inputs(inputs, &mut wrong),
        spark_versions: read_versions(versions, &mut wrong),
        conf: read_conf(conf, &mut wrong),
        env: read_denied_only("env", env, &mut wrong),
        labels: read_denied_only("labels", labels, &mut wrong),
    };
    for field in INPUTS {
        check_input(field, &rules, &mut wrong);
    }
    if wrong.is_empty() {
        Ok(rules)
    } else {
        Err(wrong)
    }
}

fn version(text: &str) -> String {
    Sha256::digest(text)[..6]
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn at(pointer: &str) -> String {
    format!("inputs.\"{pointer}\"")
}

fn read_inputs(table: Table, wrong: &mut Vec<String>) -> BTreeMap<&'static str, InputRule> {
    let mut rules = BTreeMap::new();
    for (pointer, value) in table {
        let Some(field) = inputs::find(&pointer) else {
            let known: Vec<_> = INPUTS.iter().map(|field| field.pointer).collect();
            wrong.push(format!(
                "{}: there is no such input; there are {}",
                at(&pointer),
                known.join(", ")
            ));
            continue;
        };
        let Value::Table(table) = value else {
            wrong.push(format!("{}: must be a table", at(&pointer)));
            continue;
        };
        rules.insert(field.pointer, read_input(field, table, wrong));
    }
    rules
}

fn read_input(field: &Field, table: Table, wrong: &mut Vec<String>) -> InputRule {
    let mut section = Section::new(&at(field.pointer), table, wrong);
    let mut rule = InputRule::default();
    if let Some(word) = section.text("presence") {
        match word.as_str() {
            "required" => rule.asked = Asked::Required,
            "optional" => rule.asked = Asked::Optional,
            "fixed" => rule.asked = Asked::Fixed,
            "unused" => rule.asked = Asked::Unused,
            _ => section.wrong(
                "presence",
                "must be `required`, `optional`, `fixed` or `unused`",
            ),
        }
    }
    rule.label = section.text("label");
    rule.help = section.text("help").unwrap_or_default();
    for (pointer, values) in section.lists("only_if") {
        match inputs::find(&pointer) {
            Some(other) => rule.only_if.push((other.pointer, values)),
            None => section.wrong("only_if", &format!("there is no input `{pointer}`")),
        }
    }
    let scalar = matches!(field.kind, Kind::Text | Kind::Whole { .. } | Kind::Memory);
    if scalar {
        rule.value = section.scalar("value");
        rule.default = section.scalar("default");
        rule.unit = section.text("unit").unwrap_or_default();
    }
    if matches!(field.kind, Kind::Whole { .. } | Kind::Memory) {
        rule.minimum = amount(&mut section, "minimum", field.kind);
        rule.maximum = amount(&mut section, "maximum", field.kind);
        rule.step = amount(&mut section, "step", field.kind);
    }
    if matches!(field.kind, Kind::Text | Kind::Lines | Kind::Pairs) {
        rule.pattern = pattern(&mut section);
        rule.max_length = section.size("max_length");
    }
    if matches!(field.kind, Kind::Lines | Kind::Pairs) {
        rule.max_count = section.size("max_count");
    }
    if field.kind == Kind::Text && field.pointer != "/spark_version" {
        rule.options = section.texts("options").unwrap_or_default();
    }
    section.finish();
    // What a language is, is not the rules' to say; what they leave out is all of them.
    if field.pointer == "/type" && rule.options.is_empty() {
        rule.options = Language::ALL.iter().map(ToString::to_string).collect();
    }
    rule
}

fn amount(section: &mut Section<'_>, key: &str, kind: Kind) -> Option<Amount> {
    let text = section.scalar(key)?;
    let bare = InputRule::default();
    let read = match kind {
        Kind::Memory => checks::memory(&text, &bare).map(|memory| Amount::memory(&memory)),
        _ => checks::whole(&text, kind, &bare).map(|value| Amount { value, text }),
    };
    match read {
        Ok(amount) if key == "step" && amount.value < 1 => section.wrong(key, "must be at least 1"),
        Ok(amount) => return Some(amount),
        Err(message) => section.wrong(key, &message),
    }
    None
}

fn pattern(section: &mut Section<'_>) -> Option<Pattern> {
    let (text, says) = (section.text("pattern"), section.text("pattern_says"));
    match (text, says) {
        (None, None) => {}
        (Some(_), None) => section.wrong(
            "pattern_says",
            "must be given with `pattern`: what it asks for, in words",
        ),
        (None, Some(_)) => section.wrong("pattern", "must be given with `pattern_says`"),
        (Some(text), Some(says)) => match Regex::new(&text)
            .and_then(|_| Regex::new(&format!("^(?:{text})$")))
        {
            Ok(regex) => return Some(Pattern { regex, says }),
            Err(error) => section.wrong("pattern", &format!("is no regular expression: {error}")),
        },
    }
    None
}

/// What can be told of an input's rule only with the whole file read.
fn check_input(field: &Field, rules: &Rules, wrong: &mut Vec<String>) {
    let rule = rules.rule(field.pointer);
    let mut say =
        |key: &str, message: String| wrong.push(format!("{}{key}: {message}", at(field.pointer)));
    match rule.asked {
        Asked::Fixed if rule.value.is_none() => {
            say(".value", "must be given where presence is `fixed`".into());
        }
        Asked::Required if rule.default.is_some() => say(
            ".default",
            "must not be given where presence is `required`".into(),
        ),
        Asked::Optional if field.needed && rule.default.is_none() => {
            say(
                "",
                "a job needs it: give a default, or make it `required` or `fixed`".into(),
            );
        }
        Asked::Unused if field.needed => {
            say(".presence", "must not be `unused`: a job needs it".into());
        }
        _ => {}
    }
    if rule.asked != Asked::Fixed && rule.value.is_some() {
        say(".value", "is only for presence `fixed`".into());
    }
    if field.kind == Kind::Switch && matches!(rule.asked, Asked::Required | Asked::Fixed) {
        say(".presence", "must be `optional` or `unused`".into());
    }
    if let (Some(least), Some(most)) = (&rule.minimum, &rule.maximum)
        && least.value > most.value
    {
        say(
            ".minimum",
            format!("{} is more than the maximum, {}", least.text, most.text),
        );
    }
    if field.pointer == "/type" {
        for option in rule
            .options
            .iter()
            .filter(|option| option.parse::<Language>().is_err())
        {
            say(
                ".options",
                format!("`{option}` is not one of {}", words(Language::ALL)),
            );
        }
    }
    for (other, values) in &rule.only_if {
        let possible = match inputs::find(other).map(|field| field.kind) {
            Some(Kind::Switch) => vec!["true".to_owned()],
            _ => rules.rule(other).options.clone(),
        };
        if *other == field.pointer || possible.is_empty() {
            say(
                ".only_if",
                format!("`{other}` must be another input, a switch or one with options"),
            );
        } else if let Some(value) = values.iter().find(|value| !possible.contains(value)) {
            say(
                ".only_if",
                format!("`{other}` is never `{value}`; it is {}", words(&possible)),
            );
        }
    }
    for (key, text) in [(".default", &rule.default), (".value", &rule.value)] {
        if let Some(text) = text
            && let Err(message) = check_value(field, text, rule, rules)
        {
            say(key, format!("`{text}` {message}"));
        }
    }
}

fn check_value(field: &Field, text: &str, rule: &InputRule, rules: &Rules) -> Result<(), String> {
    match field.kind {
        Kind::Whole { .. } => checks::whole(text, field.kind, rule).map(drop),
        Kind::Memory => checks::memory(text, rule).map(drop),
        _ => {
            checks::text(text, rule)?;
            match field.pointer {
                "/spark_version" if !rules.spark_versions.contains_key(text) => {
                    Err("is not among the spark_versions".into())
                }
                "/queue" => QueueName::parse(text).map(drop),
                "/cluster" => ClusterName::parse(text).map(drop),
                "/main_class" => checks::class_name(text),
                _ => Ok(()),
            }
        }
    }
}

fn read_versions(table: Table, wrong: &mut Vec<String>) -> BTreeMap<String, SparkVersion> {
    let mut versions = BTreeMap::new();
    if table.is_empty() {
        wrong.push(
            "spark_versions: at least one must be offered, such as [spark_versions.\"3.5\"]".into(),
        );
    }
    for (name, value) in table {
        let here = format!("spark_versions.\"{name}\"");
        let parts: Vec<_> = name.split('.').collect();
        let number = |part: &&str| {
            !part.is_empty() && part.len() < 4 && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(number) {
            wrong.push(format!(
                "{here}: must be named as Spark's versions are, `3.5` or `3.5.9`"
            ));
        }
        let Value::Table(table) = value else {
            wrong.push(format!("{here}: must be a table"));
            continue;
        };
        let mut section = Section::new(&here, table, wrong);
        let image = section.text("image");
        if image.as_ref().is_none_or(String::is_empty) {
            section.wrong(
                "image",
                "must be given: a container image, such as `apache/spark:3.5.9`",
            );
        }
        let mut languages = Vec::new();
        match section.texts("languages") {
            None => languages = Language::ALL.to_vec(),
            Some(listed) if listed.is_empty() => {
                section.wrong("languages", "must name at least one");
            }
            Some(listed) => {
                for word in listed {
                    match word.parse() {
                        Ok(language) => languages.push(language),
                        Err(_) => section.wrong(
                            "languages",
                            &format!("`{word}` is not one of {}", words(Language::ALL)),
                        ),
                    }
                }
            }
        }
        let conf = section.texts("conf");
        section.finish();
        versions.insert(
            name,
            SparkVersion {
                image: image.unwrap_or_default(),
                languages,
                conf,
            },
        );
    }
    versions
}

fn read_conf(table: Table, wrong: &mut Vec<String>) -> ConfRules {
    let mut section = Section::new("spark_conf", table, wrong);
    let defaults = section.pairs("defaults");
    let fixed = section.pairs("fixed");
    let deny = section.tables("deny");
    let deny_values = section.tables("deny_values");
    for (name, conf) in [("defaults", &defaults), ("fixed", &fixed)] {
        for key in conf.keys() {
            if let Err(message) = checks::conf_key(key) {
                section.wrong(name, &format!("`{key}` {message}"));
            }
            if name == "defaults" && fixed.contains_key(key) {
                section.wrong(name, &format!("`{key}` is fixed as well; give it once"));
            }
        }
    }
    section.finish();
    let deny_values = deny_values
        .into_iter()
        .enumerate()
        .filter_map(|(i, table)| {
            let mut section = Section::new(&format!("spark_conf.deny_values[{i}]"), table, wrong);
            let keys = section.texts("keys").unwrap_or_else(|| vec!["*".into()]);
            let texts = section.texts("contains").unwrap_or_default();
            if texts.is_empty() || texts.iter().any(String::is_empty) {
                section.wrong("contains", "must name one text or more, none of them empty");
            }
            let reason = section.needed_text("reason");
            section.finish();
            Some(DeniedTexts {
                keys,
                texts,
                reason: reason?,
            })
        })
        .collect();
    ConfRules {
        defaults,
        fixed,
        deny: read_denied("spark_conf", deny, wrong),
        deny_values,
    }
}

fn read_denied_only(name: &str, table: Table, wrong: &mut Vec<String>) -> Vec<Denied> {
    let mut section = Section::new(name, table, wrong);
    let deny = section.tables("deny");
    section.finish();
    read_denied(name, deny, wrong)
}

fn read_denied(name: &str, entries: Vec<Table>, wrong: &mut Vec<String>) -> Vec<Denied> {
    entries
        .into_iter()
        .enumerate()
        .filter_map(|(i, table)| {
            let mut section = Section::new(&format!("{name}.deny[{i}]"), table, wrong);
            let keys = section.texts("keys").unwrap_or_default();
            if keys.is_empty() {
                section.wrong("keys", "must name at least one key");
            }
            let except = section.texts("except").unwrap_or_default();
            let reason = section.needed_text("reason");
            section.finish();
            Some(Denied {
                keys,
                except,
                reason: reason?,
            })
        })
        .collect()
}
