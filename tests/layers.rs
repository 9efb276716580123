//! Who may import whom, and what only one module may do. Keep the tables in step with `ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, reason = "a test may")]
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ALL: &[&str] = &["*"];

/// Every module of `src/` and what it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("validate", &["domain"]),
    ("manifest", &["domain"]),
    ("telemetry", &["config"]),
    ("store", &["domain", "config"]),
    ("storage", &["domain", "config"]),
    ("cluster", &["domain", "config", "manifest"]),
    (
        "services",
        &[
            "domain", "config", "validate", "manifest", "store", "storage", "cluster",
        ],
    ),
    ("auth", &["domain", "config", "store", "services"]),
    (
        "background",
        &[
            "auth", "services", "store", "storage", "cluster", "domain", "config",
        ],
    ),
    // Of store, storage and cluster what is read from them; see `web_reads_and_does_not_write`.
    (
        "web",
        &[
            "services",
            "auth",
            "validate",
            "domain",
            "config",
            "telemetry",
            "store",
            "storage",
            "cluster",
        ],
    ),
    ("server", ALL),
    ("main", ALL),
    ("admin", ALL),
    ("lib", &[]),
];

/// What only some modules may name, and why.
const ONLY: &[(&[&str], &[&str])] = &[
    // One place knows the tables.
    (&["sqlx::"], &["store"]),
    // One place touches the folder that nothing leads out of.
    (&["cap_std::"], &["storage"]),
    // One place speaks with Kubernetes.
    (&["kube::", "k8s_openapi::"], &["cluster"]),
    // One place speaks S3.
    (&["aws_sdk_s3::", "aws_sdk_sts::"], &["storage"]),
    // What HTTP is stays at the edge; server.rs puts the two together.
    (&["axum::", "axum_extra::"], &["web", "server"]),
    (&["askama::", "StatusCode"], &["web"]),
    (&["hyper::"], &["server"]),
    // Writes are begun where somebody decides that they may be.
    (
        &[".begin()", ".begin_under("],
        &["store", "services", "auth", "background"],
    ),
    // Processes are started by what runs jobs.
    (
        &["process::Command", "Command::new("],
        &["cluster", "main", "admin"],
    ),
];

/// What `web` must not name: it reads values, services do the rest.
const NOT_IN_WEB: &[&str] = &[
    "store::Tx",
    "storage::Storage",
    "storage::Folder",
    "storage::S3",
    "storage::keys",
    "portal.storage",
    "portal.clusters",
    "cluster::Cluster,",
    "cluster::local",
    "cluster::kubernetes",
];

struct Source {
    module: String,
    file: String,
    /// Without comments and inline tests.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let first = file.split('/').next().unwrap();
            Source {
                module: first.strip_suffix(".rs").unwrap_or(first).to_owned(),
                file: file.to_owned(),
                code: code(&fs::read_to_string(&path).unwrap()),
            }
        })
        // Tests in files of their own import what they try.
        .filter(|source| !source.file.ends_with("/tests.rs") && !source.file.contains("/tests/"))
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

fn code(source: &str) -> String {
    source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |all, line| all + line + "\n")
}

/// First path segments after `crate::`, including those in `use crate::{a, b::c}`.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(ident(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if c.is_alphabetic() && start && depth == 0 => {
                    found.insert(ident(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn ident(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn modules_import_only_what_their_layer_allows() {
    let mut broken = Vec::new();
    for source in sources() {
        let known = MAY_IMPORT.iter().find(|(name, _)| *name == source.module);
        let Some((module, allowed)) = known else {
            broken.push(format!("{} is of no known module", source.file));
            continue;
        };
        for used in crate_paths(&source.code) {
            if used != *module && *allowed != ALL && !allowed.contains(&used.as_str()) {
                broken.push(format!("{} uses crate::{used}", source.file));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let code =
        "use crate::{domain::{a, b}, store::Tx,\n    web};\nfn f() -> crate::config::Config {}";
    let found: Vec<_> = crate_paths(code).into_iter().collect();
    assert_eq!(found, ["config", "domain", "store", "web"]);
}

#[test]
fn what_only_one_module_may_do_no_other_does() {
    let mut broken = Vec::new();
    for source in sources() {
        let code = one_line(&source.code);
        for (names, modules) in ONLY {
            for name in *names {
                if code.contains(name) && !modules.contains(&source.module.as_str()) {
                    broken.push(format!("{} names {name}", source.file));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn web_reads_and_does_not_write() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.module == "web") {
        let code = one_line(&source.code);
        for name in NOT_IN_WEB.iter().filter(|name| code.contains(**name)) {
            broken.push(format!("{} names {name}", source.file));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Code as if no path or call were broken over lines, and no spaces stood around dots and colons.
fn one_line(code: &str) -> String {
    let words: Vec<&str> = code.split_whitespace().collect();
    let mut line = words.join(" ");
    for sign in [".", "::", "("] {
        line = line.replace(&format!(" {sign}"), sign);
        line = line.replace(&format!("{sign} "), sign);
    }
    line
}

#[test]
fn a_line_break_hides_nothing() {
    let code = "all.extend(\n    portal\n        .clusters\n        .iter(),\n);\nstore\n    .begin()\n    .await";
    let line = one_line(code);
    assert!(
        line.contains("portal.clusters") && line.contains("store.begin()"),
        "{line}"
    );
}

/// The core does no I/O and waits for nothing.
#[test]
fn the_core_is_pure() {
    let mut broken = Vec::new();
    for source in sources() {
        if !["domain", "validate", "manifest"].contains(&source.module.as_str()) {
            continue;
        }
        for name in [
            "tokio::",
            "async ",
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "tracing::",
        ] {
            if source.code.contains(name) {
                broken.push(format!("{} names {name}", source.file));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.retain(|file| !fs::read_to_string(file).unwrap().starts_with("//!"));
    assert!(files.is_empty(), "without a `//!` head: {files:#?}");
}

/// What the portal does of its own accord, without anybody's permission: all of it, by file and reason.
const BY_SYSTEM: &str = "\
admin.rs: the command line
auth/first_start.rs: first start
auth/session_check.rs: what a provider says of a session
auth/sessions.rs: a session after sign-in
auth/sessions.rs: a session was used
auth/sessions.rs: the session before a new sign-in
auth/tokens.rs: a token was used
background/janitor.rs: the janitor
background/log_archiver.rs: the log archiver
background/tasks.rs: a deleted job
background/tasks.rs: a job of a deleted project
background/tasks.rs: the end of a deleted project
services/accounts/grants.rs: a logout at a provider
services/accounts/grants.rs: rules for what providers say
services/accounts/grants.rs: sign-in by a provider
services/accounts/identities.rs: a newcomer by a provider
services/accounts/identities.rs: sign-in by a provider
services/accounts/mod.rs: a new account's first password
services/accounts/mod.rs: first start
services/attempts.rs: the way of an attempt
services/jobs/deletion.rs: the objects of a deleted job
services/logs/keep.rs: the log archiver
services/projects.rs: members of a cloned project
services/seed.rs: a lost key
services/seed.rs: first start
";

#[test]
fn the_portal_acts_by_itself_only_where_this_says_so() {
    let mut uses = BTreeSet::new();
    for source in sources() {
        if source.module == "domain" {
            continue;
        }
        for rest in source.code.split("by_system(").skip(1) {
            let reason = rest.split('"').nth(1).unwrap_or("no reason in words");
            uses.insert(format!("{}: {reason}\n", source.file));
        }
    }
    let found: String = uses.into_iter().collect();
    assert_eq!(found, BY_SYSTEM, "found, and what this test knows");
}
