//! Bytes of a log as lines that a page may show: without the colours of terminals, markup as text, broken UTF-8 shown.
use regex::Regex;
use std::{ops::Range, sync::LazyLock};

/// How much of a log a page holds, in bytes.
pub const PAGE: u64 = 64 << 10;

/// What looks like an error; app.js colours the same lines.
pub const ERROR: &str =
    r"\b(ERROR|FATAL|CRITICAL)\b|^Traceback |^Caused by: |^[\w.]*(Error|Exception)\b[:(]";

/// Which part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    End,
    /// From this byte on.
    From(u64),
    /// What ends there.
    Before(u64),
    /// Around this byte, whose line is marked.
    At(u64),
}

impl Place {
    /// The bytes to read of a log of this size.
    pub fn range(self, size: u64) -> Range<u64> {
        let start = match self {
            Self::End => size.saturating_sub(PAGE),
            Self::From(at) => at.min(size),
            Self::Before(at) => {
                let end = at.min(size);
                return end.saturating_sub(PAGE)..end;
            }
            Self::At(at) => at.min(size).saturating_sub(PAGE / 2),
        };
        start..start.saturating_add(PAGE).min(size)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Of its first byte.
    pub offset: u64,
    pub text: String,
    pub is_here: bool,
    /// More of it may come.
    pub is_open: bool,
}

/// Whole lines out of what was read, and where they begin and end.
#[derive(Debug, PartialEq, Eq)]
pub struct Lines {
    pub lines: Vec<Line>,
    pub range: Range<u64>,
}

/// Cuts to whole lines, save where a line is longer than what was read, and at the log's own ends.
pub fn lines(bytes: &[u8], start: u64, size: u64, place: Place) -> Lines {
    let mut from = 0;
    let mut to = bytes.len();
    let aim = match place {
        Place::At(at) => usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    if start > 0
        && !matches!(place, Place::From(_))
        && let Some(at) = bytes.iter().position(|b| *b == b'\n')
        && at + 1 < to
        && at < aim
    {
        from = at + 1;
    }
    if start + (to as u64) < size
        && let Some(at) = bytes[from..].iter().rposition(|b| *b == b'\n')
    {
        to = from + at + 1;
    }
    let mut lines = Vec::new();
    let mut at = from;
    for line in bytes[from..to].split_inclusive(|b| *b == b'\n') {
        let offset = start + at as u64;
        let is_here = aim >= at && aim < at + line.len();
        lines.push(Line {
            offset,
            text: shown(&String::from_utf8_lossy(line)),
            is_here,
            is_open: !line.ends_with(b"\n"),
        });
        at += line.len();
    }
    Lines {
        lines,
        range: start + from as u64..start + to as u64,
    }
}

/// One line as a terminal would leave it: without escapes, and with what a carriage return wrote over it last.
pub fn shown(line: &str) -> String {
    #[expect(clippy::unwrap_used, reason = "a test compiles it")]
    static ESCAPES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b.").unwrap()
    });
    let line = line.trim_end_matches(['\n', '\r']);
    let plain = ESCAPES.replace_all(line, "");
    let last = plain.rsplit('\r').next().unwrap_or_default();
    // What a page cannot hold, or would hide.
    last.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_on_a_terminal() {
        for (line, expected) in [
            ("\x1b[31;1mred\x1b[0m\r\n", "red"),
            ("10 %\r50 %\r100 %\n", "100 %"),
            (
                "\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ <b>&amp;",
                "link <b>&amp;",
            ),
            ("a\tb\0c", "a\tb\u{fffd}c"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    fn texts(found: &Lines) -> Vec<&str> {
        found.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn a_page_has_whole_lines() {
        let all = b"one\ntwo\nthree\nfour";
        let size = all.len() as u64;
        let end = lines(&all[2..], 2, size, Place::End);
        assert_eq!(texts(&end), ["two", "three", "four"]);
        assert_eq!(end.range, 4..size);
        assert_eq!(
            end.lines.iter().map(|l| l.is_open).collect::<Vec<_>>(),
            [false, false, true]
        );
        let middle = lines(&all[4..12], 4, size, Place::From(4));
        assert_eq!(texts(&middle), ["two"]);
        assert_eq!(middle.range, 4..8);
        let around = lines(&all[1..16], 1, size, Place::At(9));
        assert_eq!(texts(&around), ["two", "three"]);
        assert_eq!(around.lines.iter().position(|line| line.is_here), Some(1));
    }

    #[test]
    fn a_line_longer_than_a_page_is_shown_in_pieces() {
        let found = lines(b"aaaa", 4, 12, Place::Before(8));
        assert_eq!((texts(&found), found.range.clone()), (vec!["aaaa"], 4..8));
    }

    #[test]
    fn broken_utf8_is_shown() {
        let found = lines(b"a\xffb\n", 0, 4, Place::End);
        assert_eq!(texts(&found), ["a\u{fffd}b"]);
    }

    #[test]
    fn where_to_read() {
        assert_eq!(Place::End.range(10), 0..10);
        assert_eq!(Place::End.range(PAGE + 10), 10..PAGE + 10);
        assert_eq!(Place::From(20).range(10), 10..10);
        assert_eq!(Place::Before(PAGE + 5).range(3 * PAGE), 5..PAGE + 5);
        assert_eq!(Place::At(PAGE).range(3 * PAGE), PAGE / 2..PAGE / 2 + PAGE);
    }

    #[test]
    fn errors_are_known_by_their_looks() -> Result<(), regex::Error> {
        let error = Regex::new(ERROR)?;
        assert!(error.is_match("26/03/01 ERROR Executor: x"));
        assert!(error.is_match("py4j.protocol.Py4JError: y"));
        assert!(!error.is_match("no errors here"));
        Ok(())
    }
}
