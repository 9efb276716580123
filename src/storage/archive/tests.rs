//! A sealed log is the log, byte for byte, and reads no more of the archive than it must.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    domain::{
        ids::{JobId, ProjectId},
        names::StreamName,
    },
    storage::{folder::Folder, keys},
};
use proptest::prelude::*;
use tempfile::TempDir;

struct Bed {
    storage: Storage,
    archive: Key,
    index: Key,
    _root: TempDir,
}

impl Bed {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (project, job) = (ProjectId::new(), JobId::new());
        let stream = StreamName::driver();
        Self {
            storage: Storage::Folder(Folder::open(root.path()).unwrap()),
            archive: keys::log_archive(project, job, 1, &stream),
            index: keys::log_index(project, job, 1, &stream),
            _root: root,
        }
    }

    async fn seal(&self, log: &[u8], step: usize) -> Index {
        let chunks = log
            .chunks(step)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
        write(
            &self.storage,
            &self.archive,
            &self.index,
            stream::iter(chunks.collect::<Vec<_>>()),
        )
        .await
        .unwrap()
    }

    async fn reader(&self) -> Result<Reader> {
        Reader::open(&self.storage, &self.archive, &self.index).await
    }
}

/// Numbered lines of differing lengths, so that no two places look alike.
fn numbered(size: usize) -> Vec<u8> {
    let mut log = Vec::with_capacity(size + 200);
    let mut n = 0u32;
    while log.len() < size {
        let pad = usize::try_from(n.wrapping_mul(2_654_435_761) % 97).unwrap();
        log.extend_from_slice(format!("{n:08} INFO {}\n", "x".repeat(pad)).as_bytes());
        n += 1;
    }
    log.truncate(size);
    log
}

fn line_ends(log: &[u8]) -> u64 {
    log.split(|byte| *byte == b'\n').skip(1).count() as u64
}

#[tokio::test]
async fn any_bytes_of_a_sealed_log_are_those_of_the_log() {
    let bed = Bed::new();
    for size in [1, FRAME - 1, FRAME, FRAME + 1, 5 * FRAME + 777] {
        let log = numbered(size);
        let index = bed.seal(&log, 10_007).await;
        assert_eq!(index.size, size as u64);
        assert_eq!(index.frames.len(), size.div_ceil(FRAME));
        assert_eq!(index.sha256, format!("{:x}", Sha256::digest(&log)));
        let ends = line_ends(&log);
        assert_eq!(index.lines, ends + u64::from(!log.ends_with(b"\n")));
        for frame in &index.frames {
            let before = &log[..usize::try_from(frame.offset).unwrap()];
            let ends = line_ends(before);
            assert_eq!(frame.lines_before, ends);
        }
        let reader = bed.reader().await.unwrap();
        assert_eq!(*reader.index, index);
        let mut whole = Vec::new();
        while whole.len() < size {
            let read = reader.read(whole.len() as u64, usize::MAX).await.unwrap();
            assert!(!read.is_empty(), "{size}");
            whole.extend_from_slice(&read);
        }
        assert!(whole == log, "{size}");
        for (from, to) in [
            (0, 1),
            (0, size),
            (size - 1, size + 9),
            (size / 2, size / 2 + 100),
            (FRAME - 3, FRAME + 3),
            (FRAME, 2 * FRAME),
            (2 * FRAME - 1, 4 * FRAME),
            (3, 5 * FRAME),
        ] {
            let read = reader.read(from as u64, to - from).await.unwrap();
            let to = to.min(size).min(from + 1024 * 1024);
            let expected = &log[from.min(size)..to];
            assert!(read == expected, "{from}..{to} of {size}");
        }
        assert!(reader.read(u64::MAX, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_archive_is_in_the_seekable_format_without_our_index_too() {
    let bed = Bed::new();
    let log = numbered(3 * FRAME + 5);
    let index = bed.seal(&log, 99_999).await;
    let bytes = bed.storage.read(&bed.archive, 0, usize::MAX).await.unwrap();
    // A frame of zstd first, at the end the seek table's own magic number.
    assert!(bytes.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
    assert!(bytes.ends_with(&[0xB1, 0xEA, 0x92, 0x8F]));
    let mut decoder = zeekstd::Decoder::new(zeekstd::BytesWrapper::new(&bytes)).unwrap();
    assert_eq!(decoder.seek_table().num_frames(), 4);
    assert_eq!(decoder.seek_table().size_comp(), index.compressed_size);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).unwrap();
    assert!(plain == log);
}

#[tokio::test]
async fn an_empty_log_and_a_log_sealed_twice() {
    let bed = Bed::new();
    let index = bed.seal(b"", 1).await;
    assert_eq!((index.size, index.lines, index.frames.len()), (0, 0, 0));
    let reader = bed.reader().await.unwrap();
    assert!(reader.read(0, 9).await.unwrap().is_empty());
    let log = numbered(FRAME * 2);
    let first = bed.seal(&log, 1000).await;
    let bytes = bed.storage.read(&bed.archive, 0, usize::MAX).await.unwrap();
    assert_eq!(bed.seal(&log, 77_777).await, first);
    assert!(bed.storage.read(&bed.archive, 0, usize::MAX).await.unwrap() == bytes);
}

#[tokio::test]
async fn a_log_that_breaks_off_is_not_sealed() {
    let bed = Bed::new();
    let chunks = [
        Ok(numbered(FRAME * 2).into()),
        Err(io::Error::other("gone")),
    ];
    let sealed = write(&bed.storage, &bed.archive, &bed.index, stream::iter(chunks)).await;
    assert!(matches!(sealed, Err(Error::Body(_))), "{sealed:?}");
    assert!(!bed.storage.exists(&bed.archive).await.unwrap());
    assert!(matches!(bed.reader().await, Err(Error::NotFound)));
}

#[tokio::test]
async fn damage_is_an_error_and_never_other_text() {
    let bed = Bed::new();
    let log = numbered(FRAME * 2);
    let index = bed.seal(&log, 1000).await;
    let whole = bed.storage.read(&bed.archive, 0, usize::MAX).await.unwrap();
    let mut damaged = whole.to_vec();
    damaged[2000] ^= 1;
    let short = whole.slice(..whole.len() / 2);
    for bytes in [damaged.into(), short, Bytes::new()] {
        bed.storage.put_bytes(&bed.archive, bytes).await.unwrap();
        let reader = bed.reader().await.unwrap();
        let read = reader.read(0, log.len()).await;
        assert!(matches!(read, Err(Error::Internal(_))), "{read:?}");
    }
    let mut unknown = index.clone();
    unknown.format = 9;
    let mut gap = index.clone();
    gap.frames[1].offset = index.size + 1;
    let mut late = index;
    late.frames.remove(0);
    for index in [unknown, gap, late] {
        let json = serde_json::to_vec(&index).unwrap();
        bed.storage
            .put_bytes(&bed.index, json.into())
            .await
            .unwrap();
        assert!(matches!(bed.reader().await, Err(Error::Internal(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn sealed_equals_plain(
        pieces in prop::collection::vec((any::<u8>(), 1usize..90_000), 0..16),
        step in 1usize..300_000,
        reads in prop::collection::vec((0.0f64..1.1, 0usize..700_000), 8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let log: Vec<u8> = pieces
                .iter()
                .flat_map(|(seed, length)| (0..*length).map(move |n| {
                    u8::try_from((n * n / 7 + usize::from(*seed)) % 256).unwrap()
                }))
                .collect();
            let bed = Bed::new();
            bed.seal(&log, step).await;
            let reader = bed.reader().await.unwrap();
            for (at, max) in reads {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any place will do")]
                let from = (log.len() as f64 * at) as usize;
                let read = reader.read(from as u64, max).await.unwrap();
                let from = from.min(log.len());
                assert!(read == log[from..(from + max).min(log.len())]);
            }
        });
    }
}
