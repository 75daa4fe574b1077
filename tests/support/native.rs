//! What the suites of native flavors share: cases made by the original library, and answers compared with its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float32Type, Float64Type},
};
use mlflight::{
    error::Error,
    flavors::{self, Engine, LoadOptions, PythonRuntime},
    mlmodel::MlModel,
    score::{Context, Model, SessionOptions},
};
use serde_json::Value;

/// The directory of the cases that `tests/make_SUITE.py` makes, made where they are not there yet.
pub fn made(suite: &str) -> PathBuf {
    let models = std::env::var_os("MLFLIGHT_TEST_MODELS");
    let out = models.map_or_else(|| super::root().join("build/test-models"), PathBuf::from).join(suite);
    let script = super::root().join(format!("tests/make_{suite}.py"));
    // Python takes seconds to find out that nothing is to do: the script that made the cases lies beside them.
    let made_by = out.join(".made-by");
    let text = fs::read(&script).unwrap();
    if fs::read(&made_by).is_ok_and(|made_by| made_by == text) {
        return out;
    }
    let output = Command::new(super::python()).arg(&script).arg(&out).env("OMP_NUM_THREADS", "1").output().unwrap();
    assert!(output.status.success(), "{} failed:\n{}", script.display(), String::from_utf8_lossy(&output.stderr));
    fs::write(made_by, text).unwrap();
    out
}

/// The names of the cases in a directory.
pub fn names(cases: &Path) -> Vec<String> {
    let entries = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap());
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with(['.', '_']) && !name.starts_with("tmp")).collect()
}

/// The model in a directory, natively or not at all. `method` is the `predict_fn`.
pub fn load(directory: &Path, method: Option<&str>) -> Result<Arc<dyn Model>, Error> {
    let options = LoadOptions { engine: Engine::Native, predict_fn: method.map(str::to_owned), ..Default::default() };
    flavors::load(&MlModel::load(directory)?, directory, &options).map(|loaded| loaded.model)
}

/// Options whose Python is the test interpreter.
pub fn local_python() -> LoadOptions {
    let python = PythonRuntime { executable: Some(super::python()), ..PythonRuntime::default() };
    LoadOptions { python, ..LoadOptions::default() }
}

/// Scores a batch with params.
pub fn score(model: &dyn Model, params: Value, batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let Value::Object(params) = params else { panic!("params are an object") };
    let options = SessionOptions { params, ..Default::default() };
    model.session(&options)?.score(batch, &Context::default())
}

/// The columns whose names are a prefix and a number, in order.
pub fn columns_under(table: &RecordBatch, prefix: &str) -> Vec<ArrayRef> {
    (0..).map_while(|at: usize| table.column_by_name(&format!("{prefix}{at}")).cloned()).collect()
}

/// The bits of a column of floats, so that NaN equals itself and 0 is not -0.
pub fn bits(column: &ArrayRef) -> Option<Vec<u64>> {
    assert_eq!(column.null_count(), 0);
    match column.data_type() {
        DataType::Float32 => {
            Some(column.as_primitive::<Float32Type>().values().iter().map(|value| u64::from(value.to_bits())).collect())
        }
        DataType::Float64 => Some(column.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()).collect()),
        _ => None,
    }
}

/// Compares the columns of an answer with those expected under a prefix: their types, and their values to the last bit.
pub fn assert_same(name: &str, answer: &RecordBatch, expected: &RecordBatch, prefix: &str) {
    let schema = expected.schema();
    let wanted: Vec<&String> = schema
        .fields()
        .iter()
        .map(|field| field.name())
        .filter(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u32>().is_ok()))
        .collect();
    assert_eq!(answer.num_columns(), wanted.len(), "{name}: columns of the answer '{prefix}'");
    for (at, wanted) in wanted.into_iter().enumerate() {
        assert_eq!(answer.schema().field(at).name(), &at.to_string());
        let (got, expected) = (answer.column(at), expected.column_by_name(wanted).unwrap());
        assert_eq!(got.data_type(), expected.data_type(), "{name}: type of '{wanted}'");
        match bits(got).zip(bits(expected)) {
            Some((got, expected)) => {
                let wrong: Vec<usize> = (0..got.len()).filter(|&row| got[row] != expected[row]).collect();
                let first = wrong.first().copied().unwrap_or_default();
                assert!(wrong.is_empty(), "{name}: {} of {} rows differ in '{wanted}', first {first}", wrong.len(), got.len());
            }
            None => assert_eq!(got.to_data(), expected.to_data(), "{name}: '{wanted}'"),
        }
    }
}

/// What a model answers to a batch that is cut before these rows, joined again.
pub fn score_in_parts(model: &dyn Model, input: &RecordBatch, cuts: Vec<usize>) -> RecordBatch {
    let mut bounds: Vec<usize> = cuts.into_iter().chain([0, input.num_rows()]).collect();
    bounds.sort_unstable();
    let mut session = model.session(&SessionOptions::default()).unwrap();
    let parts: Vec<RecordBatch> = bounds
        .windows(2)
        .map(|pair| session.score(&input.slice(pair[0], pair[1] - pair[0]), &Context::default()).unwrap())
        .collect();
    concat_batches(&parts[0].schema(), &parts).unwrap()
}

/// A copy of a model whose file, the first of these names that is there, is what `change` makes of it.
pub fn changed(model: &Path, files: &[&str], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::copy(model.join("MLmodel"), to.path().join("MLmodel")).unwrap();
    let file = files.iter().find(|file| model.join(file).exists());
    let file = file.unwrap_or_else(|| panic!("{} has no model file", model.display()));
    fs::write(to.path().join(file), change(fs::read(model.join(file)).unwrap())).unwrap();
    to
}

/// The committed files of a suite that are no expected answers, each with the version of the library that wrote it.
pub fn of_old_versions(suite: &str, expected: &str) -> Vec<(String, PathBuf)> {
    let inside = |directory: PathBuf| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let directories = inside(super::root().join("tests/data").join(suite)).filter(|path| path.is_dir());
    let files = directories.flat_map(|directory| {
        let version = directory.file_name().unwrap().to_str().unwrap().to_owned();
        inside(directory).map(move |file| (version.clone(), file))
    });
    files.filter(|(_, file)| file.extension().is_some_and(|suffix| suffix != expected)).collect()
}

/// Runs a test of this binary once more with another value of `MLFLIGHT_KERNEL`; whether it passed, and what it said.
pub fn with_kernel(kernel: &str, test: &str) -> (bool, String) {
    let output =
        Command::new(std::env::current_exe().unwrap()).args([test, "--exact"]).env("MLFLIGHT_KERNEL", kernel).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success() && text.contains("1 passed"), text.into_owned())
}
