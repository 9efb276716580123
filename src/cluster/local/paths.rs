//! Which names Spark bears, and what to do about the others.
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::Path;

const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'_')
    .remove(b'-');
/// What Spark takes for a pattern in the path of an input.
const PATTERN: [char; 7] = ['[', ']', '{', '}', '*', '?', '\\'];

/// The path of an address on this machine, which is written unescaped.
pub fn local_path(address: &str) -> Option<&str> {
    let path = address
        .strip_prefix("file://")
        .or_else(|| address.strip_prefix("local://"))?;
    path.starts_with('/').then_some(path)
}

/// As a URI, which is what Spark takes a main file for.
pub fn escaped(path: &str) -> String {
    format!("file://{}", utf8_percent_encode(path, IN_PATHS))
}

/// How much of `path` is to be linked: up to the last component that bears a pattern's character and exists by that very name.
pub fn odd_part(path: &str) -> Option<usize> {
    if !path.starts_with('/') || !path.contains(PATTERN) {
        return None;
    }
    let ends = path
        .char_indices()
        .skip(1)
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    let mut start = 0;
    let mut odd = None;
    for end in ends {
        if !Path::new(&path[..end]).exists() {
            break;
        }
        if path[start..end].contains(PATTERN) {
            odd = Some(end);
        }
        start = end;
    }
    odd
}

/// Whether Spark, its scripts and `java` take a path as it is, wherever it stands.
pub fn is_plain(path: &str) -> bool {
    path.chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c))
}

/// A file's name without what would make it part of a list, a pattern or an escape. Letters stay: a Python module has its
/// name from them, and so does its kind from the ending.
pub fn plain_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_existing_odd_parts_are_linked() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        std::fs::create_dir_all(folder.path().join("a [1]/b/c {2}")).unwrap();
        for (path, part) in [
            ("a [1]/b/c {2}/*.csv", Some("a [1]/b/c {2}")),
            ("a [1]/b/new [3]", Some("a [1]")),
            ("a [1]", Some("a [1]")),
            ("a*/b", None),
            ("plain, é %20", None),
        ] {
            let path = format!("{root}/{path}");
            let found = odd_part(&path).map(|end| path[..end].to_owned());
            assert_eq!(found, part.map(|part| format!("{root}/{part}")), "{path}");
        }
    }
}
