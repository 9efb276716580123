//! Where a job finds its files, as the job itself addresses them, and the tokens that stand for them.
use crate::domain::{
    job::CodePath,
    tokens::{Piece, pieces},
};

/// Addresses such as `file:///data/store/projects/…` or `s3a://…`, without a slash at the end. They are put in unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The project's files.
    pub project: String,
    /// This attempt's own output.
    pub output: String,
    /// The job's own copy of its code.
    pub code: String,
}

impl Addresses {
    /// The address of a program or library: a file of the project lies in the job's copy, one of the image where it is.
    pub fn of(&self, path: &CodePath) -> String {
        match path {
            CodePath::Project(path) => format!("{}/{path}", self.code),
            CodePath::Image(uri) => uri.clone(),
        }
    }
}

/// The text with its tokens replaced. What is put in is not looked at again. Tokens of datasets and misspelt ones stay: `validate`
/// lets none through.
pub fn resolve(text: &str, addresses: &Addresses) -> String {
    let mut resolved = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) | Piece::Misspelt { text, .. } => resolved.push_str(text),
            Piece::Project => resolved.push_str(&addresses.project),
            Piece::Output => resolved.push_str(&addresses.output),
            Piece::Dataset { id, version } => {
                resolved.extend(["{dataset:", id, "@", version, "}"]);
            }
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn odd() -> Addresses {
        Addresses {
            project: "file:///data/my {output} [%20] é".into(),
            output: "s3a://b/{project}".into(),
            code: "s3a://b/code".into(),
        }
    }

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        assert_eq!(
            resolve("{project}|{output}|{{project}|{x}|{dataset:a@1}", &odd()),
            "file:///data/my {output} [%20] é|s3a://b/{project}|{project}|{x}|{dataset:a@1}"
        );
    }

    proptest! {
        #[test]
        fn text_without_tokens_stays(text in "[^{]{0,40}") {
            prop_assert_eq!(resolve(&text, &odd()), text);
        }

        #[test]
        fn each_token_is_replaced_once(parts in prop::collection::vec("[a-z }/]{0,5}", 1..6)) {
            let addresses = odd();
            prop_assert_eq!(resolve(&parts.join("{project}"), &addresses), parts.join(&addresses.project));
            prop_assert_eq!(resolve(&parts.join("{output}"), &addresses), parts.join(&addresses.output));
            prop_assert_eq!(resolve(&parts.join("{{project}"), &addresses), parts.join("{project}"));
        }
    }
}
