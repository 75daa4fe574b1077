//! What a job asks of its input files, whatever their format.

use std::path::Path;

use arrow::datatypes::SchemaRef;

use super::{
    column_names,
    files::InputFile,
    partitions::{self, PartitionKey, Partitions},
    table::Table,
};
use crate::{
    batch::{
        Format,
        subject::{Selection, Subject},
    },
    error::Result,
    score::CancelFlag,
};

/// What a job asks of its input files.
pub(in crate::batch) struct ReadOptions<'a> {
    /// The model, whose signature selects and types columns.
    pub(in crate::batch) subject: &'a Subject,
    /// `--columns`.
    pub(in crate::batch) columns: Option<&'a [String]>,
    /// What the columns are read for beside the model.
    pub(in crate::batch) purpose: Purpose,
    /// Names the output will add.
    pub(in crate::batch) reserved: &'a [String],
    /// Whether each file has an output of its own, in a directory of the same name.
    pub(in crate::batch) by_file: bool,
    /// What separates the cells of CSV, where the user says it.
    pub(in crate::batch) delimiter: Option<u8>,
    /// Ends the planning, which may read whole files.
    pub(in crate::batch) cancel: &'a CancelFlag,
}

/// What the columns of files are read for beside the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::batch) enum Purpose {
    /// Nothing: only predictions are written.
    Predictions,
    /// All columns are written in this format.
    Output(Format),
    /// All columns are a table of SQL, and any of them may be missing in any file.
    Table,
}

impl Purpose {
    /// Whether files of `format` must have all their columns decoded.
    pub(super) fn needs_values(self, format: Format) -> bool {
        match self {
            Self::Predictions => false,
            Self::Output(written) => written != format,
            Self::Table => true,
        }
    }
}

impl ReadOptions<'_> {
    /// The model's columns among those of a table.
    pub(super) fn select(&self, names: &[String]) -> Result<Selection> {
        self.subject.select(names, self.columns)
    }

    /// Names of the columns that the model's signature or `--columns` asks for.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut all = self.subject.expected().map(|schema| column_names(&schema)).unwrap_or_default();
        all.extend(self.columns.into_iter().flatten().cloned());
        all
    }

    /// The only columns that need to be found in JSON objects; `None` where all of them must be.
    pub(super) fn sufficient(&self, declared: Option<&SchemaRef>) -> Option<Vec<String>> {
        declared?;
        let expected = self.subject.expected()?;
        Some(match self.columns {
            Some(columns) => columns.to_vec(),
            None => column_names(&expected),
        })
    }

    /// Refuses files that lack a column which the model requires and other files have. `feeds` are the model's names of each column.
    pub(super) fn require_in_every_file(
        &self,
        table: &Table,
        partitions: &Partitions,
        files: &[&Path],
        feeds: &[Vec<&str>],
    ) -> Result<()> {
        if self.purpose == Purpose::Table {
            return Ok(());
        }
        let optional = self.subject.optional();
        let width = table.names.len();
        for (at, names) in feeds.iter().enumerate() {
            if names.iter().all(|name| optional.contains(name)) {
                continue;
            }
            if at < width {
                table.require_in_every_file(at, files)?;
            } else {
                partitions.require_in_every_file(at - width, files)?;
            }
        }
        Ok(())
    }

    /// The partition columns to write: those that the names of the output's directories do not contain.
    pub(super) fn extra(&self, files: &[InputFile], partitions: &Partitions) -> Vec<usize> {
        let told = |column: &usize| {
            let name = partitions.schema.field(*column).name();
            let named = |keys: &[PartitionKey]| keys.iter().any(|key| key.name == *name);
            let by_output = |file: &InputFile| partitions::keys(&file.relative, usize::MAX).is_ok_and(|keys| named(&keys));
            self.by_file && files.iter().all(|file| !named(&file.keys) || by_output(file))
        };
        (0..partitions.len()).filter(|column| !told(column)).collect()
    }
}
