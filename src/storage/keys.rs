//! Builds every key; no other module may. A project's objects all lie below its own prefix:
//!
//! ```text
//! projects/<project>/files/<path>                              its files; a job's outputs among them
//! projects/<project>/code/<job>/<copy>/<path>                  the bytes that every attempt of a job runs
//! projects/<project>/logs/<job>/<attempt>/<stream>/<offset>-<nonce>   parts, while the stream is live
//! projects/<project>/logs/<job>/<attempt>/<stream>.log.zst     the sealed log
//! projects/<project>/logs/<job>/<attempt>/<stream>.index.json  where what lies in it
//! probe/<nonce>                                                for a moment at the start
//! ```
use crate::domain::{
    ids::{JobId, ProjectId},
    names::{FilePath, StreamName},
};
use std::{fmt, str::FromStr};

/// The place of one object. Text from a row becomes one by [`Key::parse`], which takes nothing else than what this module makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A folder of objects; its text ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

pub fn project_prefix(project: ProjectId) -> Prefix {
    Prefix(format!("projects/{project}/"))
}

pub fn project_file(project: ProjectId, path: &FilePath) -> Key {
    files_prefix(project, None).file(path)
}

/// Where the portal tries its rights at the start; outside of all projects.
pub(super) fn probe() -> String {
    format!("probe/{}", uuid::Uuid::new_v4())
}

/// A folder of a project's files; `None` is the top.
pub fn files_prefix(project: ProjectId, folder: Option<&FilePath>) -> Prefix {
    let top = Prefix(format!("projects/{project}/files/"));
    match folder {
        None => top,
        Some(folder) => top.folder(folder),
    }
}

/// All copies of a job's code.
pub fn job_code_prefix(project: ProjectId, job: JobId) -> Prefix {
    Prefix(format!("projects/{project}/code/{job}/"))
}

/// One copy of a job's code; the first ones had no number.
pub fn job_code_copy(project: ProjectId, job: JobId, copy: Option<i64>) -> Prefix {
    let all = job_code_prefix(project, job);
    match copy {
        Some(copy) => Prefix(format!("{}{copy}/", all.0)),
        None => all,
    }
}

/// All logs of a job.
pub fn log_prefix(project: ProjectId, job: JobId) -> Prefix {
    Prefix(format!("projects/{project}/logs/{job}/"))
}

/// The parts of one stream, in the order of their offsets.
pub fn log_parts_prefix(
    project: ProjectId,
    job: JobId,
    attempt: u32,
    stream: &StreamName,
) -> Prefix {
    Prefix(format!(
        "{}{attempt}/{stream}/",
        log_prefix(project, job).as_str()
    ))
}

/// One part. The nonce sets apart two writers that both hold the same offset; of it only ASCII letters and digits are kept.
pub fn log_part(
    project: ProjectId,
    job: JobId,
    attempt: u32,
    stream: &StreamName,
    offset: u64,
    nonce: &str,
) -> Key {
    let nonce: String = nonce
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect();
    Key(format!(
        "{}{offset:020}-{nonce}",
        log_parts_prefix(project, job, attempt, stream).as_str()
    ))
}

pub fn log_archive(project: ProjectId, job: JobId, attempt: u32, stream: &StreamName) -> Key {
    Key(format!(
        "{}{attempt}/{stream}.log.zst",
        log_prefix(project, job).as_str()
    ))
}

pub fn log_index(project: ProjectId, job: JobId, attempt: u32, stream: &StreamName) -> Key {
    Key(format!(
        "{}{attempt}/{stream}.index.json",
        log_prefix(project, job).as_str()
    ))
}

impl Key {
    /// A key that was kept as text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no key of this store: {why}");
        let mut parts = text.splitn(4, '/');
        let (Some("projects"), Some(project), Some(area), Some(rest)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("must be `projects/<project>/<area>/<path>`"));
        };
        // Only the one spelling that `Display` gives, so that one object has one key.
        if ProjectId::from_str(project).map(|id| id.to_string()) != Ok(project.to_owned()) {
            return Err(wrong("its second part must be a project's id"));
        }
        if !["files", "code", "logs"].contains(&area) {
            return Err(wrong("its third part must be `files`, `code` or `logs`"));
        }
        // `code` and `logs` put a job's id before the path.
        let path = match (area, rest.split_once('/')) {
            ("files", _) => rest,
            (_, Some((job, path)))
                if JobId::from_str(job).map(|id| id.to_string()) == Ok(job.to_owned()) =>
            {
                path
            }
            _ => return Err(wrong("its fourth part must be a job's id")),
        };
        FilePath::parse(path).map_err(|why| wrong(&format!("its path {why}")))?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds it and its own name.
    pub(super) fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }
}

impl Prefix {
    /// An object below this folder, for example one that a listing named.
    pub fn file(&self, path: &FilePath) -> Key {
        Key(format!("{}{path}", self.0))
    }

    /// A folder below this one.
    #[must_use]
    pub fn folder(&self, path: &FilePath) -> Self {
        Self(format!("{}{path}/", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the slash at its end.
    pub(super) fn folder_path(&self) -> &str {
        self.0.trim_end_matches('/')
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_key_lies_in_its_project_and_can_be_kept_as_text() {
        let (project, job) = (ProjectId::new(), JobId::new());
        let path = FilePath::parse("jobs/count-abc/1/out {1}/part 0%.txt").unwrap();
        let stream = StreamName::driver();
        let keys = [
            project_file(project, &path),
            job_code_copy(project, job, Some(7)).file(&path),
            log_part(project, job, 2, &stream, 17, "../..\0/x9"),
            log_archive(project, job, 2, &stream),
            log_index(project, job, 2, &stream),
        ];
        for key in keys {
            assert!(key.as_str().starts_with(project_prefix(project).as_str()));
            assert_eq!(Key::parse(key.as_str()), Ok(key));
        }
        assert!(
            log_part(project, job, 2, &stream, 17, "../..\0/x9")
                .as_str()
                .ends_with("/2/driver/00000000000000000017-x9")
        );
    }

    #[test]
    fn the_longest_key_fits_the_1024_bytes_of_s3() {
        let path = FilePath::parse(&["x".repeat(199).as_str(); 4].join("/")).unwrap();
        let path = path
            .join(&"y".repeat(900 - path.as_str().len() - 1))
            .unwrap();
        assert_eq!(path.as_str().len(), 900);
        assert!(
            job_code_copy(ProjectId::new(), JobId::new(), Some(i64::MAX))
                .file(&path)
                .as_str()
                .len()
                <= 1024
        );
    }

    #[test]
    fn odd_text_is_no_key() {
        let id = ProjectId::new();
        for bad in [
            String::new(),
            "projects".into(),
            format!("projects/{id}/files/"),
            format!("projects/{id}/files/a/"),
            format!("projects/{id}/files/../x"),
            format!("projects/{id}/files/a\0"),
            format!("projects/{id}/code/x/a"),
            format!("projects/{id}/else/a"),
            format!("projects/{}/files/a", id.to_string().to_uppercase()),
            format!("projects/{id}/files/{}", "x".repeat(201)),
            "projects/../files/a".into(),
            format!("/projects/{id}/files/a"),
        ] {
            assert!(Key::parse(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_key_that_leads_out(text in "(projects/0198c8a0-0000-7000-8000-000000000000/(files|code|logs)/)?[a-z./\\\\\\x00 %]{0,40}") {
            if let Ok(key) = Key::parse(&text) {
                prop_assert!(key.as_str().split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
                prop_assert!(!key.as_str().contains('\0'));
            }
        }
    }
}
