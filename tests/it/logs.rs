//! Logs on their way from a run folder into the store, and read there.
use crate::{
    house::{HOUR, Home, Portal, lease},
    store::{insert_project, of_job, started},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use std::{fs, io::Write as _, path::PathBuf, pin::pin};
use tourmaline::{
    background::{
        Worker as _,
        log_archiver::{Left, LogArchiver},
    },
    domain::{
        ids::{JobId, ProjectId},
        names::StreamName,
    },
    services::logs,
    storage::keys::Key,
    store::{LogPart, LogStream},
};

/// An attempt that runs and prints.
struct Driver<'a> {
    portal: &'a Portal,
    project: ProjectId,
    job: JobId,
    log: PathBuf,
}

impl<'a> Driver<'a> {
    async fn begin(portal: &'a Portal, user: &str) -> Self {
        let user = portal.user(user).await;
        let project = insert_project(portal, &user, "Genomes").await;
        let (job, attempt) = started(portal, &user, project).await;
        let store = &portal.services.store;
        let mut tx = store.begin().await.unwrap();
        tx.attempt_heard(&of_job(job), 1, true, None, portal.now())
            .await
            .unwrap();
        tx.open_log_stream(&of_job(job), 1, &StreamName::driver(), portal.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let folder = portal.data().join("runs").join(attempt.object.as_str());
        fs::create_dir_all(&folder).unwrap();
        Self {
            portal,
            project,
            job,
            log: folder.join("driver.log"),
        }
    }

    fn print(&self, bytes: &[u8]) {
        let mut log = fs::File::options();
        let mut log = log.create(true).append(true).open(&self.log).unwrap();
        log.write_all(bytes).unwrap();
    }

    async fn row(&self) -> LogStream {
        let store = &self.portal.services.store;
        let stream = StreamName::driver();
        let row = store.find_log_stream(self.job, 1, &stream).await;
        row.unwrap().unwrap()
    }

    async fn kept(&self) -> Vec<u8> {
        let row = self.row().await;
        logs::read(&self.portal.services, &row, 0..row.size)
            .await
            .unwrap()
    }
}

async fn round(portal: &Portal) -> Left {
    let lease = lease(portal, LogArchiver::NAME, "tests").await;
    let archiver = LogArchiver(portal.services.clone());
    archiver.round(&lease).await.unwrap()
}

fn numbered(lines: u32) -> Vec<u8> {
    (0..lines)
        .flat_map(|n| format!("{n:063}\n").into_bytes())
        .collect()
}

#[tokio::test]
async fn a_log_that_is_written_fast_leaves_room_for_the_others() {
    let portal = Portal::new().await;
    let fast = [
        Driver::begin(&portal, "ada").await,
        Driver::begin(&portal, "ben").await,
    ];
    let printed = numbered(130_000);
    for driver in &fast {
        driver.print(&printed);
    }
    assert_eq!(round(&portal).await, Left::More);
    for driver in &fast {
        let size = driver.row().await.size;
        assert!(size > 0 && size < printed.len() as u64, "{size}");
    }
    while round(&portal).await == Left::More {}
    portal.advance(HOUR);
    round(&portal).await;
    for driver in &fast {
        assert!(driver.kept().await == printed);
    }
}

#[tokio::test]
async fn a_log_is_kept_up_to_its_limit_and_says_so() {
    let portal = Portal::with(Home::Sqlite, |config| config.work.log_limit = 100_000).await;
    let driver = Driver::begin(&portal, "ada").await;
    let printed = numbered(3_000);
    driver.print(&printed[..99_999]);
    round(&portal).await;
    assert_eq!(driver.kept().await, printed[..99_999]);
    driver.print(&printed[99_999..]);
    portal.advance(HOUR);
    round(&portal).await;
    round(&portal).await;
    let kept = driver.kept().await;
    assert!(kept[..100_000] == printed[..100_000]);
    assert_eq!(
        String::from_utf8_lossy(&kept[100_000..]),
        "\ntourmaline: this log is longer than 100000 bytes; the rest was not kept\n"
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_up_a_log() {
    let portal = Portal::new().await;
    let driver = Driver::begin(&portal, "ada").await;
    let part = LogPart {
        start: 0,
        length: 4,
        key: "part".into(),
    };
    let mut tx = portal.services.store.begin().await.unwrap();
    let stream = StreamName::driver();
    tx.add_log_part(
        &of_job(driver.job),
        1,
        &stream,
        &part,
        None,
        portal.now() + 24 * HOUR,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    driver.print(b"old\nnew\n");
    round(&portal).await;
    assert_eq!(driver.row().await.size, 8);
}

#[tokio::test]
async fn a_sealed_log_is_read_with_its_index_read_once() {
    let portal = Portal::new().await;
    let driver = Driver::begin(&portal, "ada").await;
    let printed = numbered(20_000);
    driver.print(&printed);
    while round(&portal).await == Left::More {}
    portal.advance(HOUR);
    round(&portal).await;
    let row = driver.row().await;
    let lease = lease(&portal, LogArchiver::NAME, "tests").await;
    let services = &portal.services;
    let mut tx = services.store.begin_under(&lease).await.unwrap();
    tx.complete_log_stream(&of_job(driver.job), 1, &row.stream, row.size)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    logs::merge(services, &lease, &driver.row().await, driver.project)
        .await
        .unwrap();

    let row = driver.row().await;
    let index = Key::parse(row.index_key.as_deref().unwrap()).unwrap();
    let range = logs::range(services, row.job, 1, row.stream.clone(), 0..row.size);
    let mut range = pin!(range);
    let first = range.next().await.unwrap().unwrap();
    assert!(first.len() < printed.len());
    // Who reads it a second time fails.
    services.storage.delete(&index).await.unwrap();
    let rest: Vec<Bytes> = range.try_collect().await.unwrap();
    assert!([first, rest.concat().into()].concat() == printed);
}
