//! What only the folder can get wrong: links, pipes, leftovers, what jobs leave behind.
#![allow(clippy::unwrap_used)]
use super::{
    super::{
        Entry, Error, Storage, contract,
        contract::path,
        keys::{self, Prefix},
    },
    Folder,
};
use crate::domain::ids::ProjectId;
use bytes::Bytes;
use futures::StreamExt;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

struct Bed {
    storage: Storage,
    outside: TempDir,
    root: TempDir,
    project: ProjectId,
}

impl Bed {
    fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("a b%[ü{")
            .tempdir()
            .unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        Self {
            storage: Storage::Folder(Folder::open(root.path()).unwrap()),
            outside,
            root,
            project: ProjectId::new(),
        }
    }

    async fn put(&self, name: &str) {
        let key = keys::project_file(self.project, &path(name));
        self.storage
            .put_bytes(&key, Bytes::from_static(b"x"))
            .await
            .unwrap();
    }

    fn prefix(&self, name: &str) -> Prefix {
        keys::files_prefix(self.project, Some(&path(name)))
    }

    /// Where a job finds the file.
    fn on_disk(&self, name: &str) -> PathBuf {
        let key = keys::project_file(self.project, &path(name));
        let address = self.storage.address(&key);
        PathBuf::from(address.strip_prefix("file://").unwrap())
    }

    async fn names(&self, prefix: &Prefix) -> Vec<String> {
        let page = self.storage.list(prefix, None, 99).await.unwrap();
        let all = self.storage.list_all(prefix, None, 99).await.unwrap();
        assert!(page.entries.len() <= all.entries.len());
        page.entries.iter().map(Entry::position).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("made/with parents")).unwrap();
    contract::contract(Storage::Folder(folder)).await;
    // What was given up half-way is removed on another thread; the puts above have ended, the removals may be under way.
    let temp = root.path().join("made/with parents/tmp");
    let left = || fs::read_dir(&temp).unwrap().count();
    while left() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_folder_is_its_owners_alone() {
    let bed = Bed::new();
    let root = bed.root.path().join("store");
    Folder::open(&root).unwrap();
    assert_eq!(
        fs::metadata(&root).unwrap().permissions().mode() & 0o777,
        0o700
    );
    bed.put("a b/ü{%41}").await;
    assert_eq!(fs::read(bed.on_disk("a b/ü{%41}")).unwrap(), b"x");
}

#[tokio::test]
async fn no_symbolic_link_is_followed_also_not_within_the_store() {
    let bed = Bed::new();
    let victim = ProjectId::new();
    let theirs = keys::project_file(victim, &path("theirs"));
    bed.storage
        .put_bytes(&theirs, Bytes::from_static(b"theirs"))
        .await
        .unwrap();
    bed.put("out/real").await;
    let out = bed.on_disk("out");
    symlink(bed.outside.path(), out.join("away")).unwrap();
    symlink(bed.outside.path().join("secret"), out.join("secret")).unwrap();
    symlink(format!("../../../{victim}/files"), out.join("within")).unwrap();
    symlink(format!("../../../{victim}/files/theirs"), out.join("one")).unwrap();
    symlink("real", out.join("beside")).unwrap();
    symlink("nowhere", out.join("dangling")).unwrap();

    assert_eq!(bed.names(&bed.prefix("out")).await, ["real"]);
    assert!(bed.names(&bed.prefix("out/away")).await.is_empty());
    assert!(bed.names(&bed.prefix("out/within")).await.is_empty());
    assert!(
        !bed.storage
            .folder_exists(&bed.prefix("out/away"))
            .await
            .unwrap()
    );
    for name in [
        "out/away/secret",
        "out/secret",
        "out/within/theirs",
        "out/one",
        "out/beside",
        "out/dangling",
    ] {
        let key = keys::project_file(bed.project, &path(name));
        assert!(
            matches!(bed.storage.head(&key).await, Err(Error::NotFound)),
            "{name}"
        );
        assert!(
            matches!(bed.storage.get(&key, None).await, Err(Error::NotFound)),
            "{name}"
        );
        assert!(
            matches!(bed.storage.read(&key, 0, 9).await, Err(Error::NotFound)),
            "{name}"
        );
        let copied = bed.storage.copy(&key, &theirs).await;
        assert!(matches!(copied, Err(Error::NotFound)), "{name}: {copied:?}");
        let put = bed
            .storage
            .put_bytes(&key, Bytes::from_static(b"mine"))
            .await;
        assert!(matches!(put, Err(Error::Conflict(_))), "{name}: {put:?}");
        let copied = bed.storage.copy(&theirs, &key).await;
        assert!(
            matches!(copied, Err(Error::Conflict(_))),
            "{name}: {copied:?}"
        );
    }
    for name in ["out/away", "out/within"] {
        let made = bed
            .storage
            .make_folder(&bed.prefix(&format!("{name}/x")))
            .await;
        assert!(matches!(made, Err(Error::Conflict(_))), "{name}: {made:?}");
    }
    bed.storage
        .delete(&keys::project_file(bed.project, &path("out/away/secret")))
        .await
        .unwrap();
    // The link goes, what it points to stays.
    assert_eq!(
        bed.storage
            .delete_some(&bed.prefix("out/within"), 9)
            .await
            .unwrap(),
        1
    );
    while bed
        .storage
        .delete_some(&bed.prefix("out"), 2)
        .await
        .unwrap()
        > 0
    {}
    assert!(!out.exists());
    assert_eq!(
        fs::read(bed.outside.path().join("secret")).unwrap(),
        b"secret"
    );
    assert_eq!(bed.storage.read(&theirs, 0, 9).await.unwrap(), "theirs");
}

#[tokio::test]
async fn pipes_and_names_that_no_key_has_are_not_shown_but_deleted() {
    let bed = Bed::new();
    bed.put("out/real").await;
    let out = bed.on_disk("out");
    let made = std::process::Command::new("mkfifo")
        .arg(out.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let not_utf8 = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff\xfe");
    for odd in [not_utf8, "back\\slash".as_ref(), " space ".as_ref()] {
        fs::create_dir(out.join(odd)).unwrap();
        fs::write(out.join(odd).join("file"), "x").unwrap();
    }
    assert_eq!(bed.names(&bed.prefix("out")).await, ["real"]);
    let pipe = keys::project_file(bed.project, &path("out/pipe"));
    assert!(matches!(
        bed.storage.get(&pipe, None).await,
        Err(Error::NotFound)
    ));
    while bed
        .storage
        .delete_some(&bed.prefix("out"), 3)
        .await
        .unwrap()
        > 0
    {}
    assert!(!out.exists());
}

#[tokio::test]
async fn a_folder_is_empty_only_where_nothing_at_all_is_in_it() {
    let bed = Bed::new();
    bed.put("out/sub/real").await;
    let empty = async |name| bed.storage.delete_empty(&bed.prefix(name)).await.unwrap();
    assert_eq!(empty("out").await.as_deref(), Some("sub"));
    fs::remove_file(bed.on_disk("out/sub/real")).unwrap();
    symlink(bed.outside.path(), bed.on_disk("out/sub/link")).unwrap();
    assert!(bed.names(&bed.prefix("out/sub")).await.is_empty());
    assert_eq!(empty("out/sub").await.as_deref(), Some("link"));
    fs::remove_file(bed.on_disk("out/sub/link")).unwrap();
    for name in ["out/sub", "out", "out", "never/there"] {
        assert_eq!(empty(name).await, None);
    }
    assert!(!bed.on_disk("out").exists());
}

#[tokio::test]
async fn a_link_is_no_object_to_rename() {
    let bed = Bed::new();
    bed.put("out/real").await;
    symlink("real", bed.on_disk("out/link")).unwrap();
    let key = |name| keys::project_file(bed.project, &path(name));
    for (from, to) in [("out/link", "out/new"), ("out/real", "out/link")] {
        assert!(bed.storage.rename(&key(from), &key(to)).await.is_err());
    }
    assert!(bed.on_disk("out/link").is_symlink());
    assert!(bed.on_disk("out/real").is_file());
}

#[tokio::test]
async fn very_deep_folders_are_deleted() {
    let bed = Bed::new();
    bed.put("out/real").await;
    let mut here = bed.on_disk("out");
    for _ in 0..300 {
        here.push("d");
    }
    fs::create_dir_all(&here).unwrap();
    fs::write(here.join("file"), "x").unwrap();
    // Shown as deep as a path may be.
    let page = bed
        .storage
        .list_all(&bed.prefix("out"), None, 9)
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 2);
    let mut steps = 0;
    while bed
        .storage
        .delete_some(&bed.prefix("out"), 50)
        .await
        .unwrap()
        > 0
    {
        steps += 1;
    }
    assert!((6..20).contains(&steps), "{steps}");
    assert!(!bed.on_disk("out").exists());
}

#[tokio::test]
async fn what_a_crash_left_goes_when_it_is_a_day_old() {
    let bed = Bed::new();
    let temp = bed.root.path().join("tmp");
    for (name, hours) in [("old", 25), ("young", 23)] {
        let file = fs::File::create(temp.join(name)).unwrap();
        let now = fs::metadata(&temp).unwrap().modified().unwrap();
        let time: SystemTime = now - Duration::from_hours(hours);
        file.set_modified(time).unwrap();
    }
    Folder::open(bed.root.path()).unwrap();
    let left: Vec<_> = fs::read_dir(&temp)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["young"]);
}

#[tokio::test]
async fn a_put_that_is_given_up_is_never_seen() {
    let bed = Bed::new();
    let key = keys::project_file(bed.project, &path("upload"));
    let never_ends = futures::stream::iter([Ok(Bytes::from_static(b"half"))])
        .chain(futures::stream::pending())
        .boxed();
    let put = bed.storage.put(&key, never_ends, None);
    let temp = bed.root.path().join("tmp");
    let begun = async {
        while fs::read_dir(&temp).unwrap().count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = put => panic!("it never ends"),
        () = begun => {}
    }
    while fs::read_dir(&temp).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!bed.storage.exists(&key).await.unwrap());
}

#[tokio::test]
async fn a_file_that_a_job_shortens_while_it_is_read_is_an_error_not_a_short_body() {
    let bed = Bed::new();
    let key = keys::project_file(bed.project, &path("f"));
    bed.storage
        .put_bytes(&key, vec![7; 2_000_000].into())
        .await
        .unwrap();
    let before = bed.storage.head(&key).await.unwrap();
    let mut body = bed.storage.get(&key, None).await.unwrap().body;
    body.next().await.unwrap().unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(bed.on_disk("f"))
        .unwrap();
    file.set_len(300_000).unwrap();
    let rest: Vec<_> = body.collect().await;
    assert!(rest.last().unwrap().is_err());
    assert_ne!(bed.storage.head(&key).await.unwrap().etag, before.etag);
    assert_eq!(fs::metadata(bed.on_disk("f")).unwrap().size(), 300_000);
}
