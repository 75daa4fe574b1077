//! Files of a directory on their way to a place.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    error::Result,
    store::{Entry, Place},
};

/// Files that are sent side by side.
const AT_ONCE: usize = 8;

/// Sends files of a directory.
pub(super) async fn files(place: &dyn Place, directory: &Path, files: &[Entry]) -> Result<()> {
    let sent =
        files.iter().map(|file| async move { place.write(&file.name, &directory.join(&file.name)).await }).collect::<Vec<_>>();
    stream::iter(sent).buffer_unordered(AT_ONCE).try_collect().await
}
