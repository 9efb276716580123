//! Users' bytes on their way out: always an attachment, never a page of this origin.
use super::{conditions::etag, limits::Turn};
use crate::storage::Object;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::io;

/// What RFC 5987 takes as it is.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Pictures that a browser may show: none of these can hold a script.
const PICTURES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

/// The type of a picture that may be shown, by its name.
pub fn picture(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    PICTURES
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known))
        .map(|(_, mime)| *mime)
}

/// What a user's file is sent as.
pub fn mime(name: &str) -> &'static str {
    picture(name).unwrap_or("application/octet-stream")
}

/// `attachment` with the name for old readers and, percent-encoded, for those of RFC 5987.
pub fn attachment(name: &str) -> HeaderValue {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let exact = utf8_percent_encode(name, ATTR_CHAR);
    HeaderValue::from_str(&format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
    ))
    .unwrap_or(HeaderValue::from_static("attachment"))
}

/// The headers of anything that a user made.
pub fn headers(name: &str, mime: &'static str) -> HeaderMap {
    let fixed = |value| HeaderValue::from_static(value);
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, fixed(mime)),
        (header::CONTENT_DISPOSITION, attachment(name)),
        (header::CONTENT_SECURITY_POLICY, fixed("sandbox")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            fixed("same-origin"),
        ),
        (header::CACHE_CONTROL, fixed("private, no-cache")),
    ])
}

/// A zip while it is made; its turn is given back when its last byte is sent, or nobody takes it any more.
pub fn zip<S>(name: &str, bytes: S, turn: Turn) -> Response
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let bytes = bytes.map(move |chunk| {
        let _held = &turn;
        chunk
    });
    let headers = headers(name, "application/zip");
    (headers, Body::from_stream(bytes)).into_response()
}

/// An object or the range of it that was read. `partial` says that a range was asked for.
pub fn object(object: Object, name: &str, partial: bool) -> Response {
    let mut headers = headers(name, mime(name));
    let mut put = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    let (range, size) = (object.range, object.info.size);
    put(header::ACCEPT_RANGES, "bytes".into());
    put(
        header::CONTENT_LENGTH,
        (range.end - range.start).to_string(),
    );
    put(header::ETAG, etag(&object.info.etag));
    let modified = object.info.modified.strftime("%a, %d %b %Y %H:%M:%S GMT");
    put(header::LAST_MODIFIED, modified.to_string());
    let status = if partial {
        let last = range.end.saturating_sub(1);
        put(
            header::CONTENT_RANGE,
            format!("bytes {}-{last}/{size}", range.start),
        );
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    (status, headers, Body::from_stream(object.body)).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_name_is_told_to_old_and_new_readers() {
        for (name, expected) in [
            (
                "a b.txt",
                "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt",
            ),
            (
                "\"ü%\r\n;.csv",
                "attachment; filename=\"______.csv\"; filename*=UTF-8''%22%C3%BC%25%0D%0A%3B.csv",
            ),
        ] {
            assert_eq!(attachment(name).to_str().unwrap(), expected);
        }
    }

    #[test]
    fn only_pictures_without_scripts_are_shown() {
        assert_eq!(picture("a.PNG"), Some("image/png"));
        for name in ["a.svg", "a.html", "png", "a.png.html", "a."] {
            assert_eq!(picture(name), None, "{name}");
        }
    }
}
