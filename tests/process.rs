//! What only a process of its own shows: a signal at the start, and rights that root does not feel.
#![allow(clippy::unwrap_used, reason = "a test may")]
use bytes::Bytes;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
};
use tourmaline::{
    cluster::local::{Local, Surroundings},
    config::Config,
    domain::{
        clock::Clock,
        ids::ProjectId,
        names::{FilePath, ObjectName},
    },
    storage::{Folder, Storage, keys},
};

fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut portal = Command::new(env!("CARGO_BIN_EXE_tourmaline"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !data.exists() {
        assert!(portal.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    send("-HUP", portal.id());
    let mut said = BufReader::new(portal.stderr.take().unwrap()).lines();
    let serves = said.any(|line| line.unwrap().contains("Tourmaline serves"));
    send("-TERM", portal.id());
    portal.wait().unwrap();
    assert!(serves);
}

#[test]
fn a_store_that_is_down_does_not_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut portal = Command::new(env!("CARGO_BIN_EXE_tourmaline"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        // Nobody listens there.
        .env("TOURMALINE_STORAGE__ENDPOINT", "http://127.0.0.1:1")
        .env("TOURMALINE_STORAGE__BUCKET", "science")
        .env("TOURMALINE_STORAGE__ACCESS_KEY", "key")
        .env("TOURMALINE_STORAGE__SECRET_KEY", "the-store-secret")
        .env("TOURMALINE_LOCAL__ENABLED", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(portal.stderr.take().unwrap()).lines();
    let mut heard = String::new();
    for line in said.map_while(Result::ok) {
        heard.push_str(&line);
        heard.push('\n');
        if line.contains("Tourmaline serves") {
            send("-TERM", portal.id());
        }
    }
    portal.wait().unwrap();
    assert!(heard.contains("Tourmaline serves"), "{heard}");
    assert!(heard.contains("http://127.0.0.1:1 failed at"), "{heard}");
    assert!(!heard.contains("the-store-secret"), "{heard}");
}

/// Root may do everything: it has the test told again by nobody, in a folder of its own.
fn as_a_user(test: &str, story: impl AsyncFnOnce(&Path)) {
    const FOLDER: &str = "TOURMALINE_TEST_FOLDER";
    const NOBODY: u32 = 65534;
    let tell = |folder: &Path| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(story(folder));
    };
    if let Some(folder) = std::env::var_os(FOLDER) {
        return tell(folder.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return tell(folder.path());
    }
    // Where this program lies nobody else may come.
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let told = Command::new(&program)
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder.path())
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout);
    let complaints = String::from_utf8_lossy(&told.stderr);
    assert!(text.contains("1 passed"), "{text}{complaints}");
}

fn close(folder: &Path, mode: u32) {
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_a_job_closed_is_listed_as_empty_and_deleted() {
    as_a_user(
        "what_a_job_closed_is_listed_as_empty_and_deleted",
        async |folder| {
            let storage = Storage::Folder(Folder::open(&folder.join("store")).unwrap());
            let project = ProjectId::new();
            let path = |text| FilePath::parse(text).unwrap();
            for name in [
                "out/closed/a",
                "out/half/b",
                "out/names/c",
                "out/shut",
                "out/z",
            ] {
                let key = keys::project_file(project, &path(name));
                storage
                    .put_bytes(&key, Bytes::from_static(b"x"))
                    .await
                    .unwrap();
            }
            let out = folder.join(format!("store/projects/{project}/files/out"));
            close(&out.join("closed"), 0);
            close(&out.join("half"), 0o500);
            close(&out.join("names"), 0o400);
            close(&out.join("shut"), 0);
            let prefix = keys::files_prefix(project, Some(&path("out")));
            let all = storage.list_all(&prefix, None, 10).await.unwrap();
            let names: Vec<_> = all.entries.iter().map(|entry| &*entry.name).collect();
            assert_eq!(names, ["closed", "half/b", "names", "shut", "z"]);
            let closed = keys::files_prefix(project, Some(&path("out/closed")));
            assert!(
                storage
                    .list(&closed, None, 10)
                    .await
                    .unwrap()
                    .entries
                    .is_empty()
            );
            let shut = keys::project_file(project, &path("out/shut"));
            assert_eq!(storage.head(&shut).await.unwrap().size, 1);
            assert!(matches!(
                storage.get(&shut, None).await,
                Err(tourmaline::storage::Error::NotFound)
            ));
            close(&out, 0);
            let whole = keys::project_prefix(project);
            while storage.delete_some(&whole, 3).await.unwrap() > 0 {}
            assert!(!folder.join(format!("store/projects/{project}")).exists());
        },
    );
}

#[test]
fn a_run_folder_that_a_job_closed_is_cleared_away() {
    as_a_user(
        "a_run_folder_that_a_job_closed_is_cleared_away",
        async |folder| {
            let runs = folder.join("data/runs");
            for name in ["closed-1", ".deleted-before-00000001"] {
                let deep = runs.join(name).join("work/a/b");
                fs::create_dir_all(&deep).unwrap();
                fs::write(deep.join("file"), "x").unwrap();
                close(&deep, 0);
                close(&runs.join(name).join("work"), 0);
            }
            let local = Local::with(
                &Config::default(),
                &folder.join("data"),
                Clock::system(),
                "tourmaline".into(),
                Surroundings::of_this_process(),
            );
            let object = ObjectName::parse("closed-1").unwrap();
            local.delete(&object).await.unwrap();
            let left: Vec<_> = fs::read_dir(&runs).unwrap().flatten().collect();
            assert!(left.is_empty(), "{left:?}");
        },
    );
}
