//! Finding lines in a log. Matching keeps a processor busy, so it is done off the threads that serve, a few searches at a time.
use super::{Error, PIECE, Pieces, Portal, Result};
use crate::store::LogStream;
use regex::bytes::{Regex, RegexBuilder};
use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout_at,
};

/// How long one search goes on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of a line is matched.
const LINE: usize = 64 << 10;
/// What a pattern may need once it is compiled, in bytes. Time grows with it, and with the length of a line.
const PATTERN: usize = 128 << 10;
/// Searches that match at the same moment.
const AT_ONCE: usize = 2;

/// Whose turn it is to match.
#[derive(Clone)]
pub struct Searches(Arc<Semaphore>);

impl Default for Searches {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Searches {
    /// A turn, unless it is late before there is one.
    async fn turn(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let turn = self.0.clone().acquire_owned();
        timeout_at(until.into(), turn).await.ok()?.ok()
    }
}

/// A line that matched.
#[derive(Debug)]
pub struct Hit {
    /// Of the line's first byte.
    pub offset: u64,
    pub line: String,
}

/// What a search found and where it stopped.
#[derive(Debug)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Search on from here; none where the stream's end was reached.
    pub next: Option<u64>,
}

/// Finds lines from an offset on: at most `most`, for at most 5 s, holding one piece at a time. Of a longer line 64 KiB are
/// looked at.
pub async fn search(
    portal: &Portal,
    row: &LogStream,
    pattern: &str,
    regex: bool,
    from: u64,
    most: usize,
) -> Result<Found> {
    let until = Instant::now() + PATIENCE;
    let mut scan = Scan {
        matcher: matcher(pattern, regex)?,
        line: Vec::new(),
        line_start: from,
        at: from,
        hits: Vec::new(),
        most,
        until,
    };
    let mut pieces = Pieces::of(portal, row);
    while scan.at < row.size {
        let piece = pieces.read(scan.at, PIECE).await?;
        if piece.is_empty() {
            break;
        }
        let Some(turn) = portal.searches.turn(until).await else {
            return Ok(scan.stopped());
        };
        let going;
        // The turn ends with the work, also where nobody waits for it any more.
        (scan, going) = spawn_blocking(move || {
            let _turn = turn;
            let going = scan.take(&piece);
            (scan, going)
        })
        .await
        .map_err(|error| Error::Internal(error.into()))?;
        if going.is_break() && scan.at < row.size {
            return Ok(scan.stopped());
        }
    }
    Ok(scan.ended())
}

fn matcher(pattern: &str, regex: bool) -> Result<Regex> {
    let text = if regex {
        pattern.to_owned()
    } else {
        regex::escape(pattern)
    };
    RegexBuilder::new(&text)
        .size_limit(PATTERN)
        .case_insensitive(!regex)
        .build()
        .map_err(|why| {
            let message = match why {
                regex::Error::CompiledTooBig(_) => {
                    "This pattern is too large to look for; use a shorter one, with fewer repetitions and character classes.".into()
                }
                why => format!("This is not a regular expression: {why}"),
            };
            Error::field("/q", message, Some(pattern))
        })
}

/// A search on its way through the bytes.
struct Scan {
    matcher: Regex,
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
    line_start: u64,
    at: u64,
    hits: Vec<Hit>,
    most: usize,
    until: Instant,
}

impl Scan {
    /// Looks at the bytes that follow, until there is enough or it is late.
    fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            self.at += part.len() as u64;
            if part.ends_with(b"\n") {
                self.end_line();
                if self.hits.len() >= self.most || Instant::now() >= self.until {
                    return ControlFlow::Break(());
                }
            }
        }
        if Instant::now() >= self.until {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn end_line(&mut self) {
        while self.line.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
            self.line.pop();
        }
        if !self.line.is_empty() && self.matcher.is_match(&self.line) {
            let line = String::from_utf8_lossy(&self.line);
            self.hits.push(Hit {
                offset: self.line_start,
                line: line.chars().take(2000).collect(),
            });
        }
        self.line.clear();
        self.line_start = self.at;
    }

    /// To be gone on with at the line that it was in; behind what it saw of one that is longer than any line is looked at, else
    /// it would never come past it.
    fn stopped(mut self) -> Found {
        if self.line.len() == LINE {
            self.end_line();
        }
        Found {
            hits: self.hits,
            next: Some(self.line_start),
        }
    }

    fn ended(mut self) -> Found {
        self.end_line();
        Found {
            hits: self.hits,
            next: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn scan(pattern: &str, until: Instant) -> Scan {
        Scan {
            matcher: matcher(pattern, true).unwrap(),
            line: Vec::new(),
            line_start: 0,
            at: 0,
            hits: Vec::new(),
            most: 10,
            until,
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_hours(1)
    }

    #[test]
    fn of_a_long_line_the_beginning_is_looked_at() {
        let mut log = vec![b'x'; 4 * LINE];
        log[LINE - 3..LINE].copy_from_slice(b"yes");
        log[2 * LINE..2 * LINE + 2].copy_from_slice(b"no");
        log.extend_from_slice(b"\nno\n");
        for step in [7, LINE, log.len()] {
            let mut scan = scan("yes|no", later());
            for piece in log.chunks(step) {
                assert!(scan.take(piece).is_continue());
                assert!(scan.line.len() <= LINE);
            }
            let found = scan.ended();
            let offsets: Vec<_> = found.hits.iter().map(|hit| hit.offset).collect();
            assert_eq!(offsets, [0, 4 * LINE as u64 + 1], "in steps of {step}");
        }
        let mut only_late = scan("no", later());
        assert!(only_late.take(&log[..=4 * LINE]).is_continue());
        assert!(only_late.ended().hits.is_empty());
    }

    #[test]
    fn the_clock_is_looked_at_after_each_line() {
        let mut late = scan("a", Instant::now());
        assert!(late.take(b"a1\na2\na3\n").is_break());
        let found = late.stopped();
        assert_eq!((found.hits.len(), found.next), (1, Some(3)));
        // And a line without an end does not hold it up for ever.
        let mut late = scan("a", Instant::now());
        assert!(late.take(&vec![b'a'; LINE + 5]).is_break());
        assert_eq!(late.stopped().next, Some(LINE as u64 + 5));
    }

    #[test]
    fn a_pattern_that_would_take_too_long_is_refused_in_words() {
        for fair in [r"ERROR|Exception", r"\w+ took \d+ ms", r"^\s*at [\w.$]+\("] {
            matcher(fair, true).unwrap();
        }
        matcher(&"Straße".repeat(70), false).unwrap();
        for (bad, says) in [(r"\w{500}", "too large"), ("(", "not a regular expression")] {
            let Err(Error::Invalid(wrong)) = matcher(bad, true) else {
                panic!("{bad} was taken")
            };
            let message = &wrong.iter().next().unwrap().message;
            assert!(message.contains(says), "{message}");
        }
    }
}
