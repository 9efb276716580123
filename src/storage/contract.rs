//! What every home of the store must do; each runs [`contract`] on a fresh one.
#![allow(clippy::unwrap_used)]
use super::{
    ByteRange, Entry, Error, Kind, Result, Storage,
    keys::{self, Key, Prefix},
};
use crate::domain::{
    ids::{JobId, ProjectId},
    names::{FilePath, StreamName},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use std::io;

pub(super) async fn contract(storage: Storage) {
    whole_objects(&storage).await;
    ranges(&storage).await;
    bodies(&storage).await;
    odd_names(&storage).await;
    listing(&storage).await;
    whole_trees(&storage).await;
    folders(&storage).await;
    copies(&storage).await;
    renames(&storage).await;
    deleting_in_steps(&storage).await;
    many_keys(&storage).await;
    two_writers(&storage).await;
    writing_while_deleting(&storage).await;
}

pub(super) fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

fn key(project: ProjectId, text: &str) -> Key {
    keys::project_file(project, &path(text))
}

fn top(project: ProjectId) -> Prefix {
    keys::files_prefix(project, None)
}

async fn put(storage: &Storage, project: ProjectId, name: &str, text: &str) {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    storage
        .put_bytes(&key(project, name), bytes)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error:?}"));
}

async fn all(storage: &Storage, key: &Key) -> Result<Bytes> {
    let object = storage.get(key, None).await?;
    let chunks: Vec<Bytes> = object.body.try_collect().await.map_err(Error::Body)?;
    let bytes = chunks.concat();
    assert_eq!(bytes.len() as u64, object.info.size);
    Ok(bytes.into())
}

fn body(chunks: Vec<io::Result<Bytes>>) -> impl futures::Stream<Item = io::Result<Bytes>> + Unpin {
    stream::iter(chunks)
}

/// All positions of a listing, gathered in pages of a size.
async fn positions(storage: &Storage, prefix: &Prefix, deep: bool, limit: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = if deep {
            storage.list_all(prefix, after.as_deref(), limit).await
        } else {
            storage.list(prefix, after.as_deref(), limit).await
        };
        let page = page.unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(page.entries.iter().map(Entry::position));
        match page.next {
            None => return found,
            next => after = next,
        }
    }
}

async fn whole_objects(storage: &Storage) {
    let project = ProjectId::new();
    let one = key(project, "a/one.txt");
    assert!(matches!(storage.head(&one).await, Err(Error::NotFound)));
    assert!(matches!(
        storage.get(&one, None).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        storage.read(&one, 0, 9).await,
        Err(Error::NotFound)
    ));
    assert!(!storage.exists(&one).await.unwrap());
    storage.delete(&one).await.unwrap();

    let first = storage
        .put(&one, body(vec![Ok(Bytes::from_static(b"first"))]), None)
        .await
        .unwrap();
    assert_eq!(first.size, 5);
    assert_eq!(storage.head(&one).await.unwrap(), first);
    assert!(storage.exists(&one).await.unwrap());
    storage
        .put_bytes(&one, Bytes::from_static(b"other"))
        .await
        .unwrap();
    let second = storage.head(&one).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert!(!second.etag.contains('"'));
    assert_eq!(all(storage, &one).await.unwrap(), "other");

    storage.put_bytes(&one, Bytes::new()).await.unwrap();
    assert_eq!(all(storage, &one).await.unwrap(), "");
    assert_eq!(storage.read(&one, 0, 9).await.unwrap(), "");
    storage.delete(&one).await.unwrap();
    assert!(!storage.exists(&one).await.unwrap());

    let part = keys::log_part(project, JobId::new(), 1, &StreamName::driver(), 0, "4f2a");
    storage
        .put_bytes(&part, Bytes::from_static(b"line\n"))
        .await
        .unwrap();
    assert_eq!(
        storage
            .read(&Key::parse(part.as_str()).unwrap(), 0, 99)
            .await
            .unwrap(),
        "line\n"
    );
}

async fn ranges(storage: &Storage) {
    let project = ProjectId::new();
    let place = key(project, "ten");
    put(storage, project, "ten", "0123456789").await;
    for (range, expected, from) in [
        (ByteRange::Between(0, 1), "0", 0),
        (ByteRange::Between(2, 5), "234", 2),
        (ByteRange::Between(8, 99), "89", 8),
        (ByteRange::From(9), "9", 9),
        (ByteRange::From(0), "0123456789", 0),
        (ByteRange::Last(3), "789", 7),
        (ByteRange::Last(99), "0123456789", 0),
    ] {
        let object = storage.get(&place, Some(range)).await.unwrap();
        assert_eq!(object.info.size, 10);
        assert_eq!(
            object.range,
            from..from + expected.len() as u64,
            "{range:?}"
        );
        let chunks: Vec<Bytes> = object.body.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), expected.as_bytes(), "{range:?}");
    }
    for range in [
        ByteRange::From(10),
        ByteRange::Between(10, 12),
        ByteRange::Between(5, 5),
        ByteRange::Last(0),
    ] {
        let error = storage.get(&place, Some(range)).await.err();
        assert!(
            matches!(error, Some(Error::RangeNotSatisfiable { size: 10 })),
            "{range:?}: {error:?}"
        );
    }
    assert_eq!(storage.read(&place, 4, 3).await.unwrap(), "456");
    assert_eq!(storage.read(&place, 8, 9).await.unwrap(), "89");
    assert_eq!(storage.read(&place, 10, 9).await.unwrap(), "");
    assert_eq!(
        storage.read(&place, u64::MAX, usize::MAX).await.unwrap(),
        ""
    );
}

async fn bodies(storage: &Storage) {
    let project = ProjectId::new();
    let large = key(project, "large");
    let chunk = |n: usize| {
        Bytes::from(
            (0..70_001usize)
                .map(|i| u8::try_from((i * 7 + n) % 251).unwrap())
                .collect::<Vec<u8>>(),
        )
    };
    let chunks: Vec<Bytes> = (0..60).flat_map(|n| [chunk(n), Bytes::new()]).collect();
    let whole = chunks.concat();
    let sent = body(chunks.iter().cloned().map(Ok).collect());
    let info = storage
        .put(&large, sent, Some(whole.len() as u64))
        .await
        .unwrap();
    assert_eq!(info.size, whole.len() as u64);
    assert!(all(storage, &large).await.unwrap() == whole);
    let (from, to) = (262_143, 3_000_001);
    let some = storage
        .get(&large, Some(ByteRange::Between(from as u64, to as u64)))
        .await
        .unwrap();
    let chunks_read: Vec<Bytes> = some.body.try_collect().await.unwrap();
    assert!(chunks_read.concat() == whole[from..to]);

    // Neither a body that is too large nor one that breaks off leaves a trace.
    let sent = body(chunks.iter().cloned().map(Ok).collect());
    let error = storage
        .put(&large, sent, Some(whole.len() as u64 - 1))
        .await;
    assert!(matches!(error, Err(Error::TooLarge { limit }) if limit == whole.len() as u64 - 1));
    let broken = vec![
        Ok(Bytes::from_static(b"half")),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let new = key(project, "new");
    let error = storage.put(&new, body(broken), None).await;
    assert!(matches!(error, Err(Error::Body(_))), "{error:?}");
    assert!(matches!(storage.head(&new).await, Err(Error::NotFound)));
    assert_eq!(storage.head(&large).await.unwrap().etag, info.etag);
    let empty = storage.put(&new, body(Vec::new()), Some(0)).await.unwrap();
    assert_eq!(empty.size, 0);
    assert_eq!(
        positions(storage, &top(project), true, 10).await,
        ["large", "new"]
    );
}

async fn odd_names(storage: &Storage) {
    let project = ProjectId::new();
    let mut names = vec![
        "100% [a] {b}.txt".to_owned(),
        "%2e%2e".to_owned(),
        "a+b&c=d?e#f".to_owned(),
        "naïve Ωmega 数据.csv".to_owned(),
        "…".to_owned(),
        "-rf *".to_owned(),
        ".hidden".to_owned(),
        "'quoted' \"twice\" <b>$HOME".to_owned(),
        "x".repeat(200),
    ];
    for name in &names {
        put(storage, project, name, name).await;
        assert_eq!(
            all(storage, &key(project, name)).await.unwrap(),
            name.as_bytes(),
            "{name}"
        );
    }
    names.sort();
    assert_eq!(positions(storage, &top(project), false, 4).await, names);
    let address = storage.address(&key(project, "100% [a] {b}.txt"));
    assert!(address.ends_with("/files/100% [a] {b}.txt"), "{address}");
    let folder = storage.folder_address(&top(project));
    assert!(folder.ends_with("/files") && address.starts_with(&folder));
}

async fn listing(storage: &Storage) {
    let project = ProjectId::new();
    assert!(positions(storage, &top(project), false, 5).await.is_empty());
    for name in [
        "b/2", "b/1", "b.txt", "b-1", "b0", "a/x/y/z", "a/x.txt", "c",
    ] {
        put(storage, project, name, name).await;
    }
    let expected = ["a/", "b-1", "b.txt", "b/", "b0", "c"];
    for limit in [1, 2, 3, 6, 7, 1000] {
        let found = positions(storage, &top(project), false, limit).await;
        assert_eq!(found, expected, "pages of {limit}");
    }
    let page = storage.list(&top(project), Some("b-1"), 2).await.unwrap();
    let [file, folder] = &page.entries[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (file.name.as_str(), file.kind, file.size),
        ("b.txt", Kind::File, 5)
    );
    let info = storage.head(&key(project, "b.txt")).await.unwrap();
    assert_eq!(file.modified, Some(info.modified));
    assert_eq!((folder.name.as_str(), folder.kind), ("b", Kind::Folder));
    assert_eq!(page.next.as_deref(), Some("b/"));
    // A position that is gone, or never was, still has a place in the order.
    let page = storage.list(&top(project), Some("b/1x"), 9).await.unwrap();
    let names: Vec<_> = page.entries.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["b0", "c"]);
    assert_eq!(page.next, None);

    let below = keys::files_prefix(project, Some(&path("a")));
    assert_eq!(positions(storage, &below, false, 1).await, ["x.txt", "x/"]);
    let file = keys::files_prefix(project, Some(&path("c")));
    assert!(positions(storage, &file, false, 1).await.is_empty());
}

async fn whole_trees(storage: &Storage) {
    let project = ProjectId::new();
    for name in ["b/2", "b/1", "b-1", "a/x/y/z", "a/x.txt", "a/x0", "c"] {
        put(storage, project, name, name).await;
    }
    storage
        .make_folder(&keys::files_prefix(project, Some(&path("a/empty"))))
        .await
        .unwrap();
    let expected = [
        "a/empty/", "a/x.txt", "a/x/y/z", "a/x0", "b-1", "b/1", "b/2", "c",
    ];
    for limit in [1, 2, 3, 7, 8, 9] {
        let found = positions(storage, &top(project), true, limit).await;
        assert_eq!(found, expected, "pages of {limit}");
    }
    for (after, expected) in [("a/x/y/", &expected[2..]), ("a/x/z", &expected[3..])] {
        let page = storage.list_all(&top(project), Some(after), 99).await;
        let found: Vec<_> = page.unwrap().entries.iter().map(Entry::position).collect();
        assert_eq!(found, expected, "after {after}");
    }
    let entry = storage.list_all(&top(project), Some("a/x.txt"), 1).await;
    let entry = entry.unwrap().entries.remove(0);
    let place = top(project).file(&path(&entry.name));
    assert_eq!(all(storage, &place).await.unwrap(), "a/x/y/z");
}

async fn folders(storage: &Storage) {
    let project = ProjectId::new();
    let made = keys::files_prefix(project, Some(&path("mine/deep")));
    assert!(!storage.folder_exists(&made).await.unwrap());
    storage.make_folder(&made).await.unwrap();
    storage.make_folder(&made).await.unwrap();
    assert!(storage.folder_exists(&made).await.unwrap());
    put(storage, project, "mine/deep/file", "x").await;
    storage
        .delete(&key(project, "mine/deep/file"))
        .await
        .unwrap();
    assert!(storage.folder_exists(&made).await.unwrap());
    assert_eq!(positions(storage, &top(project), false, 9).await, ["mine/"]);

    // A file and a folder of one name cannot stand side by side.
    put(storage, project, "mine/plain", "x").await;
    let below = storage
        .put_bytes(&key(project, "mine/plain/below/it"), Bytes::new())
        .await;
    assert!(matches!(below, Err(Error::Conflict(_))), "{below:?}");
    let over = storage
        .put_bytes(&key(project, "mine/deep"), Bytes::new())
        .await;
    assert!(matches!(over, Err(Error::Conflict(_))), "{over:?}");
    let over = storage
        .put(&key(project, "mine"), stream::pending().boxed(), None)
        .await;
    assert!(
        matches!(over, Err(Error::Conflict(_))),
        "told before byte one"
    );
    let folder = storage
        .make_folder(&keys::files_prefix(project, Some(&path("mine/plain"))))
        .await;
    assert!(matches!(folder, Err(Error::Conflict(_))), "{folder:?}");
    let copied = storage
        .copy(&key(project, "mine/plain"), &key(project, "mine/deep"))
        .await;
    assert!(matches!(copied, Err(Error::Conflict(_))), "{copied:?}");
    // Nor is a folder an object.
    assert!(matches!(
        storage.get(&key(project, "mine"), None).await,
        Err(Error::NotFound)
    ));
    storage.delete(&key(project, "mine")).await.unwrap();
    assert!(storage.exists(&key(project, "mine/plain")).await.unwrap());
}

async fn copies(storage: &Storage) {
    let (project, other) = (ProjectId::new(), ProjectId::new());
    put(storage, project, "from", "the bytes").await;
    let (from, to) = (key(project, "from"), key(other, "a/b/to"));
    for _ in 0..2 {
        assert_eq!(storage.copy(&from, &to).await.unwrap().size, 9);
        assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
    }
    put(storage, project, "from", "changed").await;
    assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
    assert_eq!(storage.copy(&from, &from).await.unwrap().size, 7);
    assert_eq!(all(storage, &from).await.unwrap(), "changed");
    let missing = storage.copy(&key(project, "missing"), &to).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
}

async fn renames(storage: &Storage) {
    let (project, other) = (ProjectId::new(), ProjectId::new());
    put(storage, project, "from", "the bytes").await;
    put(storage, other, "a/b/to", "what was there").await;
    let (from, to) = (key(project, "from"), key(other, "a/b/to"));
    storage.rename(&from, &to).await.unwrap();
    assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
    assert!(!storage.exists(&from).await.unwrap());
    let again = storage.rename(&from, &to).await;
    assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
    storage.rename(&to, &to).await.unwrap();
    assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
    let onto_a_folder = storage.rename(&to, &key(other, "a")).await;
    assert!(matches!(onto_a_folder, Err(Error::Conflict(_))));
    assert_eq!(all(storage, &to).await.unwrap(), "the bytes");
}

async fn deleting_in_steps(storage: &Storage) {
    let project = ProjectId::new();
    for name in 0..7 {
        put(storage, project, &format!("gone/{}/{name}", name % 3), "x").await;
    }
    for name in ["gone.txt", "gone-not/a", "gon"] {
        put(storage, project, name, "x").await;
    }
    let gone = keys::files_prefix(project, Some(&path("gone")));
    let mut steps = Vec::new();
    loop {
        match storage.delete_some(&gone, 3).await.unwrap() {
            0 => break,
            count => steps.push(count),
        }
    }
    assert!(steps.iter().all(|count| *count <= 3), "{steps:?}");
    assert!(steps.iter().sum::<usize>() >= 7, "{steps:?}");
    assert!(!storage.folder_exists(&gone).await.unwrap());
    assert_eq!(
        positions(storage, &top(project), true, 9).await,
        ["gon", "gone-not/a", "gone.txt"]
    );
    // A file that has the folder's name is not in it.
    let file = keys::files_prefix(project, Some(&path("gone.txt")));
    assert_eq!(storage.delete_some(&file, 9).await.unwrap(), 0);
    assert!(storage.exists(&key(project, "gone.txt")).await.unwrap());
    while storage
        .delete_some(&keys::project_prefix(project), 2)
        .await
        .unwrap()
        > 0
    {}
    assert!(
        positions(storage, &keys::project_prefix(project), true, 9)
            .await
            .is_empty()
    );
}

async fn many_keys(storage: &Storage) {
    let project = ProjectId::new();
    stream::iter(0..1100)
        .for_each_concurrent(16, |n| async move {
            put(storage, project, &format!("many/{n:04}"), "x").await;
        })
        .await;
    let expected: Vec<String> = (0..1100).map(|n| format!("{n:04}")).collect();
    let many = keys::files_prefix(project, Some(&path("many")));
    for limit in [100, 999, 1000] {
        assert_eq!(positions(storage, &many, false, limit).await, expected);
        assert_eq!(positions(storage, &many, true, limit).await, expected);
    }
    let page = storage.list(&many, None, usize::MAX).await.unwrap();
    assert_eq!(page.entries.len(), super::PAGE);
    assert_eq!(page.next.as_deref(), Some("0999"));
    let mut deleted = 0;
    while let count @ 1.. = storage.delete_some(&many, 300).await.unwrap() {
        deleted += count;
    }
    assert!(deleted >= 1100);
}

async fn two_writers(storage: &Storage) {
    let project = ProjectId::new();
    let place = key(project, "shared/place");
    for _ in 0..10 {
        let writers = (0..8u8).map(|n| {
            let chunks = (0..40).map(move |_| Ok(Bytes::from(vec![n; 50_000])));
            let place = &place;
            async move {
                let sent = stream::iter(chunks).then(|chunk| async {
                    tokio::task::yield_now().await;
                    chunk
                });
                storage.put(place, sent.boxed(), None).await.unwrap();
            }
        });
        let reader = async {
            for _ in 0..5 {
                match all(storage, &place).await {
                    Err(Error::NotFound) => {}
                    read => one_whole_body(&read.unwrap()),
                }
            }
        };
        tokio::join!(futures::future::join_all(writers), reader);
        one_whole_body(&all(storage, &place).await.unwrap());
    }
    assert_eq!(
        positions(storage, &top(project), true, 9).await,
        ["shared/place"]
    );
}

fn one_whole_body(bytes: &[u8]) {
    assert_eq!(bytes.len(), 2_000_000);
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
}

/// What was put while its folder was being deleted is there, or was deleted after; never lost with an error.
async fn writing_while_deleting(storage: &Storage) {
    let project = ProjectId::new();
    let folder = keys::files_prefix(project, Some(&path("f")));
    let writing = async {
        for n in 0..100 {
            put(storage, project, &format!("f/{}/{n}", n % 2), "x").await;
        }
    };
    let deleting = async {
        for _ in 0..100 {
            storage.delete_some(&folder, 5).await.unwrap();
        }
    };
    tokio::join!(writing, deleting);
    while storage.delete_some(&folder, 50).await.unwrap() > 0 {}
    assert!(!storage.folder_exists(&folder).await.unwrap());
}
