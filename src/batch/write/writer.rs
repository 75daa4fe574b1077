//! The output of a job: its files, and how scored rows become their content.

use std::{
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
};

use arrow::array::ArrayRef;

use super::{
    Payload, Sink,
    layout::Layout,
    parquet::ParquetSink,
    splice::SpliceSink,
    stage::Stage,
    text::{StdoutSink, TextSink},
    write_failed,
};
use crate::{
    batch::{
        format::Format,
        read::{Kept, Rows},
    },
    error::Result,
};

/// An output file: its name below the output directory and the parts of the input that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::batch) struct OutputFile {
    /// Empty where the output is one file.
    pub(in crate::batch) relative: PathBuf,
    pub(in crate::batch) parts: Range<usize>,
}

/// Writes the output of a job.
pub(in crate::batch) struct Writer {
    /// `None` for standard output.
    pub(in crate::batch) stage: Option<Stage>,
    pub(in crate::batch) format: Format,
    pub(in crate::batch) layout: Layout,
    pub(in crate::batch) files: Vec<OutputFile>,
    /// How the input's columns reach the output.
    pub(in crate::batch) kept: Kept,
    /// The names of the input's columns in the header of a CSV output: of each output file, or once for all of them.
    pub(in crate::batch) names: Vec<Vec<String>>,
    /// Bytes of encoded output that are held in memory.
    pub(in crate::batch) memory: usize,
}

impl Writer {
    /// Makes of rows and their predictions what a file's [`Sink`] takes. Runs on the threads that score.
    pub(in crate::batch) fn encode(&self, rows: Rows, prediction: Option<&ArrayRef>) -> Result<Payload> {
        self.layout.encode(rows, prediction)
    }

    /// Starts the output file at this place among [`Writer::files`].
    pub(in crate::batch) fn open(&self, at: usize) -> Result<Box<dyn Sink>> {
        let header = || self.layout.header(self.names.get(at).unwrap_or(&self.names[0]));
        let Some(stage) = &self.stage else {
            let mut out = std::io::stdout();
            out.write_all(&header()).map_err(|error| write_failed(Path::new("standard output"), error))?;
            return Ok(Box::new(StdoutSink(out)));
        };
        let (file, path) = stage.create(&self.files[at].relative)?;
        Ok(match (self.format, &self.kept) {
            (Format::Csv, _) => Box::new(TextSink::new(file, path, &header(), self.memory)?),
            (Format::Json, _) => Box::new(TextSink::new(file, path, b"", self.memory)?),
            (Format::Parquet, Kept::Chunks(source)) => {
                let like = source.files.get(at).unwrap_or(&source.files[0]).clone();
                let added = self.layout.schema(None);
                Box::new(SpliceSink::new(file, path, source.clone(), &like, added, stage.scratch(), self.memory)?)
            }
            (Format::Parquet, kept) => {
                let carried = if let Kept::Values(carried) = kept { Some(carried) } else { None };
                Box::new(ParquetSink::new(file, path, &self.layout.schema(carried), stage.scratch(), self.memory)?)
            }
        })
    }

    /// Gives the output its name, once every file is finished.
    pub(in crate::batch) fn commit(self) -> Result<()> {
        self.stage.map_or(Ok(()), Stage::commit)
    }
}
