//! Where the output goes and in which form: told by its name, before anything is read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::stage::Stage;
use crate::{
    batch::{
        compression::Compression,
        format::Format,
        job::{Job, Output},
        read::files::{InputFile, InputFiles},
    },
    error::{Error, Kind, Result},
};

/// Where the output goes.
pub(in crate::batch) struct Target {
    /// `None` for standard output.
    path: Option<PathBuf>,
    /// Whether it is a directory with one file for each input file.
    pub(in crate::batch) directory: bool,
    pub(in crate::batch) format: Format,
}

impl Target {
    /// The target that the job's output names. A directory gets the format of the job, else that of its input.
    pub(in crate::batch) fn of(job: &Job) -> Result<Self> {
        let (path, format) = match &job.output {
            Output::Stdout => (None, Some(Format::Csv)),
            Output::Path(path) => (Some(path.clone()), Format::of(path)),
        };
        if path.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(Error::new(Kind::InvalidArgument, "BAD_OUTPUT", "--output is empty"));
        }
        if let Some(path) = &path
            && let (Some(_), name) = Compression::split(path)
            && let Some(format) = Format::of(name)
        {
            let message = format!("the output '{}' would be compressed {format}, which is not written", path.display());
            return Err(Error::new(Kind::Unimplemented, "COMPRESSED_OUTPUT", message)
                .remedy("leave out the last part of its name, or write Parquet, which compresses its pages"));
        }
        Ok(Self { path, directory: format.is_none(), format: format.unwrap_or(Format::Parquet) })
    }

    /// The same in `format`, where its name does not tell another.
    pub(in crate::batch) fn with_format(self, format: Format) -> Self {
        if self.directory { Self { format, ..self } } else { self }
    }

    /// Makes the output's temporary file or directory; nothing for standard output.
    pub(in crate::batch) fn stage(&self, overwrite: bool) -> Result<Option<Stage>> {
        self.path.as_ref().map(|path| Stage::new(path, self.directory, overwrite)).transpose()
    }

    /// Refuses an output directory that holds one of the inputs: to replace it would be to remove what is read.
    pub(in crate::batch) fn refuse_inputs(&self, inputs: &InputFiles) -> Result<()> {
        let Some(output) = self.path.as_ref().filter(|_| self.directory).and_then(|path| path.canonicalize().ok()) else {
            return Ok(());
        };
        let inside = |file: &&InputFile| file.path.canonicalize().is_ok_and(|path| path.starts_with(&output));
        match inputs.files.iter().find(inside) {
            Some(file) => Err(holds_input(&output.display().to_string(), &file.path.display().to_string())),
            None => Ok(()),
        }
    }

    /// The name of each input file's output below an output directory. Refuses two inputs whose outputs would be one file.
    pub(in crate::batch) fn file_names(&self, inputs: &InputFiles) -> Result<Vec<PathBuf>> {
        let mut seen: BTreeMap<PathBuf, &Path> = BTreeMap::new();
        let mut names = Vec::with_capacity(inputs.files.len());
        for InputFile { relative, path, .. } in &inputs.files {
            let name = relative.with_extension(self.format.extension());
            if let Some(other) = seen.insert(name.clone(), path) {
                let message = format!("{} and {} would both be written to '{}'", other.display(), path.display(), name.display());
                return Err(Error::new(Kind::InvalidArgument, "OUTPUT_CLASH", message)
                    .remedy("rename one of them, give one --input directory that holds both in directories of their own, or write one file"));
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// The error for an output that would replace what is read.
pub(in crate::batch) fn holds_input(output: &str, input: &str) -> Error {
    let message = format!("the output '{output}' holds the input '{input}', which would be removed with what it replaces");
    Error::new(Kind::InvalidArgument, "OUTPUT_HOLDS_INPUT", message).remedy("name another directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_inputs_never_share_an_output() {
        let target = Target { path: None, directory: true, format: Format::Csv };
        let file = |path: &str| InputFile { path: path.into(), relative: "a.json".into(), below: 0, keys: Vec::new() };
        let one = InputFiles { files: vec![file("x/a.json")], format: Format::Json };
        assert_eq!(target.file_names(&one).unwrap(), [PathBuf::from("a.csv")]);
        let two = InputFiles { files: vec![file("x/a.json"), file("y/a.json")], format: Format::Json };
        assert_eq!(target.file_names(&two).unwrap_err().code(), "OUTPUT_CLASH");
    }

    #[test]
    fn an_output_does_not_replace_its_input() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("in/day=1")).unwrap();
        let path = root.path().join("in/day=1/a.csv");
        std::fs::write(&path, "a").unwrap();
        let inputs = InputFiles {
            files: vec![InputFile { path, relative: "a.csv".into(), below: 0, keys: Vec::new() }],
            format: Format::Csv,
        };
        let refused = |output: &str| {
            let target = Target { path: Some(root.path().join(output)), directory: true, format: Format::Csv };
            target.refuse_inputs(&inputs).is_err()
        };
        assert!(refused("in") && refused("in/day=1") && refused("in/../in/"));
        assert!(!refused("in/day=2") && !refused("out"));
    }
}
