//! The files a flavor's keys name.

use std::path::Path;

use crate::{
    error::{Error, Kind, Result},
    store,
};

/// A model file may have this many bytes.
const MAX_FILE: u64 = 4 << 30;

/// The bytes of a file inside the model's directory.
pub(super) fn read(directory: &Path, relative: &str) -> Result<Vec<u8>> {
    let path = store::within(directory, relative)?;
    let size = std::fs::metadata(&path).map_err(|error| Error::io(&path, error))?.len();
    if size > MAX_FILE {
        let message = format!("{}: {size} bytes, at most {MAX_FILE} are read", path.display());
        return Err(Error::new(Kind::ResourceExhausted, "MODEL_TOO_LARGE", message));
    }
    std::fs::read(&path).map_err(|error| Error::io(&path, error))
}
