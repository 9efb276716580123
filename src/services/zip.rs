//! Several files and folders as one zip, made while it is sent: a few kilobytes are held, and a line for each file.
use super::{Error, Portal, Result, files::Target};
use crate::{
    domain::{
        access::{Action, Actor},
        ids::ProjectId,
        names::FilePath,
    },
    storage::{self, Kind, Storage, keys},
};
use async_zip::{Compression, ZipDateTimeBuilder, ZipEntryBuilder, tokio::write::ZipFileWriter};
use bytes::Bytes;
use futures::{AsyncWriteExt as _, Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::{Timestamp, tz::TimeZone};
use std::io;
use tokio::io::DuplexStream;
use tokio_util::io::ReaderStream;

/// Names that say that compressing again would only take time.
const DENSE: &[&str] = &[
    "7z", "avro", "bam", "bz2", "cram", "gif", "gz", "jpeg", "jpg", "lz4", "mp4", "orc", "parquet",
    "pdf", "png", "webp", "xz", "zip", "zst",
];

/// The zip's bytes. Names in it begin below `folder`. A file that fails breaks the zip off, so that nobody takes it for whole.
pub async fn zip(
    portal: &Portal,
    actor: &Actor,
    project: ProjectId,
    folder: Option<FilePath>,
    targets: Vec<Target>,
) -> Result<impl Stream<Item = io::Result<Bytes>> + use<>> {
    portal.open_project(actor, project, Action::See).await?;
    if targets.is_empty() {
        return Err(Error::field(
            "/path",
            "Choose at least one file or folder.",
            None,
        ));
    }
    // Said before the first byte: later it could only break off.
    for target in &targets {
        if let Target::File(path) = target {
            portal
                .storage
                .head(&keys::project_file(project, path))
                .await?;
        }
    }
    let (reader, writer) = tokio::io::duplex(256 << 10);
    let packing = Packing {
        storage: portal.storage.clone(),
        project,
        folder,
        now: portal.clock.now(),
    };
    let packed = tokio::spawn(packing.pack(writer, targets));
    // The writer's fate is known once its bytes are read.
    let end = stream::once(async move {
        match packed.await {
            Ok(Ok(())) => Ok(Bytes::new()),
            Ok(Err(error)) => {
                tracing::warn!(?error, "a zip broke off");
                Err(io::Error::other("the zip broke off"))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    });
    Ok(ReaderStream::with_capacity(reader, 64 << 10).chain(end))
}

struct Packing {
    storage: Storage,
    project: ProjectId,
    folder: Option<FilePath>,
    /// The time of folders, which have none of their own.
    now: Timestamp,
}

type Writer = ZipFileWriter<DuplexStream>;

impl Packing {
    async fn pack(self, writer: DuplexStream, targets: Vec<Target>) -> anyhow::Result<()> {
        let mut zip = Writer::with_tokio(writer);
        for target in targets {
            match target {
                Target::File(path) => self.file(&mut zip, &path).await?,
                Target::Folder(path) => self.below(&mut zip, &path).await?,
            }
        }
        zip.close().await?;
        Ok(())
    }

    async fn below(&self, zip: &mut Writer, folder: &FilePath) -> anyhow::Result<()> {
        let prefix = keys::files_prefix(self.project, Some(folder));
        let mut after: Option<String> = None;
        loop {
            let page = self
                .storage
                .list_all(&prefix, after.as_deref(), storage::PAGE)
                .await?;
            for entry in page.entries {
                // What a job named longer than a path may be cannot be opened by anybody.
                let Ok(path) = folder.join(&entry.name) else {
                    continue;
                };
                match entry.kind {
                    Kind::File => self.file(zip, &path).await?,
                    Kind::Folder => {
                        let name = format!("{}/", self.name(&path));
                        let entry = ZipEntryBuilder::new(name.into(), Compression::Stored)
                            .last_modification_date(dos_time(self.now));
                        zip.write_entry_whole(entry, &[]).await?;
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn file(&self, zip: &mut Writer, path: &FilePath) -> anyhow::Result<()> {
        let key = keys::project_file(self.project, path);
        let mut object = match self.storage.get(&key, None).await {
            Ok(object) => object,
            // Deleted since it was listed.
            Err(storage::Error::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let compression = compression(path.file_name());
        let entry = ZipEntryBuilder::new(self.name(path).to_owned().into(), compression)
            .last_modification_date(dos_time(object.info.modified))
            .unix_permissions(0o644);
        let mut writer = zip.write_entry_stream(entry).await?;
        while let Some(chunk) = object.body.try_next().await? {
            writer.write_all(&chunk).await?;
        }
        writer.close().await?;
        Ok(())
    }

    fn name<'a>(&self, path: &'a FilePath) -> &'a str {
        let name = match &self.folder {
            Some(folder) => path.as_str().strip_prefix(folder.as_str()),
            None => None,
        };
        name.map_or(path.as_str(), |name| name.trim_start_matches('/'))
    }
}

fn compression(name: &str) -> Compression {
    let dense = name.rsplit_once('.').is_some_and(|(_, extension)| {
        DENSE
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    });
    if dense {
        Compression::Stored
    } else {
        Compression::Deflate
    }
}

fn dos_time(at: Timestamp) -> async_zip::ZipDateTime {
    let at = at.to_zoned(TimeZone::UTC);
    let part = |value: i8| u32::from(value.unsigned_abs());
    ZipDateTimeBuilder::new()
        .year(at.year().into())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .build()
}
