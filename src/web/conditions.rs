//! Conditional and partial requests: `If-Match`, `If-None-Match`, `If-Range`, `Range`. Tags are given without quotes.
use super::answer::Answer;
use crate::{
    services::{Error, Result},
    storage::ByteRange,
};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// As the header writes it.
pub fn etag(tag: &str) -> String {
    format!("\"{tag}\"")
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn lists(header: &str, tag: &str) -> bool {
    header.trim() == "*"
        || header
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/").trim_matches('"') == tag)
}

/// Refuses a change of what is not as the caller read it; `None` where it does not exist.
pub fn if_match(headers: &HeaderMap, tag: Option<&str>) -> Result<()> {
    let outdated = match text(headers, header::IF_MATCH) {
        None => false,
        Some(wanted) => !tag.is_some_and(|tag| lists(wanted, tag)),
    };
    let exists = text(headers, header::IF_NONE_MATCH)
        .is_some_and(|unwanted| tag.is_some_and(|tag| lists(unwanted, tag)));
    if outdated {
        return Err(Error::Outdated(
            "It is not what you read (If-Match): somebody changed it since. Read it again; your change was not made.".into(),
        ));
    }
    if exists {
        return Err(Error::Outdated(
            "It exists already (If-None-Match); it was not changed.".into(),
        ));
    }
    Ok(())
}

/// A thing's own tag, which is another as soon as anything that its readers see is.
pub fn tag_of(thing: &impl Serialize) -> Result<String> {
    let bytes = serde_json::to_vec(thing).map_err(anyhow::Error::from)?;
    Ok(URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..16]))
}

/// A thing with its tag, or that the reader has it already.
pub fn tagged(headers: &HeaderMap, thing: impl Serialize) -> Result<Response> {
    let tag = tag_of(&thing)?;
    let shown = [(header::ETAG, etag(&tag))];
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, shown).into_response());
    }
    Ok((shown, Answer(thing)).into_response())
}

/// Whether the reader has it already (304).
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    text(headers, header::IF_NONE_MATCH).is_some_and(|known| lists(known, tag))
}

/// The one range that is asked for. What cannot be read, several ranges, and a range of another version mean the whole.
pub fn range(headers: &HeaderMap, tag: &str) -> Option<ByteRange> {
    if let Some(version) = text(headers, header::IF_RANGE)
        && version.trim().trim_matches('"') != tag
    {
        return None;
    }
    parse_range(text(headers, header::RANGE)?)
}

fn parse_range(header: &str) -> Option<ByteRange> {
    let digits = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    match (first, last) {
        ("", count) => Some(ByteRange::Last(digits(count)?)),
        (first, "") => Some(ByteRange::From(digits(first)?)),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then(|| ByteRange::Between(first, last.saturating_add(1)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ByteRange::{Between, From, Last};

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-0", Some(Between(0, 1))),
            ("bytes=5-9", Some(Between(5, 10))),
            ("bytes=5-", Some(From(5))),
            ("bytes=-5", Some(Last(5))),
            ("bytes=9-5", None),
            ("bytes=-", None),
            ("bytes=0-1,5-6", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
            ("bytes=0-99999999999999999999", None),
        ] {
            assert_eq!(parse_range(header), expected, "{header}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert("range", "bytes=1-2".parse().unwrap());
        headers.insert("if-range", "\"a\"".parse().unwrap());
        assert_eq!(range(&headers, "a"), Some(Between(1, 3)));
        assert_eq!(range(&headers, "b"), None);
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_written_over() {
        let mut headers = HeaderMap::new();
        assert!(if_match(&headers, None).is_ok());
        headers.insert("if-match", "\"1\", \"2\"".parse().unwrap());
        assert!(if_match(&headers, Some("2")).is_ok());
        assert!(if_match(&headers, Some("3")).is_err());
        assert!(if_match(&headers, None).is_err());
        headers.insert("if-match", "*".parse().unwrap());
        assert!(if_match(&headers, Some("3")).is_ok());
        headers.insert("if-none-match", "*".parse().unwrap());
        assert!(if_match(&headers, Some("3")).is_err());
    }
}
