//! Reads any bytes of a sealed log: the index once, then only the frames that hold them.
use super::{
    super::{Error, Result, Storage, keys::Key},
    FORMAT, Frame, Index,
};
use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use std::{io::Read, ops::Range, sync::Arc};
use tokio::task::spawn_blocking;
use zeekstd::{BytesWrapper, DecodeOptions, SeekTable};

/// Plain bytes per read; it bounds memory.
const MOST: usize = 1024 * 1024;
/// An index has some 70 bytes per frame: this is enough for a log of 200 GB.
const INDEX_MOST: u64 = 64 * 1024 * 1024;

/// A sealed log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    storage: Storage,
    archive: Key,
    pub(super) index: Arc<Index>,
}

impl Reader {
    pub async fn open(storage: &Storage, archive: &Key, index: &Key) -> Result<Self> {
        let size = storage.head(index).await?.size;
        if size > INDEX_MOST {
            return Err(Error::Internal(anyhow!(
                "the log index {index} has {size} bytes; at most {INDEX_MOST} can be right"
            )));
        }
        let most = usize::try_from(size).map_err(|error| Error::Internal(error.into()))?;
        let json = storage.read(index, 0, most).await?;
        let index = parse(&json)
            .with_context(|| format!("the log index {index}"))
            .map_err(Error::Internal)?;
        Ok(Self {
            storage: storage.clone(),
            archive: archive.clone(),
            index: Arc::new(index),
        })
    }

    /// At most `max` bytes from `offset`, and at most 1 MiB; fewer otherwise only at the end, none behind it.
    pub async fn read(&self, offset: u64, max: usize) -> Result<Bytes> {
        let index = &self.index;
        let end = offset.saturating_add(max.min(MOST) as u64).min(index.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let first = index.frames.partition_point(|frame| frame.offset <= offset) - 1;
        let last = index.frames.partition_point(|frame| frame.offset < end);
        let from = index.frames[first];
        let wanted = offset - from.offset..end - from.offset;
        let until = index.end_of(last - 1).compressed_offset;
        let sizes: Vec<(u64, u64)> = (first..last)
            .map(|n| {
                let (begin, end) = (index.frames[n], index.end_of(n));
                let compressed = end.compressed_offset - begin.compressed_offset;
                (compressed, end.offset - begin.offset)
            })
            .collect();
        let length = usize::try_from(until - from.compressed_offset)
            .map_err(|error| Error::Internal(error.into()))?;
        let compressed = self
            .storage
            .read(&self.archive, from.compressed_offset, length)
            .await?;
        let archive = self.archive.clone();
        spawn_blocking(move || decompress(&compressed, &sizes, wanted))
            .await
            .map_err(|error| Error::Internal(error.into()))?
            .with_context(|| format!("the log archive {archive} at {offset}"))
            .map_err(Error::Internal)
    }
}

impl Index {
    /// Where a frame ends: where the next begins.
    fn end_of(&self, frame: usize) -> Frame {
        self.frames.get(frame + 1).copied().unwrap_or(Frame {
            offset: self.size,
            compressed_offset: self.compressed_size,
            lines_before: self.lines,
        })
    }
}

/// An index whose frames can be relied on.
fn parse(json: &[u8]) -> anyhow::Result<Index> {
    let index: Index = serde_json::from_slice(json)?;
    ensure!(
        index.format == FORMAT,
        "its format is {}; this version reads {FORMAT}",
        index.format
    );
    let starts = index
        .frames
        .first()
        .map_or((index.size, index.compressed_size), |frame| {
            (frame.offset, frame.compressed_offset)
        });
    ensure!(starts == (0, 0), "its first frame is not at the beginning");
    for (n, frame) in index.frames.iter().enumerate() {
        let end = index.end_of(n);
        let plain = end.offset.checked_sub(frame.offset);
        let compressed = end.compressed_offset.checked_sub(frame.compressed_offset);
        let sane =
            |size: Option<u64>| size.is_some_and(|size| (1..=4 * MOST as u64).contains(&size));
        ensure!(
            sane(plain) && sane(compressed),
            "its frame {n} has no sensible size"
        );
    }
    Ok(index)
}

/// The wanted bytes of a run of frames, given their compressed and plain sizes.
fn decompress(
    compressed: &[u8],
    sizes: &[(u64, u64)],
    wanted: Range<u64>,
) -> anyhow::Result<Bytes> {
    let mut table = SeekTable::new();
    let mut expected = 0;
    for (compressed, plain) in sizes {
        table.log_frame(u32::try_from(*compressed)?, u32::try_from(*plain)?)?;
        expected += compressed;
    }
    ensure!(
        compressed.len() as u64 == expected,
        "it is shorter than its index says"
    );
    let length = usize::try_from(wanted.end - wanted.start)?;
    let mut bytes = Vec::with_capacity(length);
    DecodeOptions::new(BytesWrapper::new(compressed))
        .seek_table(table)
        .offset(wanted.start)
        .offset_limit(wanted.end)
        .into_decoder()?
        .read_to_end(&mut bytes)?;
    ensure!(bytes.len() == length, "a frame ends too early");
    Ok(bytes.into())
}
