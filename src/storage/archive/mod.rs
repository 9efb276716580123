//! Sealed logs: one object in the zstd seekable format and one index beside it (`docs/log-format.md`).
//! Writing and reading take a few MB, however long the log.
mod lines;
mod reader;
#[cfg(test)]
mod tests;

pub use lines::Mark;
pub use reader::Reader;

use super::{Error, Result, Storage, keys::Key};
use anyhow::Context;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lines::Lines;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use tokio::{sync::oneshot, task::spawn_blocking};
use zeekstd::{EncodeOptions, FrameSizePolicy, RawEncoder};

/// What the index says of itself; another number is another format.
const FORMAT: u32 = 1;
/// Plain bytes per frame: what must be decompressed to read one byte.
const FRAME: usize = 256 * 1024;

/// What is known of a sealed log, and where in the archive it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub format: u32,
    /// Plain bytes.
    pub size: u64,
    /// A last line without its end counts too.
    pub lines: u64,
    /// Of the plain bytes, in hexadecimal.
    pub sha256: String,
    /// Bytes of all frames; the seek table follows.
    pub compressed_size: u64,
    /// In order and without gaps; none for an empty log.
    pub frames: Vec<Frame>,
    pub first_error: Option<Mark>,
    pub first_warn: Option<Mark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Of its first byte in the plain log.
    pub offset: u64,
    pub compressed_offset: u64,
    /// How many lines end before it.
    pub lines_before: u64,
}

/// Seals a log: the archive first, then its index, so that an index always has its archive.
/// Sealing the same log again gives the same objects.
pub async fn write<S>(storage: &Storage, archive: &Key, index: &Key, plain: S) -> Result<Index>
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
{
    let (done, sealed) = oneshot::channel();
    let state = Sealing {
        plain: plain.fuse(),
        waiting: BytesMut::with_capacity(2 * FRAME),
        next: Some((Sealer::new().map_err(Error::Internal)?, done)),
    };
    let compressed = stream::try_unfold(state, Sealing::step).boxed();
    storage.put(archive, compressed, None).await?;
    let sealed = sealed
        .await
        .context("the store took the archive before its end")
        .map_err(Error::Internal)?;
    let json = serde_json::to_vec(&sealed).map_err(|error| Error::Internal(error.into()))?;
    storage.put_bytes(index, json.into()).await?;
    Ok(sealed)
}

struct Sealing<S> {
    plain: stream::Fuse<S>,
    waiting: BytesMut,
    /// `None` when the seek table was given out.
    next: Option<(Sealer, oneshot::Sender<Index>)>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Sealing<S> {
    /// The next compressed bytes: a frame, or at the end the seek table.
    async fn step(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some((mut sealer, done)) = self.next.take() else {
            return Ok(None);
        };
        while self.waiting.len() < FRAME {
            match self.plain.try_next().await? {
                Some(chunk) => self.waiting.extend_from_slice(&chunk),
                None => break,
            }
        }
        let plain = self.waiting.split_to(self.waiting.len().min(FRAME));
        if plain.is_empty() {
            let (table, index) = sealer.finish()?;
            // Whoever waited for it has gone when this fails, and nothing is lost.
            let _ = done.send(index);
            return Ok(Some((table, self)));
        }
        let (sealer, frame) = spawn_blocking(move || {
            let frame = sealer.frame(&plain);
            (sealer, frame)
        })
        .await?;
        self.next = Some((sealer, done));
        Ok(Some((frame?, self)))
    }
}

/// Makes frames and keeps what the index will say of them.
struct Sealer {
    encoder: RawEncoder<'static>,
    digest: Sha256,
    lines: Lines,
    frames: Vec<Frame>,
    compressed_size: u64,
}

impl Sealer {
    fn new() -> anyhow::Result<Self> {
        let encoder = EncodeOptions::new()
            // Frames are ended by hand, each at its own size.
            .frame_size_policy(FrameSizePolicy::Uncompressed(u32::MAX))
            .checksum_flag(true)
            .into_raw_encoder()
            .context("zstd")?;
        Ok(Self {
            encoder,
            digest: Sha256::new(),
            lines: Lines::default(),
            frames: Vec::new(),
            compressed_size: 0,
        })
    }

    fn frame(&mut self, plain: &[u8]) -> io::Result<Bytes> {
        self.frames.push(Frame {
            offset: self.lines.offset(),
            compressed_offset: self.compressed_size,
            lines_before: self.lines.ended(),
        });
        self.digest.update(plain);
        self.lines.take(plain);
        let mut frame = Vec::with_capacity(plain.len() / 4);
        let mut buffer = vec![0; 64 * 1024];
        let mut rest = plain;
        while !rest.is_empty() {
            let step = self
                .encoder
                .compress(rest, &mut buffer)
                .map_err(io::Error::other)?;
            frame.extend_from_slice(&buffer[..step.out_progress()]);
            rest = &rest[step.in_progress()..];
        }
        loop {
            let step = self
                .encoder
                .end_frame(&mut buffer)
                .map_err(io::Error::other)?;
            frame.extend_from_slice(&buffer[..step.out_progress()]);
            if step.data_left() == 0 {
                break;
            }
        }
        self.compressed_size += frame.len() as u64;
        Ok(frame.into())
    }

    fn finish(self) -> io::Result<(Bytes, Index)> {
        let mut table = Vec::new();
        self.encoder
            .into_seek_table()
            .into_serializer()
            .read_to_end(&mut table)?;
        let size = self.lines.offset();
        let found = self.lines.finish();
        let index = Index {
            format: FORMAT,
            size,
            lines: found.lines,
            sha256: format!("{:x}", self.digest.finalize()),
            compressed_size: self.compressed_size,
            frames: self.frames,
            first_error: found.first_error,
            first_warn: found.first_warn,
        };
        Ok((table.into(), index))
    }
}
