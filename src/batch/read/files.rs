//! Lists the files of `--input` in order: paths, globs, and directories as Spark reads them.

use std::path::{Component, Path, PathBuf};

use super::partitions::{self, PartitionKey};
use crate::batch::{compression::Compression, format::Format};
use crate::error::{Error, Kind, Result};

/// One input file and the name its output has below an output directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::batch) struct InputFile {
    pub(in crate::batch) path: PathBuf,
    pub(in crate::batch) relative: PathBuf,
    /// How many of its directories are below the `--input` directory, or below the part of a glob that has no wildcard.
    pub(in crate::batch) below: usize,
    /// Partition columns in the names of its directories.
    pub(in crate::batch) keys: Vec<PartitionKey>,
}

/// Every input file: by name within each `--input`, which keep their order.
#[derive(Debug)]
pub(in crate::batch) struct InputFiles {
    pub(in crate::batch) files: Vec<InputFile>,
    /// The one format they have.
    pub(in crate::batch) format: Format,
}

/// Lists the input files, with their partition columns where `partitions` are asked for. `format` is that of files whose names do not tell.
pub(in crate::batch) fn list(inputs: &[String], format: Option<Format>, partitions: bool) -> Result<InputFiles> {
    let mut files = Vec::new();
    for input in inputs {
        let mut found = expand(input)?;
        if partitions {
            for file in &mut found {
                file.keys = partitions::keys(&file.path, file.below)?;
            }
        }
        if found.is_empty() {
            return Err(Error::new(Kind::NotFound, "NO_INPUT", format!("no file matches '{input}'"))
                .remedy("hidden files (names that start with '_' or '.') are not read"));
        }
        files.extend(found);
    }
    for file in &mut files {
        file.relative = file.relative.with_file_name(Compression::split(&file.relative).1.file_name().unwrap_or_default());
    }
    let mut agreed: Option<(Format, &Path)> = None;
    for file in &files {
        let (compression, name) = Compression::split(&file.path);
        let own = Format::of(name).or(format).ok_or_else(|| {
            Error::new(
                Kind::InvalidArgument,
                "UNKNOWN_FORMAT",
                format!("{}: the name does not tell the format", file.path.display()),
            )
            .remedy("give --format parquet, csv or json")
        })?;
        if own == Format::Parquet && compression.is_some() {
            let message = format!("{}: a compressed Parquet file is not read", file.path.display());
            return Err(Error::new(Kind::Unimplemented, "COMPRESSED_PARQUET", message)
                .remedy("decompress it: Parquet compresses its own pages"));
        }
        match agreed {
            None => agreed = Some((own, &file.path)),
            Some((first, path)) if first != own => {
                let message = format!("{} is {first}, {} is {own}", path.display(), file.path.display());
                return Err(
                    Error::new(Kind::InvalidArgument, "MIXED_FORMATS", message).remedy("score each format in a run of its own")
                );
            }
            Some(_) => {}
        }
    }
    let format = match agreed {
        Some((format, _)) => format,
        None => return Err(Error::new(Kind::InvalidArgument, "NO_INPUT", "no --input was given")),
    };
    Ok(InputFiles { files, format })
}

fn expand(input: &str) -> Result<Vec<InputFile>> {
    let path = Path::new(input);
    if path.is_dir() {
        return walk(path);
    }
    if path.exists() {
        return Ok(vec![one(regular(path)?)]);
    }
    if !input.contains(['*', '?', '[']) {
        return Err(Error::new(Kind::NotFound, "NO_INPUT", format!("'{input}' does not exist")));
    }
    let matches = glob::glob(input).map_err(|error| {
        Error::new(Kind::InvalidArgument, "BAD_GLOB", format!("'{input}' is no file and no pattern: {error}"))
    })?;
    let mut files = Vec::new();
    for entry in matches {
        let path = entry.map_err(|error| {
            let path = error.path().to_path_buf();
            Error::io(&path, error.into())
        })?;
        if hidden(&path) {
            continue;
        }
        // Spark reads the directories that a glob matches, too; their names are kept below the output directory.
        if path.is_dir() {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            files.extend(walk(&path)?.into_iter().map(|file| InputFile { relative: name.join(&file.relative), ..file }));
        } else {
            files.push(one(regular(&path)?));
        }
    }
    let fixed = input.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect::<Vec<_>>().join("/");
    for file in &mut files {
        file.below = file.path.parent().map_or(0, depth).saturating_sub(depth(Path::new(&fixed)));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files of a listing that a pattern matches, or that lie below a directory that it matches.
#[cfg(feature = "remote")]
pub(in crate::batch) fn matching(listed: Vec<crate::store::Entry>, pattern: &str) -> Result<Vec<crate::store::Entry>> {
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let pattern = glob::Pattern::new(pattern)
        .map_err(|error| Error::new(Kind::InvalidArgument, "BAD_GLOB", format!("'{pattern}' is no pattern: {error}")))?;
    let matches = |name: &str| {
        let mut ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        ends.any(|end| pattern.matches_with(&name[..end], options))
    };
    Ok(listed.into_iter().filter(|entry| matches(&entry.name)).collect())
}

/// Refuses pipes and devices: files are read from several places, and more than once.
fn regular(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    Err(Error::new(Kind::InvalidArgument, "NOT_A_FILE", format!("'{}' is no regular file", path.display()))
        .remedy("write what comes through the pipe to a file first; 'predict' reads standard input"))
}

/// How many directories a path names.
fn depth(path: &Path) -> usize {
    path.components().filter(|part| matches!(part, Component::Normal(_))).count()
}

fn one(path: PathBuf) -> InputFile {
    let relative = path.file_name().map(PathBuf::from).unwrap_or_default();
    InputFile { path, relative, below: 0, keys: Vec::new() }
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.')))
}

fn walk(root: &Path) -> Result<Vec<InputFile>> {
    let mut files = Vec::new();
    // A name that starts with `_` is hidden, except that of a partition directory (`_day=1`).
    let shown = |entry: &walkdir::DirEntry| {
        let partition = entry.file_type().is_dir() && entry.file_name().as_encoded_bytes().contains(&b'=');
        entry.depth() == 0 || partition || !hidden(entry.path())
    };
    for entry in walkdir::WalkDir::new(root).follow_links(true).into_iter().filter_entry(shown) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(root).to_owned();
            Error::io(&path, error.into())
        })?;
        if entry.file_type().is_file() {
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
            let below = relative.parent().map_or(0, depth);
            files.push(InputFile { path: entry.into_path(), relative, below, keys: Vec::new() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_skip_hidden_names_and_sort() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "_SUCCESS", ".a.csv.crc", "k=2/z.csv", "k=1/z.csv", "_delta_log/x.csv"] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x\n1\n").unwrap();
        }
        let InputFiles { files, format } = list(&[root.path().to_str().unwrap().to_owned()], None, true).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.relative.to_str().unwrap()).collect();
        assert_eq!(names, ["a.csv", "b.csv", "k=1/z.csv", "k=2/z.csv"]);
        assert_eq!(format, Format::Csv);
        let pattern = format!("{}/*.csv", root.path().display());
        let InputFiles { files, .. } = list(&[pattern], None, true).unwrap();
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn what_cannot_be_listed_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        for name in ["a.csv", "b.json", "c.dat"] {
            std::fs::write(path(name), "").unwrap();
        }
        let code = |inputs: &[String]| list(inputs, None, true).unwrap_err().code().to_owned();
        assert_eq!(code(&[path("none.csv")]), "NO_INPUT");
        assert_eq!(code(&[path("*.parquet")]), "NO_INPUT");
        assert_eq!(code(&[path("c.dat")]), "UNKNOWN_FORMAT");
        assert_eq!(code(&[path("a.csv"), path("b.json")]), "MIXED_FORMATS");
        let InputFiles { files, format } = list(&[path("c.dat")], Some(Format::Csv), true).unwrap();
        assert_eq!((files.len(), format), (1, Format::Csv));
        let socket = std::os::unix::net::UnixListener::bind(path("s.csv.gz")).unwrap();
        assert_eq!(code(&[path("s.csv.gz")]), "NOT_A_FILE");
        drop(socket);
        std::fs::write(path("p.parquet.gz"), "").unwrap();
        assert_eq!(code(&[path("p.parquet.gz")]), "COMPRESSED_PARQUET");
    }

    #[test]
    fn a_compressed_file_has_the_name_and_format_of_its_text() {
        let root = tempfile::tempdir().unwrap();
        for name in ["k/a.csv.gz", "b.csv", "c.csv.zst"] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let InputFiles { files, format } = list(&[root.path().to_str().unwrap().to_owned()], None, true).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.relative.to_str().unwrap()).collect();
        assert_eq!((names.as_slice(), format), (["b.csv", "c.csv", "k/a.csv"].as_slice(), Format::Csv));
    }
}
