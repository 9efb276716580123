//! The tokens in a job's texts: `{project}`, `{output}` and `{dataset:ID@3}`. A doubled first brace, `{{project}`, is the
//! literal text; every other brace is left as it stands. What is one letter away from a token is told apart, so that it can
//! be refused: a program that is given `{outputs}/x` writes where nobody looks.

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Project,
    Output,
    Dataset { id: &'a str, version: &'a str },
    Misspelt { text: &'a str, meant: &'static str },
}

/// The pieces of a text from left to right.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(offset) = text[at..].find('{') {
        at += offset;
        let rest = &text[at..];
        if let Some((_, length)) = token(&rest[1..]) {
            push_text(&mut found, &text[plain..at]);
            found.push(Piece::Text(&rest[1..=length]));
            at += 1 + length;
            plain = at;
        } else if let Some((piece, length)) = token(rest) {
            push_text(&mut found, &text[plain..at]);
            found.push(piece);
            at += length;
            plain = at;
        } else {
            at += 1;
        }
    }
    push_text(&mut found, &text[plain..]);
    found
}

fn push_text<'a>(pieces: &mut Vec<Piece<'a>>, text: &'a str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

/// The token that the text begins with, and its length.
fn token(text: &str) -> Option<(Piece<'_>, usize)> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let piece = match inner {
        "project" => Piece::Project,
        "output" => Piece::Output,
        _ if let Some(meant) = nearly(inner) => Piece::Misspelt {
            text: &text[..inner.len() + 2],
            meant,
        },
        _ => {
            let (id, version) = inner.strip_prefix("dataset:")?.split_once('@')?;
            let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if id.is_empty()
                || !id.chars().all(legal)
                || version.is_empty()
                || !version.bytes().all(|b| b.is_ascii_digit())
            {
                return None;
            }
            Piece::Dataset { id, version }
        }
    };
    Some((piece, inner.len() + 2))
}

/// The token that a word was meant to be.
fn nearly(word: &str) -> Option<&'static str> {
    if word.len() > 8 || !word.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let is_near = |(name, _): &(&str, &str)| strsim::damerau_levenshtein(&word, name) <= 1;
    let all = [("project", "{project}"), ("output", "{output}")];
    all.into_iter().find(is_near).map(|(_, meant)| meant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_literals_and_other_braces() {
        use Piece::{Dataset, Misspelt, Output, Project, Text};
        for (text, expected) in [
            ("", vec![]),
            ("{project}/a", vec![Project, Text("/a")]),
            ("x{output}{project}", vec![Text("x"), Output, Project]),
            ("{{project}/a", vec![Text("{project}"), Text("/a")]),
            ("{{{project}", vec![Text("{"), Text("{project}")]),
            ("{{output}", vec![Text("{output}")]),
            (
                "{dataset:b12@3}",
                vec![Dataset {
                    id: "b12",
                    version: "3",
                }],
            ),
            ("{{dataset:b12@3}", vec![Text("{dataset:b12@3}")]),
            ("{dataset:b12}", vec![Text("{dataset:b12}")]),
            ("{dataset:@3}", vec![Text("{dataset:@3}")]),
            ("{Proj} {{} }{", vec![Text("{Proj} {{} }{")]),
            (
                "{outputs}/a",
                vec![
                    Misspelt {
                        text: "{outputs}",
                        meant: "{output}",
                    },
                    Text("/a"),
                ],
            ),
            ("{{Project}", vec![Text("{Project}")]),
            ("{x{project}", vec![Text("{x"), Project]),
            ("{é{output}", vec![Text("{é"), Output]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_no_token_stays(text in "[^{]{0,20}\\{?[^{]{0,3}") {
            prop_assume!(!text.contains("{project}") && !text.contains("{output}") && !text.contains("{dataset:"));
            let back: String = pieces(&text).iter().map(|p| match p { Piece::Text(t) => *t, _ => "?" }).collect();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn never_panics(text in "[{}a-z@:0-9é]{0,30}|(\\{|project|output|dataset:|@|3|\\}){0,12}") {
            pieces(&text);
        }
    }
}
