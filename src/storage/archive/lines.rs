//! Counts a log's lines and notices the first that tells of an error or a warning, while the log passes by once.
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// How many bytes of a line are looked at: time, level and the beginning of the message lie there.
const HEAD: usize = 120;

/// A line: where it begins, and its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub offset: u64,
    pub line: u64,
}

#[derive(Default)]
pub(super) struct Lines {
    offset: u64,
    ended: u64,
    line_start: u64,
    head: Vec<u8>,
    first_error: Option<Mark>,
    first_warn: Option<Mark>,
}

pub(super) struct Found {
    pub lines: u64,
    pub first_error: Option<Mark>,
    pub first_warn: Option<Mark>,
}

impl Lines {
    /// Bytes that have passed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines whose end has passed.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    pub(super) fn take(&mut self, plain: &[u8]) {
        for piece in plain.split_inclusive(|byte| *byte == b'\n') {
            self.offset += piece.len() as u64;
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = HEAD - self.head.len();
            self.head.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.end_line();
            }
        }
    }

    pub(super) fn finish(mut self) -> Found {
        if self.offset > self.line_start {
            self.end_line();
        }
        Found {
            lines: self.ended,
            first_error: self.first_error,
            first_warn: self.first_warn,
        }
    }

    fn end_line(&mut self) {
        self.ended += 1;
        let mark = Mark {
            offset: self.line_start,
            line: self.ended,
        };
        if self.first_error.is_none() && ERROR.is_match(&self.head) {
            self.first_error = Some(mark);
        } else if self.first_warn.is_none() && WARN.is_match(&self.head) {
            self.first_warn = Some(mark);
        }
        self.head.clear();
        self.line_start = self.offset;
    }
}

/// log4j's and Python's levels, and what a JVM or Python prints when it dies.
static ERROR: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?-u)\b(?:ERROR|FATAL|CRITICAL|SEVERE)\b|^Traceback \(most recent call last\)|^Exception in thread |^Caused by: ",
    )
});
static WARN: LazyLock<Regex> = LazyLock::new(|| regex(r"(?-u)\bWARN(?:ING)?\b"));

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern, compiled by the tests")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(log: &[u8], step: usize) -> Found {
        let mut lines = Lines::default();
        for chunk in log.chunks(step) {
            lines.take(chunk);
        }
        lines.finish()
    }

    #[test]
    fn lines_are_counted_and_marked_however_the_log_is_cut() {
        let log = b"25/11/25 10:00:00 INFO SparkContext: ok, no ERRORS\n\
            25/11/25 10:00:01 WARN NativeCodeLoader: x\n\n\
            \xff\xfe not text\n\
            Traceback (most recent call last):\n  File";
        for step in [1, 2, 7, 50, 51, 52, 1000] {
            let found = lines(log, step);
            assert_eq!(found.lines, 6, "{step}");
            assert_eq!(
                found.first_warn,
                Some(Mark {
                    offset: 51,
                    line: 2
                })
            );
            let error = found.first_error.unwrap();
            assert_eq!(error.line, 5);
            let offset = usize::try_from(error.offset).unwrap();
            assert!(log[offset..].starts_with(b"Traceback"));
        }
    }

    #[test]
    fn a_level_counts_only_at_the_beginning_of_a_line() {
        let far = format!("INFO {}ERROR\n", " ".repeat(HEAD));
        for (log, is_error) in [
            (far.as_str(), false),
            ("ERROR:root:no\n", true),
            ("{\"ts\":\"2025-01-01\",\"level\":\"ERROR\"}", true),
            ("Exception in thread \"main\" x", true),
            ("INFO TERROR ERRORS error\n", false),
        ] {
            assert_eq!(
                lines(log.as_bytes(), 3).first_error.is_some(),
                is_error,
                "{log}"
            );
        }
        assert_eq!(lines(b"", 1).lines, 0);
        assert_eq!(lines(b"\n", 1).lines, 1);
    }
}
