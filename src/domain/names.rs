//! Names, parsed once at the edge. Each error says what would be right.
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident($check:path)),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, String> {
                $check(text).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

name! {
    /// A user's sign-in name: 1–64 of `a–z 0–9 . _ -`, lower case, first a letter or digit.
    UserName(user_name),
    /// A queue's, a cluster's, a stream's or an identity provider's name: a DNS label of up to 63.
    QueueName(label),
    ClusterName(label),
    StreamName(label),
    ProviderName(label),
    /// A Kubernetes object's name, DNS-1035 and at most 30, so that all names derived from it fit.
    ObjectName(object_name),
    /// A file or folder in a project: at most 64 segments of at most 200 bytes, 900 in all, no leading or trailing slash.
    FilePath(file_path),
    /// One line of text for people: a project's or a job's title, 1–100 characters.
    Title(title),
}

fn user_name(text: &str) -> Result<String, String> {
    let ok = text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    if ok {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 lower-case letters, digits, dots, dashes or underscores, and begin with a letter or digit".into())
    }
}

fn label(text: &str) -> Result<String, String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ok = (1..=63).contains(&text.len())
        && text.bytes().all(|b| inner(b) || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if ok {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 63 lower-case letters, digits or dashes, and begin and end with a letter or digit".into())
    }
}

fn object_name(text: &str) -> Result<String, String> {
    if text.len() <= 30 && text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return label(text);
    }
    Err("must begin with a lower-case letter and have at most 30 characters".into())
}

/// What is said of text that is not.
pub const ONE_LINE: &str = "Write one line without control characters.";

/// Whether text is one line as people write it: databases and their searches take no NUL.
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn title(text: &str) -> Result<String, String> {
    let text = text.trim();
    let count = text.chars().count();
    if count == 0 {
        return Err("must not be empty".into());
    }
    if count > 100 {
        return Err(format!("has {count} characters; at most 100 are taken"));
    }
    if !is_one_line(text) {
        return Err("must be one line without control characters".into());
    }
    Ok(text.to_owned())
}

/// The most parts of a path.
const DEEPEST: usize = 64;

fn file_path(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.len() > 900 {
        return Err(format!("has {} bytes; a path may have 900", text.len()));
    }
    // Whoever walks down holds a folder open for each.
    let depth = text.split('/').count();
    if depth > DEEPEST {
        return Err(format!(
            "has {depth} parts; a file may lie {DEEPEST} deep at most"
        ));
    }
    for segment in text.split('/') {
        if segment.is_empty() {
            return Err("must not begin or end with a slash or have two in a row".into());
        }
        if segment == "." || segment == ".." {
            return Err(format!("must not have a part named `{segment}`"));
        }
        if segment.len() > 200 {
            return Err(format!(
                "has a part of {} bytes; a file's or folder's name may have 200",
                segment.len()
            ));
        }
        if !is_one_line(segment) || segment.contains('\\') {
            return Err("must not have control characters or backslashes".into());
        }
        if segment.trim() != segment {
            return Err("must not have parts that begin or end with a space".into());
        }
    }
    Ok(text.to_owned())
}

impl FilePath {
    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder that holds it; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// A path below this one.
    pub fn join(&self, rest: &str) -> Result<Self, String> {
        Self::parse(&format!("{}/{rest}", self.0))
    }

    /// Whether this is `folder` itself or lies in it.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0
            .strip_prefix(&folder.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl ClusterName {
    /// The embedded cluster: this machine.
    pub fn local() -> Self {
        Self("local".into())
    }
}

impl QueueName {
    /// The queue of a fresh installation.
    pub fn default_queue() -> Self {
        Self("default".into())
    }
}

impl StreamName {
    /// What a job's driver prints.
    pub fn driver() -> Self {
        Self("driver".into())
    }
}

impl ObjectName {
    /// What a job's objects are called: its title as a DNS label, cut, and six random characters.
    /// The attempt's number is added by [`ObjectName::attempt`]; both together stay within 30.
    pub fn for_job(title: &Title, random: [u8; 6]) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut slug = String::new();
        for c in title.as_str().chars() {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_lowercase() || (c.is_ascii_digit() && !slug.is_empty()) => {
                    slug.push(c);
                }
                _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
                _ => {}
            }
            if slug.len() == 18 {
                break;
            }
        }
        let slug = slug.trim_matches('-');
        let slug = if slug.is_empty() { "job" } else { slug };
        let tail: String = random
            .iter()
            .map(|b| char::from(ALPHABET[usize::from(*b) % 32]))
            .collect();
        Self(format!("{slug}-{tail}"))
    }

    /// The object of one attempt.
    #[must_use]
    pub fn attempt(&self, number: u32) -> Self {
        Self(format!("{}-{number}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_paths_are_refused() {
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a\\b", " a", "a/b ", "a\n",
        ] {
            assert!(FilePath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(FilePath::parse(&"x".repeat(201)).is_err());
        assert!(FilePath::parse(&"x/".repeat(460)).is_err());
        assert!(FilePath::parse(&["x"; 64].join("/")).is_ok());
        let deep = FilePath::parse(&["x"; 65].join("/")).expect_err("too deep");
        assert_eq!(deep, "has 65 parts; a file may lie 64 deep at most");
        assert!(FilePath::parse("%2e%2e/naïve [1] {x} %.txt").is_ok());
    }

    proptest! {
        #[test]
        fn a_path_that_is_taken_stays_where_it_belongs(text in "[a./\\\\ %\\x00-\\x1f\\PC]{0,40}") {
            let Ok(path) = FilePath::parse(&text) else { return Ok(()) };
            prop_assert_eq!(path.as_str(), &text, "nothing is mended in silence");
            for segment in text.split('/') {
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
                prop_assert!(is_one_line(segment) && !segment.contains('\\'));
            }
            if let Some(parent) = path.parent() {
                prop_assert!(path.is_within(&parent) && !parent.is_within(&path));
                prop_assert_eq!(parent.join(path.file_name()).unwrap_or(parent), path);
            }
        }

        #[test]
        fn names_are_read_as_they_are_written(text in any::<String>()) {
            if let Ok(name) = UserName::parse(&text) {
                prop_assert_eq!(name.as_str(), text.as_str());
            }
            if let Ok(title) = Title::parse(&text) {
                prop_assert!(is_one_line(title.as_str()));
                prop_assert_eq!(Title::parse(title.as_str()).ok(), Some(title.clone()));
            }
        }

        #[test]
        fn object_names_of_any_title_are_legal(text in "\\PC{1,100}", random: [u8; 6], n in 1u32..9999) {
            if let Ok(title) = Title::parse(&text) {
                let name = ObjectName::for_job(&title, random).attempt(n);
                prop_assert!(ObjectName::parse(name.as_str()).is_ok(), "{}", name);
            }
        }
    }
}
