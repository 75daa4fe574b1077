//! Which columns each text file has, and where its records start.

use std::{collections::HashSet, path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields};

use super::{
    blocks::{BlockReader, Records},
    csv,
};
use crate::{
    batch::read::{Block, files::InputFile},
    error::{Error, Result},
};

/// Bytes that are read first to find a header.
const BLOCK: usize = 1 << 20;

/// A file that was looked into.
pub(super) struct FileHead<'a> {
    pub(super) path: &'a Path,
    /// Where the first record starts: byte and line.
    pub(super) start: (u64, u64),
    /// Size of the file.
    pub(super) bytes: u64,
    /// Names in the header; `None` without one.
    header: Option<Vec<String>>,
}

/// The files as they are before their headers are read.
pub(super) fn sizes(files: &[InputFile]) -> Result<Vec<FileHead<'_>>> {
    let mut heads = Vec::with_capacity(files.len());
    for InputFile { path, .. } in files {
        let bytes = path.metadata().map_err(|error| Error::io(path, error))?.len();
        heads.push(FileHead { path, start: (0, 1), bytes, header: None });
    }
    Ok(heads)
}

/// Reads the headers of CSV files; the names of all of them, none where no file has one.
pub(super) fn read_headers(files: &mut [FileHead<'_>], delimiter: Option<u8>) -> Result<Option<Vec<String>>> {
    let mut names: Option<Vec<String>> = None;
    let mut known: HashSet<String> = HashSet::new();
    for file in files {
        let shown = file.path.display().to_string();
        let records = Records::Csv(delimiter.unwrap_or(b','));
        let Some(Block { bytes, .. }) = BlockReader::open(file.path, records, 0, 1, BLOCK)?.block()? else { continue };
        let Some((header, size)) = csv::header(&shown, &bytes, delimiter)? else { continue };
        let lines = bytes[..size].iter().filter(|byte| **byte == b'\n').count();
        file.start = (size as u64, 1 + lines as u64);
        let all = names.get_or_insert_default();
        for name in &header {
            if known.insert(name.clone()) {
                all.push(name.clone());
            }
        }
        file.header = Some(header);
    }
    Ok(names)
}

/// The columns of each file; those of files without a header are `names`. Files of the same columns share theirs.
pub(super) fn columns(files: &[FileHead<'_>], names: &[String]) -> Vec<Arc<Fields>> {
    let fields = |names: &[String]| Arc::new(names.iter().map(|name| Field::new(name, DataType::Null, true)).collect::<Fields>());
    let mut known: Vec<(&[String], Arc<Fields>)> = Vec::new();
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let own = file.header.as_deref().unwrap_or(names);
        let there = known.iter().find(|(names, _)| *names == own).map(|(_, fields)| fields.clone());
        all.push(there.unwrap_or_else(|| {
            let made = fields(own);
            known.push((own, made.clone()));
            made
        }));
    }
    all
}
