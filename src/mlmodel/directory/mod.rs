//! A model's directory while it is written: staged beside its place, and moved there when it is complete.

mod copy;
mod environment;
mod example;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

pub use self::{
    environment::{CONDA_YAML, CONSTRAINTS, PYTHON_ENV_YAML, PythonEnvironment, REQUIREMENTS},
    example::{INPUT_EXAMPLE, InputExample, SERVING_INPUT_EXAMPLE},
};
use super::{MLMODEL, MlModel};
use crate::error::{Error, Kind, Result};

/// A directory of MLflow's layout that does not exist yet: it is filled in a hidden directory beside its place, and
/// [`commit`](Self::commit) moves it there in one step. Dropped without that, it leaves nothing.
///
/// ```
/// use mlflight::mlmodel::{MlModel, ModelDirectory, PythonEnvironment, Value};
/// # let scratch = tempfile::tempdir()?;
/// # let path = scratch.path().join("greeting");
/// let mut model = MlModel::created_now();
/// model.add_flavor("greeting", [("data", "words.txt")]);
/// model.set("metadata", Value::from("made by hand"));
///
/// let directory = ModelDirectory::create(&path)?;
/// std::fs::write(directory.path().join("words.txt"), "hello")?;
/// directory.write_environment(&PythonEnvironment {
///     python: "3.12.4".into(),
///     requirements: vec!["pandas==3.0.0".into()],
///     ..PythonEnvironment::default()
/// })?;
/// directory.commit(&mut model)?;
///
/// let saved = MlModel::load(&path)?;
/// assert_eq!(saved, model);
/// assert_eq!(saved.model_size_bytes(), Some(5));
/// assert!(path.join("requirements.txt").is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ModelDirectory {
    staging: TempDir,
    target: PathBuf,
}

impl ModelDirectory {
    /// Begins a directory that shall come to stand at `target`, which must not exist, or be an empty directory.
    pub fn create(target: &Path) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|error| Error::io(target, error))?;
        refuse_existing(&target)?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".mlflight-model-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As any directory: the process's umask says who may read it.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let staging = builder.tempdir_in(parent).map_err(|error| Error::io(parent, error))?;
        Ok(Self { staging, target })
    }

    /// Where the model's own files are put until it is committed.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Where the model will stand.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Copies a file or a directory to `name`, a path in the model's directory. Links are followed; compiled Python and caches are left out.
    pub fn copy(&self, source: &Path, name: &str) -> Result<()> {
        copy::copy(source, &self.inside(name)?)
    }

    /// Writes `requirements.txt`, `conda.yaml`, `python_env.yaml` and, where there are constraints, `constraints.txt`.
    pub fn write_environment(&self, environment: &PythonEnvironment) -> Result<()> {
        for (name, text) in environment.files()? {
            self.write(name, &text)?;
        }
        Ok(())
    }

    /// Writes `input_example.json` and `serving_input_example.json`, and says so in the model's `saved_input_example_info`.
    pub fn write_example(&self, model: &mut MlModel, example: &InputExample) -> Result<()> {
        for (name, text) in example.files() {
            self.write(name, &text)?;
        }
        model.set("saved_input_example_info", example.info());
        Ok(())
    }

    /// Writes the `MLmodel` file as it stands, so that the staged directory can be loaded.
    pub fn write_model(&self, model: &mut MlModel) -> Result<()> {
        if model.flavors.is_empty() {
            let error = Error::new(Kind::InvalidArgument, "NO_FLAVORS", "the model has no flavors");
            return Err(error.remedy("add one (add_flavor): it says how the model is loaded"));
        }
        let size = copy::size(self.path(), &[MLMODEL, REQUIREMENTS, CONDA_YAML, PYTHON_ENV_YAML, CONSTRAINTS])?;
        model.set("model_size_bytes", size);
        model.sort();
        model.save(self.path())
    }

    /// Writes the `MLmodel` file, with the size of the model's own files, and moves the directory to its place.
    pub fn commit(self, model: &mut MlModel) -> Result<PathBuf> {
        self.write_model(model)?;
        // Somebody may have been faster.
        refuse_existing(&self.target)?;
        let staging = self.staging.keep();
        if let Err(error) = fs::rename(&staging, &self.target) {
            let _ = fs::remove_dir_all(&staging);
            return Err(match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    exists(&self.target)
                }
                _ => Error::io(&self.target, error),
            });
        }
        Ok(self.target)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(name);
        fs::write(&path, text).map_err(|error| Error::io(&path, error))
    }

    /// The place of a relative path in the staged directory.
    fn inside(&self, name: &str) -> Result<PathBuf> {
        use std::path::Component;
        let path = Path::new(name);
        let is_inside = !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
        if is_inside {
            return Ok(self.path().join(path));
        }
        let message = format!("'{name}' is no path in the model's directory");
        Err(Error::new(Kind::InvalidArgument, "PATH_LEAVES_MODEL", message))
    }
}

fn refuse_existing(target: &Path) -> Result<()> {
    match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(exists(target)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(exists(target)),
        Err(error) => Err(Error::io(target, error)),
    }
}

fn exists(target: &Path) -> Error {
    let message = format!("'{}' exists and is not empty", target.display());
    Error::new(Kind::AlreadyExists, "ALREADY_EXISTS", message).remedy("name a path that does not exist, or remove what is there")
}

#[cfg(test)]
mod tests;
