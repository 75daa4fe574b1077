//! What the suites share: the Python that tests use, and real models made by it.

pub mod dice;
pub mod native;
pub mod python;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::concat_batches,
    datatypes::SchemaRef,
};

/// The interpreter with mlflow and the model libraries: `MLFLIGHT_TEST_PYTHON`, else the repository's `.venv`.
pub fn python() -> PathBuf {
    let python = std::env::var_os("MLFLIGHT_TEST_PYTHON").map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "no test interpreter at {}: run `make venv` or set MLFLIGHT_TEST_PYTHON", python.display());
    python
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A model made by `tests/make_models.py`.
pub struct TestModel {
    directory: PathBuf,
}

impl TestModel {
    /// The directory with the `MLmodel` file.
    pub fn path(&self) -> PathBuf {
        self.directory.join("model")
    }

    /// The same as text, the form of a model URI.
    pub fn uri(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// Parquet file of rows to score.
    pub fn input(&self) -> PathBuf {
        self.directory.join("input.parquet")
    }

    /// Parquet file of what MLflow predicts for them.
    pub fn expected(&self) -> PathBuf {
        self.directory.join("expected.parquet")
    }
}

/// The model of that name, from `MLFLIGHT_TEST_MODELS`, else `build/test-models`; made on first use.
pub fn model(name: &str) -> TestModel {
    static MAKING: Mutex<()> = Mutex::new(());
    let models = std::env::var_os("MLFLIGHT_TEST_MODELS").map_or_else(|| root().join("build/test-models"), PathBuf::from);
    let directory = models.join(name);
    let guard = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !directory.is_dir() {
        let output = Command::new(python()).arg(root().join("tests/make_models.py")).arg(&models).arg(name).output().unwrap();
        assert!(output.status.success(), "make_models.py {name} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    drop(guard);
    TestModel { directory }
}

/// The batches of a Parquet file, read by Python: the core has no Parquet reader.
pub fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    let program = "import sys, pyarrow as pa, pyarrow.parquet as pq\nt = pq.read_table(sys.argv[2])\n\
                   with pa.OSFile(sys.argv[1], 'wb') as f, pa.ipc.new_file(f, t.schema) as w: w.write_table(t)";
    arrow_file(program, &[path.to_str().unwrap()])
}

/// The one batch that a Python program writes as an Arrow IPC file to the path it is given.
pub fn arrow_from(program: &str) -> RecordBatch {
    arrow_file(program, &[]).swap_remove(0)
}

fn arrow_file(program: &str, arguments: &[&str]) -> Vec<RecordBatch> {
    let arrow = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new(python()).args(["-c", program]).arg(arrow.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    arrow_batches(arrow.path()).1
}

fn arrow_batches(path: &Path) -> (SchemaRef, Vec<RecordBatch>) {
    let reader = arrow::ipc::reader::FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    (reader.schema(), reader.collect::<Result<_, _>>().unwrap())
}

/// An Arrow IPC file as one batch.
pub fn read_arrow(path: &Path) -> RecordBatch {
    let (schema, batches) = arrow_batches(path);
    concat_batches(&schema, &batches).unwrap()
}

/// The batch with another column in the place of the one of that name.
pub fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
        let column = if field.name() == name { column.clone() } else { old.clone() };
        (field.name().clone(), column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}
