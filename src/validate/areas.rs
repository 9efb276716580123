//! Lists and maps as text in a form's area: an item or a `key=value` per line. What does not fit a line as it stands is
//! written as JSON text in double quotes, so that reading a rendered area always gives the same items back.

/// The items of an area; blank lines are none.
pub(super) fn items(text: &str) -> Vec<String> {
    lines(text)
        .map(|line| unquote(line).unwrap_or_else(|| line.to_owned()))
        .collect()
}

pub(super) fn item_line(item: &str) -> String {
    if item.trim().is_empty() || needs_quotes(item) {
        quote(item)
    } else {
        item.to_owned()
    }
}

/// A map's value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// `{secret:name}`.
    Secret(String),
}

impl Value {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Secret(name) => format!("{{secret:{name}}}"),
        }
    }
}

/// What stands between key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Equals,
    EqualsOrBlank,
}

/// The entries of an area, or the line that is none.
pub(super) fn pairs(text: &str, separator: Separator) -> Vec<Result<(String, Value), String>> {
    lines(text)
        .map(|line| pair(line, separator).ok_or_else(|| line.to_owned()))
        .collect()
}

pub(super) fn pair_line(key: &str, value: &Value) -> String {
    let odd = key.is_empty()
        || needs_quotes(key)
        || key.contains(|c: char| c == '=' || c.is_whitespace());
    let key = if odd { quote(key) } else { key.to_owned() };
    let value = match value {
        Value::Text(text) if needs_quotes(text) || secret(text).is_some() => quote(text),
        value => value.clone().into_text(),
    };
    format!("{key}={value}")
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.trim().is_empty())
}

fn pair(line: &str, separator: Separator) -> Option<(String, Value)> {
    let (key, rest) = quoted_key(line).or_else(|| match separator {
        Separator::Equals => line
            .split_once('=')
            .map(|(key, rest)| (key.to_owned(), rest)),
        Separator::EqualsOrBlank => {
            let line = line.trim_start();
            let end = line.find(|c: char| c == '=' || c.is_whitespace())?;
            let rest = &line[end..];
            let bare = rest.trim_start();
            let value = match rest.strip_prefix('=') {
                Some(exact) => exact,
                None => bare.strip_prefix('=').map_or(bare, str::trim_start),
            };
            Some((line[..end].to_owned(), value))
        }
    })?;
    if key.is_empty() {
        return None;
    }
    let value = unquote(rest).map_or_else(
        || secret(rest).map_or_else(|| Value::Text(rest.to_owned()), Value::Secret),
        Value::Text,
    );
    Some((key, value))
}

fn quoted_key(line: &str) -> Option<(String, &str)> {
    if !line.starts_with('"') {
        return None;
    }
    let mut stream = serde_json::Deserializer::from_str(line).into_iter::<String>();
    let key = stream.next()?.ok()?;
    let rest = line[stream.byte_offset()..].strip_prefix('=')?;
    Some((key, rest))
}

fn secret(text: &str) -> Option<String> {
    let name = text.strip_prefix("{secret:")?.strip_suffix('}')?;
    Some(name.to_owned())
}

/// Browsers turn every line break of an area into CR LF.
fn needs_quotes(text: &str) -> bool {
    text.starts_with('"') || text.contains(['\n', '\r'])
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unquote(text: &str) -> Option<String> {
    if !text.starts_with('"') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Option<(String, String)> {
        pair(line, Separator::EqualsOrBlank).map(|(key, value)| (key, value.into_text()))
    }

    #[test]
    fn both_ways_of_writing_a_pair() {
        let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        assert_eq!(read("spark.a=1"), pair("spark.a", "1"));
        assert_eq!(read("spark.a 1 2"), pair("spark.a", "1 2"));
        assert_eq!(read("spark.a  =  1"), pair("spark.a", "1"));
        assert_eq!(read("spark.a= 1"), pair("spark.a", " 1"));
        assert_eq!(read("spark.a=-Dx=y"), pair("spark.a", "-Dx=y"));
        assert_eq!(read("spark.a="), pair("spark.a", ""));
        assert_eq!(read("spark.a"), None);
        assert_eq!(read("=1"), None);
        assert_eq!(
            items("a\n\n \n\"\"\n\"b\\nc\"\n\"d\n"),
            ["a", "", "b\nc", "\"d"]
        );
    }

    #[test]
    fn only_env_keeps_blanks_in_its_values() {
        let env = |line| pair(line, Separator::Equals);
        assert_eq!(env("A= x "), Some(("A".into(), Value::Text(" x ".into()))));
        assert_eq!(env("A x"), None);
        assert_eq!(
            env("A={secret:db}"),
            Some(("A".into(), Value::Secret("db".into())))
        );
        assert_eq!(
            env("A=\"{secret:db}\""),
            Some(("A".into(), Value::Text("{secret:db}".into())))
        );
    }

    proptest! {
        #[test]
        fn items_survive_the_form(all in prop::collection::vec("(?s).{0,12}|[\"\\\\ \t\r\nab]{0,6}", 0..6)) {
            let text = all.iter().map(|item| item_line(item)).collect::<Vec<_>>().join("\n");
            prop_assert_eq!(items(&text.replace('\n', "\r\n").replace("\r\n", "\n")), all);
        }

        #[test]
        fn pairs_survive_the_form(all in prop::collection::vec(("(?s).{1,8}|[= \"a\n]{1,4}", "(?s).{0,12}|\\{secret:[a-z]{0,3}\\}|[\"= \n]{0,6}"), 0..6)) {
            let written: Vec<_> = all.into_iter().map(|(key, value)| (key, Value::Text(value))).collect();
            let text = written.iter().map(|(key, value)| pair_line(key, value)).collect::<Vec<_>>().join("\n");
            for separator in [Separator::Equals, Separator::EqualsOrBlank] {
                let read: Result<Vec<_>, _> = pairs(&text, separator).into_iter().collect();
                prop_assert_eq!(read, Ok(written.clone()));
            }
        }
    }
}
