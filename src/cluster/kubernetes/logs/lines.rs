//! A log with a time before each line, from a whole second on, to the bytes that were not read yet: pure.
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The end of what was read, told so that it is found again in a log that is asked for from a whole second on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last seconds in which something was printed, the oldest first.
    seconds: Vec<Second>,
    /// The time of the last line.
    last: Timestamp,
    /// Whether there are seconds before these.
    forgot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Second {
    /// The time of its first line.
    first: Timestamp,
    /// Bytes of its lines that were read.
    bytes: u64,
}

impl Second {
    fn number(&self) -> i64 {
        self.first.as_second()
    }
}

impl Cursor {
    pub fn parse(text: Option<&str>) -> Option<Self> {
        let cursor: Self = serde_json::from_str(text?).ok()?;
        (!cursor.seconds.is_empty()).then_some(cursor)
    }

    fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// From when on the log is to be asked for; `None` from its beginning.
    pub fn since(&self) -> Option<Timestamp> {
        if !self.forgot {
            return None;
        }
        Timestamp::from_second(self.seconds.first()?.number()).ok()
    }

    fn bytes(&self) -> u64 {
        self.seconds.iter().map(|second| second.bytes).sum()
    }

    /// Lines of two threads can come a moment out of order: a second and what came before it stay.
    fn forget(&mut self) {
        let newest = self.last.as_second();
        let enough = |second: &Second| second.number() < newest - 1;
        let old = self.seconds.iter().rposition(enough).unwrap_or(0);
        self.forgot |= old > 0;
        self.seconds.drain(..old);
    }
}

/// What of the coming lines was read already.
#[derive(Debug, PartialEq, Eq)]
enum Skip {
    /// Not known before the first line's time.
    Unknown,
    /// So many bytes.
    Bytes(u64),
    /// Lines up to this time: the node has begun a new file, in which counting is of no use.
    Until(Timestamp),
}

/// Where in a line the next byte stands.
enum Place {
    /// In its time.
    Time(Vec<u8>),
    /// Behind its time.
    Text { skipped: bool },
}

/// Takes what the node sends, and keeps what is new, up to a bound.
pub struct Lines {
    before: Option<Cursor>,
    cursor: Option<Cursor>,
    skip: Skip,
    place: Place,
    bytes: Vec<u8>,
    max: usize,
    full: bool,
}

/// Longer than any time.
const LONGEST_TIME: usize = 40;

impl Lines {
    /// Without a cursor the log comes from its beginning, and `offset` bytes of it were read.
    pub fn new(cursor: Option<Cursor>, offset: u64, max: usize) -> Self {
        let skip = match cursor {
            Some(_) => Skip::Unknown,
            None => Skip::Bytes(offset),
        };
        Self {
            before: cursor.clone(),
            cursor,
            skip,
            place: Place::Time(Vec::new()),
            bytes: Vec::new(),
            max,
            full: false,
        }
    }

    /// No more is taken.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// What is new, and the cursor at its end.
    pub fn done(self) -> (Bytes, Option<String>) {
        let cursor = self.cursor.as_ref().and_then(Cursor::text);
        (Bytes::from(self.bytes), cursor)
    }

    pub fn take(&mut self, mut sent: &[u8]) {
        while !sent.is_empty() && !self.full {
            let taken = match &mut self.place {
                Place::Time(time) => {
                    let until = sent.iter().position(|b| *b == b' ' || *b == b'\n');
                    let taken = until.map_or(sent.len(), |at| at + 1);
                    time.extend_from_slice(&sent[..taken]);
                    if until.is_some() || time.len() > LONGEST_TIME {
                        let time = std::mem::take(time);
                        self.begin_line(&time);
                    }
                    taken
                }
                Place::Text { skipped } => {
                    let skipped = *skipped;
                    let until = sent.iter().position(|b| *b == b'\n');
                    let length = until.map_or(sent.len(), |at| at + 1);
                    let taken = self.text(&sent[..length], skipped);
                    if taken == length && until.is_some() {
                        self.place = Place::Time(Vec::new());
                    }
                    taken
                }
            };
            sent = &sent[taken..];
        }
    }

    fn begin_line(&mut self, head: &[u8]) {
        let text = std::str::from_utf8(head).unwrap_or_default();
        let Ok(time) = text.trim_end().parse::<Timestamp>() else {
            // The node says in its own words that it has no log any more; they are no part of it.
            self.place = Place::Text { skipped: true };
            if head.ends_with(b"\n") {
                self.place = Place::Time(Vec::new());
            }
            return;
        };
        if let (Skip::Unknown, Some(before)) = (&self.skip, &self.before) {
            let first = before.seconds.first().map(|second| second.first);
            if first == Some(time) {
                self.skip = Skip::Bytes(before.bytes());
                // They are counted anew as they pass.
                self.cursor = None;
            } else {
                if time > before.last {
                    self.bytes.extend(gap(before.last, time));
                }
                self.skip = Skip::Until(before.last);
            }
        }
        let skipped = matches!(self.skip, Skip::Until(last) if time <= last);
        if !skipped {
            self.note(time);
        }
        self.place = Place::Text { skipped };
        if head.ends_with(b"\n") {
            // An empty line whose blank the node left out.
            self.text(b"\n", skipped);
            self.place = Place::Time(Vec::new());
        }
    }

    fn note(&mut self, time: Timestamp) {
        let second = Second {
            first: time,
            bytes: 0,
        };
        match &mut self.cursor {
            None => {
                self.cursor = Some(Cursor {
                    seconds: vec![second],
                    last: time,
                    forgot: self.before.as_ref().is_some_and(|before| before.forgot),
                });
            }
            Some(cursor) => {
                cursor.last = cursor.last.max(time);
                let newest = cursor.seconds.last().map_or(i64::MIN, Second::number);
                if time.as_second() > newest {
                    cursor.seconds.push(second);
                    cursor.forget();
                }
            }
        }
    }

    /// Takes bytes of one line and says how many.
    fn text(&mut self, text: &[u8], skipped: bool) -> usize {
        if skipped {
            return text.len();
        }
        let known = match &mut self.skip {
            Skip::Bytes(left) => {
                let known = usize::try_from(*left).unwrap_or(usize::MAX).min(text.len());
                *left -= known as u64;
                known
            }
            Skip::Unknown | Skip::Until(_) => 0,
        };
        let new = &text[known..];
        let room = self.max.saturating_sub(self.bytes.len());
        let new = &new[..new.len().min(room)];
        self.bytes.extend_from_slice(new);
        let taken = known + new.len();
        if let Some(second) = self.cursor.as_mut().and_then(|c| c.seconds.last_mut()) {
            second.bytes += taken as u64;
        }
        self.full = self.bytes.len() >= self.max;
        taken
    }
}

/// The line that stands for what a node removed before it could be read.
fn gap(last: Timestamp, next: Timestamp) -> Vec<u8> {
    // Less than this apart, nothing can have been missed that was worth a line.
    let moment = SignedDuration::from_millis(1);
    if next.duration_since(last) < moment {
        return Vec::new();
    }
    let text = format!(
        "\ntourmaline: the node removed what was printed between {last} and {next}, if anything was, before it could be read\n"
    );
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A line of a log, at so many milliseconds.
    type Line = (i64, String);

    fn time(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    /// What a node sends of it.
    fn sent(log: &[Line], since: Option<Timestamp>) -> Vec<u8> {
        let lines = log
            .iter()
            .filter(|(at, _)| since.is_none_or(|s| time(*at) >= s));
        let lines = lines.map(|(at, text)| format!("{} {text}\n", time(*at)));
        lines.collect::<String>().into_bytes()
    }

    fn plain(log: &[Line]) -> String {
        log.iter()
            .flat_map(|(_, text)| [text.as_ref(), "\n"])
            .collect()
    }

    fn read(
        log: &[Line],
        offset: u64,
        cursor: &mut Option<String>,
        max: usize,
        step: usize,
    ) -> String {
        let before = Cursor::parse(cursor.as_deref());
        let bytes = sent(log, before.as_ref().and_then(Cursor::since));
        let mut lines = Lines::new(before, offset, max);
        for some in bytes.chunks(step) {
            lines.take(some);
        }
        let (bytes, after) = lines.done();
        *cursor = after;
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn what_a_node_removed_is_marked_by_one_line() {
        let log: Vec<Line> = (0..10).map(|n| (n * 700, format!("line {n}"))).collect();
        let mut cursor = None;
        assert_eq!(read(&log[..5], 0, &mut cursor, 1000, 7), plain(&log[..5]));
        // The file was begun anew within what was read: nothing is missing.
        let mut overlaps = cursor.clone();
        assert_eq!(
            read(&log[4..7], 35, &mut overlaps, 1000, 7),
            plain(&log[5..7])
        );
        // And after it.
        let next = read(&log[8..], 35, &mut cursor, 1000, 7);
        assert!(
            next.starts_with("\ntourmaline: the node removed what was printed between "),
            "{next}"
        );
        assert!(next.ends_with("\nline 8\nline 9\n"), "{next}");
        assert_eq!(next.matches("tourmaline").count(), 1);
        assert_eq!(read(&log[8..], 200, &mut cursor, 1000, 7), "");
    }

    #[test]
    fn words_of_the_node_are_no_part_of_a_log() {
        let mut lines = Lines::new(None, 0, 100);
        lines.take(b"unable to retrieve container logs for containerd://0123456789012345678901234567890123456789");
        assert_eq!(lines.done().0, "");
    }

    #[test]
    fn without_a_cursor_bytes_are_counted_from_the_beginning() {
        let log = [(0, "one".to_owned()), (1, "two".to_owned())];
        assert_eq!(read(&log, 5, &mut None, 100, 3), "wo\n");
    }

    proptest! {
        #[test]
        fn a_log_is_read_byte_for_byte_whatever_the_pieces(
            lines in prop::collection::vec((0i64..1500, "[a-zé ]{0,12}"), 1..40),
            max in 1usize..40,
            step in 1usize..50,
            shown in prop::collection::vec(1usize..6, 1..60),
        ) {
            // Times grow, but for two threads that print within a millisecond.
            let mut at = 0;
            let log: Vec<Line> = lines.into_iter().enumerate().map(|(n, (wait, text))| {
                at += wait;
                (at - i64::from(n % 7 == 3 && wait > 0), text)
            }).collect();
            let (mut cursor, mut all) = (None, String::new());
            let mut bytes = Vec::new();
            let mut there = 0;
            let mut more = shown.iter().copied().chain(std::iter::repeat(log.len()));
            for _ in 0..2000 {
                there = (there + more.next().unwrap()).min(log.len());
                let before = Cursor::parse(cursor.as_deref());
                let sent = sent(&log[..there], before.as_ref().and_then(Cursor::since));
                let mut taker = Lines::new(before, bytes.len() as u64, max);
                for some in sent.chunks(step) {
                    taker.take(some);
                }
                let (new, after) = taker.done();
                cursor = after;
                bytes.extend_from_slice(&new);
                if there == log.len() && new.is_empty() {
                    break;
                }
            }
            all.push_str(std::str::from_utf8(&bytes).unwrap());
            prop_assert_eq!(all, plain(&log));
        }
    }
}
