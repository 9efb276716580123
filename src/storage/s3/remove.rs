//! Deleting, object by object: a store may refuse to delete many at once to who is limited to a prefix, and its answer
//! about many is not one answer.
use super::{
    super::{
        Result,
        keys::{Key, Prefix},
    },
    S3, all_of,
    list::Depth,
};
use futures::FutureExt as _;

impl S3 {
    pub(in super::super) async fn delete(&self, key: &Key) -> Result<()> {
        self.remove(&self.place(key.as_str())).await
    }

    pub(super) async fn remove(&self, place: &str) -> Result<()> {
        self.quick()
            .delete_object()
            .bucket(self.bucket())
            .key(place)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed("deleting", &error))
            .or_else(|error| match error {
                super::Error::NotFound => Ok(()),
                error => Err(error),
            })
    }

    pub(in super::super) async fn delete_some(&self, prefix: &Prefix, max: usize) -> Result<usize> {
        self.remove_some(&self.place(prefix.as_str()), max).await
    }

    /// Deletes up to `max` objects whose keys begin so.
    pub(super) async fn remove_some(&self, place: &str, max: usize) -> Result<usize> {
        let found = self.raw(place, Depth::All, None, None, max).await?.keys;
        let all = found.iter().map(|found| self.remove(&found.key).boxed());
        all_of(all.collect()).await?;
        Ok(found.len())
    }

    pub(in super::super) async fn delete_empty(&self, prefix: &Prefix) -> Result<Option<String>> {
        let place = self.place(prefix.as_str());
        let found = self.raw(&place, Depth::All, None, None, 2).await?.keys;
        let mut below = found
            .iter()
            .filter_map(|found| found.key.strip_prefix(&place));
        if let Some(held) = below.find(|below| !below.is_empty()) {
            let name = held.split('/').next().unwrap_or(held);
            return Ok(Some(name.to_owned()));
        }
        if !found.is_empty() {
            self.remove(&place).await?;
        }
        Ok(None)
    }
}
