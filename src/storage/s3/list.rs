//! Listings by the last name seen. The store's own order is bytes of the whole key, which is what the contract wants.
use super::{
    super::{Entry, Kind, PAGE, Page, Result, keys::Prefix},
    S3,
};
use crate::domain::names::FilePath;
use aws_sdk_s3::types::EncodingType;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

/// The longest key of S3, in bytes.
const LONGEST_KEY: usize = 1024;
/// The last of all characters: behind every key that begins with what stands before it.
const LAST: char = char::MAX;

/// How far a listing goes down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    One,
    All,
}

/// A page of keys, whole, and what they have in common up to a slash, in order.
pub(super) struct Raw {
    pub keys: Vec<RawKey>,
    pub next: Option<String>,
}

pub(super) struct RawKey {
    pub key: String,
    pub size: u64,
    /// `None` for what several keys have in common.
    pub modified: Option<Timestamp>,
}

impl S3 {
    pub(in super::super) async fn list(
        &self,
        prefix: &Prefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        self.page(prefix, Depth::One, after, limit).await
    }

    pub(in super::super) async fn list_all(
        &self,
        prefix: &Prefix,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        self.page(prefix, Depth::All, after, limit).await
    }

    pub(in super::super) async fn folder_exists(&self, prefix: &Prefix) -> Result<bool> {
        self.holds_anything(&self.place(prefix.as_str())).await
    }

    /// Whether any key begins so.
    pub(super) async fn holds_anything(&self, place: &str) -> Result<bool> {
        let found = self.raw(place, Depth::All, None, None, 1).await?;
        Ok(!found.keys.is_empty())
    }

    async fn page(
        &self,
        prefix: &Prefix,
        depth: Depth,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page> {
        let limit = limit.clamp(1, PAGE);
        let place = self.place(prefix.as_str());
        let after = after.unwrap_or("");
        let start = (!after.is_empty()).then(|| start(&place, depth, after));
        let mut gathered = Gathered::default();
        let mut token = None;
        loop {
            // One for the page after, and one for the folder's own object.
            let raw = self
                .raw(&place, depth, start.as_deref(), token, limit + 2)
                .await?;
            for found in raw.keys {
                let Some(position) = found.key.strip_prefix(&place) else {
                    continue;
                };
                if !position.is_empty() && position > after {
                    gathered.add(position, &found);
                }
            }
            token = raw.next;
            if token.is_none() {
                gathered.flush();
            }
            if token.is_none() || gathered.entries.len() > limit {
                break;
            }
        }
        let mut entries = gathered.entries;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(Entry::position);
        Ok(Page { entries, next })
    }

    pub(super) async fn raw(
        &self,
        place: &str,
        depth: Depth,
        start: Option<&str>,
        token: Option<String>,
        max: usize,
    ) -> Result<Raw> {
        let page = self
            .quick()
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(place)
            .set_delimiter((depth == Depth::One).then(|| "/".into()))
            .set_start_after(start.map(str::to_owned))
            .set_continuation_token(token)
            .max_keys(i32::try_from(max.clamp(1, PAGE)).unwrap_or(1))
            // XML cannot hold every character that a job may put into a key.
            .encoding_type(EncodingType::Url)
            .send()
            .await
            .map_err(|error| self.failed("listing", &error))?;
        let is_encoded = page.encoding_type().is_some();
        let text = |text: &str| {
            if is_encoded {
                decoded(text)
            } else {
                Some(text.to_owned())
            }
        };
        let files = page.contents().iter().filter_map(|object| {
            Some(RawKey {
                key: text(object.key()?)?,
                size: super::unsigned(object.size()),
                modified: super::modified(object.last_modified()).ok(),
            })
        });
        let folders = page.common_prefixes().iter().filter_map(|common| {
            Some(RawKey {
                key: text(common.prefix()?)?,
                size: 0,
                modified: None,
            })
        });
        let mut keys: Vec<RawKey> = files.chain(folders).collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        let next = page.next_continuation_token().map(str::to_owned);
        Ok(Raw {
            keys,
            next: next.filter(|_| page.is_truncated() == Some(true)),
        })
    }
}

/// The key after which a listing begins, so that everything up to `after` is left out or nearly so.
fn start(place: &str, depth: Depth, after: &str) -> String {
    let mut start = format!("{place}{after}");
    if depth == Depth::One
        && let Some(folder) = after.find('/')
    {
        // All that is in the folder counts as the folder, which was seen.
        start.truncate(place.len() + folder + 1);
        start.push(LAST);
    }
    let mut end = start.len().min(LONGEST_KEY);
    while !start.is_char_boundary(end) {
        end -= 1;
    }
    start.truncate(end);
    start
}

/// `a%20b` and `a+b` are both `a b`. `None` is no text, so that nothing here can name it.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Entries in order. A folder's own object is shown only where nothing else shows the folder.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    empty: Option<String>,
}

impl Gathered {
    fn add(&mut self, position: &str, found: &RawKey) {
        let name = position.strip_suffix('/').unwrap_or(position);
        // What a job named so that no key can name it is not shown; deleting its folder deletes it.
        if FilePath::parse(name).is_err() {
            return;
        }
        match &self.empty {
            Some(folder) if position.starts_with(folder.as_str()) => self.empty = None,
            _ => self.flush(),
        }
        if position.ends_with('/') {
            self.empty = Some(position.to_owned());
            return;
        }
        self.entries.push(Entry {
            name: name.to_owned(),
            kind: Kind::File,
            size: found.size,
            modified: found.modified,
        });
    }

    fn flush(&mut self) {
        if let Some(folder) = self.empty.take() {
            self.entries.push(Entry {
                name: folder.trim_end_matches('/').to_owned(),
                kind: Kind::Folder,
                size: 0,
                modified: None,
            });
        }
    }
}

#[cfg(test)]
mod unit {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_listing_begins_behind_what_was_seen() {
        assert_eq!(start("p/", Depth::One, "b"), "p/b");
        assert_eq!(start("p/", Depth::One, "b/"), "p/b/\u{10ffff}");
        assert_eq!(start("p/", Depth::One, "b/1x"), "p/b/\u{10ffff}");
        assert_eq!(start("p/", Depth::All, "b/1x"), "p/b/1x");
        let long = start("p/", Depth::All, &"ü".repeat(1000));
        assert_eq!(long.len(), 1024);
        assert_eq!(start("p/x/", Depth::All, &"ü".repeat(1000)).len(), 1024);
    }

    #[test]
    fn an_empty_folder_is_shown_and_a_full_one_by_what_it_holds() {
        let mut gathered = Gathered::default();
        for position in ["a/", "a/b/", "a/b/c", "d/", "d//x", "e", "f/"] {
            let key = RawKey {
                key: position.into(),
                size: 1,
                modified: None,
            };
            gathered.add(position, &key);
        }
        gathered.flush();
        let found: Vec<_> = gathered.entries.iter().map(Entry::position).collect();
        assert_eq!(found, ["a/b/c", "d/", "e", "f/"]);
    }

    #[test]
    fn keys_come_in_two_spellings() {
        assert_eq!(
            decoded("a+b%2Bc%20d%C3%BC/x").as_deref(),
            Some("a b+c dü/x")
        );
        assert_eq!(decoded("%FF"), None);
    }
}
