//! Compressed text files, as their names tell: `table.csv.gz`, `events.json.zst`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// gzip (RFC 1952), of one member or several.
    Gzip,
    /// Zstandard (RFC 8878), of one frame or several.
    Zstd,
}

/// Base-2 logarithm of the most bytes that decompressing a Zstandard frame may look back, and so hold: 128 MiB, as the `zstd` program
/// takes it. Levels up to 19 make frames of at most 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

impl Compression {
    /// The compression that a file's name tells, and the name without it.
    pub(super) fn split(path: &Path) -> (Option<Self>, &Path) {
        let known = [("gz", Self::Gzip), ("gzip", Self::Gzip), ("zst", Self::Zstd), ("zstd", Self::Zstd)];
        let extension = path.extension().unwrap_or_default();
        match known.into_iter().find(|(name, _)| extension.eq_ignore_ascii_case(name)) {
            Some((_, compression)) => (Some(compression), path.file_stem().map_or(path, Path::new)),
            None => (None, path),
        }
    }

    /// The bytes that were compressed.
    pub(super) fn decompress(self, file: File) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(file))),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::new(file)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells() {
        for (path, compression, rest) in [
            ("a/t.csv.gz", Some(Compression::Gzip), "t.csv"),
            ("t.JSON.ZST", Some(Compression::Zstd), "t.JSON"),
            ("t.csv", None, "t.csv"),
            ("gz", None, "gz"),
            (".gz", None, ".gz"),
        ] {
            assert_eq!(Compression::split(Path::new(path)), (compression, Path::new(rest)), "{path}");
        }
    }
}
