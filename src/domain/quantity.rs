//! Memory as Spark writes it, stricter: a whole number from 1 and a unit, ASCII, nothing around it.
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of memory, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory {
    text: String,
    bytes: u64,
}

/// Why a text is no memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    #[error("give a unit: `{0}m` for MiB or `{0}g` for GiB")]
    NoUnit(String),
    #[error(
        "fractions are not taken: write it as a whole number of a smaller unit, such as `1536m` for 1.5 GiB"
    )]
    Fraction,
    #[error("Kubernetes units are not taken: write `{0}` ({1} means {2})")]
    KubernetesUnit(String, String, &'static str),
    #[error("must be at least 1")]
    Zero,
    #[error("is more than 8 EiB")]
    TooLarge,
    #[error(
        "must be a whole number and a unit (b, k, m, g, t, p), such as `512m` or `4g`, with nothing around it"
    )]
    Shape,
}

impl Memory {
    /// `^[1-9][0-9]*(b|k|kb|m|mb|g|gb|t|tb|p|pb)$` in any case; units are powers of 1,024.
    pub fn parse(text: &str) -> Result<Self, MemoryError> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(MemoryError::Shape);
        }
        let unit = unit.to_ascii_lowercase();
        let shift = match unit.as_str() {
            "b" => 0,
            "k" | "kb" => 10,
            "m" | "mb" => 20,
            "g" | "gb" => 30,
            "t" | "tb" => 40,
            "p" | "pb" => 50,
            "" => return Err(MemoryError::NoUnit(number.to_owned())),
            "ki" | "mi" | "gi" | "ti" | "pi" => {
                let short = &unit[..1];
                let name = match short {
                    "k" => "KiB",
                    "m" => "MiB",
                    "g" => "GiB",
                    "t" => "TiB",
                    _ => "PiB",
                };
                return Err(MemoryError::KubernetesUnit(
                    format!("{number}{short}"),
                    format!("`{short}`"),
                    name,
                ));
            }
            rest if rest.starts_with('.') || rest.starts_with(',') => {
                return Err(MemoryError::Fraction);
            }
            _ => return Err(MemoryError::Shape),
        };
        if number.starts_with('0') {
            return Err(if number.bytes().all(|b| b == b'0') {
                MemoryError::Zero
            } else {
                MemoryError::Shape
            });
        }
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(1 << shift))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .ok_or(MemoryError::TooLarge)?;
        Ok(Self {
            text: text.to_owned(),
            bytes,
        })
    }

    /// A whole number of MiB.
    pub fn mib(mib: u64) -> Self {
        Self {
            text: format!("{mib}m"),
            bytes: mib << 20,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Memory {
    type Error = MemoryError;
    fn try_from(text: String) -> Result<Self, MemoryError> {
        Self::parse(&text)
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.text
    }
}

/// Bytes for people: `1.5 GiB`, `12 B`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = if value < 9.95 && (value * 10.0).round() % 10.0 != 0.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    format!("{text} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_refused_says_what_is_right() {
        for (text, hint) in [
            ("1.5g", "1536m"),
            ("1Gi", "`1g`"),
            ("512", "`512m`"),
            ("-1g", "whole number"),
            ("1_024m", "whole number"),
            (" 512m", "nothing around it"),
            ("512m\n", "nothing around it"),
            ("５１２m", "whole number"),
            ("0g", "at least 1"),
            ("01g", "whole number"),
            ("99999999999999999999g", "more than"),
            ("", "whole number"),
            ("512µ", "whole number"),
        ] {
            let error = Memory::parse(text).expect_err(text).to_string();
            assert!(error.contains(hint), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_pattern(text in "\\PC{0,12}|[0-9]{1,6}[bkmgtpBKMGTPi]{0,3}") {
            let pattern = regex::Regex::new("(?i-u)^[1-9][0-9]*(b|k|kb|m|mb|g|gb|t|tb|p|pb)$").expect("pattern");
            let taken = !matches!(Memory::parse(&text), Err(ref e) if *e != MemoryError::TooLarge);
            prop_assert_eq!(taken, pattern.is_match(&text));
        }
    }

    #[test]
    fn bytes_are_shown_short() {
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(2 << 30), "2 GiB");
        assert_eq!(human_bytes((1 << 20) - 1), "1 MiB");
    }
}
