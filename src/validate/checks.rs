//! One value against its kind and its rule. Each error says what would be right.
use super::{
    inputs::Kind,
    rules::{InputRule, words},
};
use crate::domain::quantity::Memory;

/// A whole number in plain ASCII digits, within the rule's bounds.
pub(super) fn whole(text: &str, kind: Kind, rule: &InputRule) -> Result<i64, String> {
    let range = rule.range(kind);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
        && text != "-0";
    if !plain {
        return Err(match meant(text) {
            Some(meant) => {
                format!("must be a whole number in plain digits {range}: write `{meant}`")
            }
            None if text.contains(['.', ',']) => {
                format!("must be a whole number {range}; fractions are not taken")
            }
            None => format!("must be a whole number {range}"),
        });
    }
    let value = text
        .parse::<i64>()
        .map_err(|_| format!("must be {range}"))?;
    within(value, kind, rule)?;
    Ok(value)
}

/// The number that was meant, if there is no doubt.
fn meant(text: &str) -> Option<i64> {
    let ascii: String = text
        .trim()
        .chars()
        .map(|c| match u32::from(c).checked_sub(0xFF10) {
            Some(digit @ 0..=9) => char::from_digit(digit, 10).unwrap_or(c),
            _ => c,
        })
        .collect();
    let ascii = ascii.strip_prefix('+').unwrap_or(&ascii);
    if let Ok(number) = ascii.parse::<i64>() {
        return Some(number);
    }
    let number = ascii
        .parse::<f64>()
        .ok()
        .filter(|n| n.fract() == 0.0 && n.abs() < 1e15)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 10^15")]
    Some(number as i64)
}

/// Memory in the API's form, within the rule's bounds.
pub(super) fn memory(text: &str, rule: &InputRule) -> Result<Memory, String> {
    let range = rule.range(Kind::Memory);
    let memory = Memory::parse(text).map_err(|error| match range.as_str() {
        "" => error.to_string(),
        range => format!("{error}; {range} is taken"),
    })?;
    if !memory.bytes().is_multiple_of(1024) {
        return Err("must be a whole number of KiB, which is the least that a JVM takes".into());
    }
    within(
        i64::try_from(memory.bytes()).unwrap_or(i64::MAX),
        Kind::Memory,
        rule,
    )?;
    Ok(memory)
}

fn within(value: i64, kind: Kind, rule: &InputRule) -> Result<(), String> {
    let (least, most) = rule.bounds(kind);
    let fits = least.is_none_or(|least| value >= least.value)
        && most.is_none_or(|most| value <= most.value)
        && rule
            .step
            .as_ref()
            .is_none_or(|step| value % step.value == 0);
    if fits {
        Ok(())
    } else {
        Err(format!("must be {}", rule.range(kind)))
    }
}

/// Length, options and pattern of a text, of one line of a list or of one value of a map.
pub(super) fn text(text: &str, rule: &InputRule) -> Result<(), String> {
    let length = text.chars().count();
    if length > rule.longest() {
        return Err(format!(
            "has {length} characters; at most {} are taken",
            rule.longest()
        ));
    }
    if !rule.options.is_empty() && !rule.options.iter().any(|option| option == text) {
        return Err(format!("must be {}", words(&rule.options)));
    }
    match &rule.pattern {
        Some(pattern) if !pattern.regex.is_match(text) => Err(pattern.says.clone()),
        _ => Ok(()),
    }
}

/// A conf key: `spark.` and letters, digits, dots, dashes, underscores, slashes and colons.
pub(super) fn conf_key(key: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    match key.strip_prefix("spark.") {
        Some(rest) if !rest.is_empty() && rest.chars().all(legal) && key.len() <= 250 => Ok(()),
        Some(_) => Err("must be `spark.` and at most 250 letters, digits, dots, dashes, underscores, slashes or colons".into()),
        None => Err(format!("must begin with `spark.`; Hadoop's own settings are written `spark.hadoop.{key}`")),
    }
}

/// An environment variable's name.
pub(super) fn env_name(name: &str) -> Result<(), String> {
    let ok = name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if ok {
        Ok(())
    } else {
        Err("must be a name of at most 100 letters, digits and underscores that does not begin with a digit".into())
    }
}

/// The name of one of a project's secrets, a key of a Kubernetes secret.
pub(super) fn secret_name(name: &str) -> Result<(), String> {
    let ok = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if ok {
        Ok(())
    } else {
        Err("must name a secret: 1 to 63 letters, digits, dots, dashes or underscores, the first a letter or digit".into())
    }
}

/// A Kubernetes label's key: a name, with or without a DNS name and a slash before it.
pub(super) fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                is_label_name(part)
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    });
    if prefix_ok && is_label_name(name) {
        Ok(())
    } else {
        Err("must be 1 to 63 letters, digits, dots, dashes or underscores that begin and end with a letter or digit".into())
    }
}

pub(super) fn label_value(value: &str) -> Result<(), String> {
    if value.is_empty() || is_label_name(value) {
        Ok(())
    } else {
        Err("must be empty, or at most 63 letters, digits, dots, dashes or underscores that begin and end with a letter or digit".into())
    }
}

fn is_label_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// A JVM class by its full name.
pub(super) fn class_name(text: &str) -> Result<(), String> {
    let part_ok = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    if text.split('.').all(part_ok) {
        Ok(())
    } else {
        Err("must be a class's full name, such as `org.example.WordCount`".into())
    }
}

/// Maven coordinates.
pub(super) fn package(text: &str) -> Result<(), String> {
    let parts: Vec<_> = text.split(':').collect();
    let legal = |part: &&str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
    };
    if parts.len() == 3 && parts.iter().all(legal) {
        Ok(())
    } else {
        Err(
            "must be `group:artifact:version`, such as `org.apache.spark:spark-avro_2.12:3.5.0`"
                .into(),
        )
    }
}
