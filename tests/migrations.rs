//! Migrations on an empty database and on one with data of each schema that was ever released, on both databases; and what a
//! migration may do.
//!
//! A release that adds migrations leaves `tests/data/migrations/NNNN.sql` behind: rows as the schema up to NNNN has them.
#![allow(clippy::unwrap_used, reason = "a test may")]
#[cfg(feature = "postgres")]
#[path = "own_database/mod.rs"]
mod own_database;

use sqlx::{Connection as _, Executor as _, migrate::Migrator};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tourmaline::{
    domain::{
        job::{Cause, Exit, Phase},
        names::{ClusterName, StreamName, UserName},
    },
    store::{Store, Target},
};

/// The schema of the first release. What came up to it was made in an empty database.
const FIRST: i64 = 2;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The migrations of a dialect, as the portal puts them together, up to one.
async fn migrations(dialect: &str, last: i64) -> Migrator {
    let mut all = Vec::new();
    for folder in ["common", dialect] {
        let folder = Migrator::new(root().join("migrations").join(folder)).await;
        all.extend(folder.unwrap().iter().cloned());
    }
    all.sort_by_key(|migration| migration.version);
    all.retain(|migration| migration.version <= last);
    Migrator {
        migrations: Cow::Owned(all),
        ..Migrator::DEFAULT
    }
}

/// Rows by the number of the schema that they fit.
fn data() -> BTreeMap<i64, String> {
    let files = fs::read_dir(root().join("tests/data/migrations")).unwrap();
    let read = |file: fs::DirEntry| {
        let number = file.path().file_stem().unwrap().to_str().unwrap().parse();
        (number.unwrap(), fs::read_to_string(file.path()).unwrap())
    };
    files.map(|file| read(file.unwrap())).collect()
}

/// What was put in reads back as it was.
async fn is_all_there(store: &Store) {
    let ada = store
        .find_user_by_name(&UserName::parse("ada").unwrap())
        .await;
    let ada = ada.unwrap().unwrap();
    assert_eq!(
        (ada.site_admin, ada.time_zone.as_deref()),
        (true, Some("Europe/London"))
    );
    assert_eq!(ada.elevation.unwrap().reason, "a stuck job");
    assert_eq!(store.list_users("", 10).await.unwrap().len(), 2);
    assert!(
        store
            .find_password(ada.id)
            .await
            .unwrap()
            .unwrap()
            .starts_with("$argon2id$")
    );
    let long_ago = jiff::Timestamp::UNIX_EPOCH;
    let (session, user) = store
        .find_session("session-hash", long_ago, long_ago)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((user.id, &*session.agent), (ada.id, "Firefox"));
    assert_eq!(
        store
            .find_token("token-hash", ada.created_at)
            .await
            .unwrap()
            .unwrap()
            .0
            .name,
        "notebook"
    );
    assert_eq!(
        store.find_fact("id").await.unwrap().as_deref(),
        Some("a1b2c3d4")
    );

    let projects = store.list_projects_of(ada.id).await.unwrap();
    let names: Vec<_> = projects.iter().map(|p| p.project.name.as_str()).collect();
    assert_eq!(names, ["Marine genomes", "Old"]);
    let project = projects[0].project.id;
    assert_eq!(store.list_members(project, "", 10).await.unwrap().len(), 2);
    assert_eq!(store.list_queues().await.unwrap().len(), 2);
    let all = tourmaline::store::JobFilter::default();
    let jobs = store.list_jobs(&[project], &all, None, 10).await.unwrap();
    let [waits, failed] = &jobs[..] else {
        panic!("{jobs:?}")
    };
    assert_eq!(
        (waits.job.phase, waits.job.reason.as_deref()),
        (Phase::Queued, Some("No cores are free."))
    );
    let failed = &failed.job;
    assert_eq!(
        (failed.phase, failed.cause),
        (Phase::Failed, Some(Cause::UserInput))
    );
    assert_eq!(failed.card.as_ref().unwrap().proof, ["exit 137"]);
    assert_eq!(failed.spec.labels["study"], "b12");
    assert_eq!(store.list_events(failed.id, 0, 10).await.unwrap().len(), 2);
    let attempt = store.find_attempt(failed.id, 1).await.unwrap().unwrap();
    assert_eq!(attempt.exit, Some(Exit::Signal { signal: 9 }));
    assert_eq!(attempt.cluster, ClusterName::parse("local").unwrap());
    let driver = StreamName::driver();
    let stream = store
        .find_log_stream(failed.id, 1, &driver)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stream.size, stream.complete), (15, true));
    assert_eq!(
        store
            .list_log_parts(failed.id, 1, &driver, 0, 10)
            .await
            .unwrap()[0]
            .length,
        15
    );
    assert_eq!(
        store.list_tasks(ada.id, None, 10).await.unwrap()[0].total,
        Some(10)
    );
    assert!(
        store
            .find_answer(ada.id, "POST /projects", "k1", long_ago)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        store.list_audit(None, 10).await.unwrap()[0].action,
        "project.create"
    );
}

/// Again, by two at once: nothing is done twice.
async fn again(target: &Target) -> Store {
    let (one, other) = tokio::join!(Store::connect(target), Store::connect(target));
    let (one, other) = (one.unwrap(), other.unwrap());
    let (done, too) = tokio::join!(one.migrate(), other.migrate());
    done.unwrap();
    too.unwrap();
    one
}

#[tokio::test]
async fn an_empty_sqlite_database() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite(folder.path().join("tourmaline.db"));
    let store = Store::connect(&target).await.unwrap();
    store.migrate().await.unwrap();
    let store = again(&target).await;
    assert_eq!(store.count_users().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_that_begin_at_once_on_no_sqlite_database() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::Sqlite(folder.path().join("db"));
    let begin = || {
        let target = target.clone();
        tokio::spawn(async move {
            let store = Store::connect(&target).await.unwrap();
            store.migrate().await.unwrap();
        })
    };
    let all: Vec<_> = (0..8).map(|_| begin()).collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_populated_sqlite_database() {
    for (number, rows) in data() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tourmaline.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        migrations("sqlite", number)
            .await
            .run(&mut connection)
            .await
            .unwrap();
        connection.execute(sqlx::AssertSqlSafe(rows)).await.unwrap();
        connection.close().await.unwrap();
        is_all_there(&again(&Target::Sqlite(file)).await).await;
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::own_database::with_own;
    use secrecy::{ExposeSecret as _, SecretString};

    fn target(url: &SecretString) -> Target {
        Target::Postgres {
            url: url.clone(),
            connections: 3,
            statement_timeout: std::time::Duration::from_secs(30),
        }
    }

    /// Two replicas that start together on it.
    #[tokio::test]
    async fn an_empty_database() {
        with_own(async |url| {
            again(&target(&url)).await;
            let store = again(&target(&url)).await;
            assert_eq!(store.count_users().await.unwrap(), 0);
        })
        .await;
    }

    #[tokio::test]
    async fn a_populated_database() {
        for (number, rows) in data() {
            with_own(async |url| {
                let mut connection = sqlx::PgConnection::connect(url.expose_secret())
                    .await
                    .unwrap();
                migrations("postgres", number)
                    .await
                    .run(&mut connection)
                    .await
                    .unwrap();
                connection.execute(sqlx::AssertSqlSafe(rows)).await.unwrap();
                connection.close().await.unwrap();
                is_all_there(&again(&target(&url)).await).await;
            })
            .await;
        }
    }
}

#[tokio::test]
async fn both_databases_go_the_same_way() {
    let numbers = async |dialect| {
        let all = migrations(dialect, i64::MAX).await;
        all.iter()
            .map(|m| (m.version, m.description.to_string()))
            .collect::<Vec<_>>()
    };
    let sqlite = numbers("sqlite").await;
    assert_eq!(sqlite, numbers("postgres").await);
    for (expected, (version, name)) in (1..).zip(&sqlite) {
        assert_eq!(*version, expected, "without gaps: {name}");
    }
    assert!(data().contains_key(&FIRST), "the first release's data stay");
}

/// A replica of the release before runs on while a newer one migrates: migrations only add, and what they add the old
/// release need not fill in.
fn breaks_the_release_before(sql: &str) -> Option<String> {
    let bare: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    for statement in bare.split(';') {
        let words: Vec<String> = statement
            .split_whitespace()
            .map(str::to_uppercase)
            .collect();
        let text = words.join(" ");
        let broken = [
            text.starts_with("DROP TABLE") || text.contains(" DROP COLUMN"),
            text.contains(" RENAME "),
            text.contains(" ALTER COLUMN"),
            text.contains(" ADD COLUMN ") && text.contains("NOT NULL") && !text.contains("DEFAULT"),
            text.starts_with("ALTER TABLE") && text.contains(" ADD CONSTRAINT"),
            text.starts_with("CREATE UNIQUE INDEX"),
            text.starts_with("DELETE FROM"),
        ];
        if broken.contains(&true) {
            return Some(text);
        }
    }
    None
}

#[test]
fn migrations_only_add() {
    let mut broken = Vec::new();
    for folder in ["common", "sqlite", "postgres"] {
        for file in fs::read_dir(root().join("migrations").join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let number: i64 = name.split('_').next().unwrap().parse().unwrap();
            if number <= FIRST {
                continue;
            }
            if let Some(statement) = breaks_the_release_before(&fs::read_to_string(&path).unwrap())
            {
                broken.push(format!("{folder}/{name}: {statement}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn what_breaks_the_release_before_is_found() {
    for sql in [
        "ALTER TABLE users ADD COLUMN mail TEXT NOT NULL;",
        "alter table users\n  add column mail text not null; -- DEFAULT ''",
        "ALTER TABLE users DROP COLUMN theme",
        "ALTER TABLE users RENAME COLUMN theme TO look",
        "CREATE TABLE a (b TEXT); DROP TABLE users",
    ] {
        assert!(breaks_the_release_before(sql).is_some(), "{sql}");
    }
    for sql in [
        "ALTER TABLE users ADD COLUMN mail TEXT",
        "ALTER TABLE users ADD COLUMN mail TEXT NOT NULL DEFAULT ''",
        "CREATE TABLE a (b TEXT NOT NULL); CREATE INDEX c ON a (b)",
    ] {
        assert_eq!(breaks_the_release_before(sql), None);
    }
}
