//! Model files of older XGBoosts, committed with what those predicted (`tests/data/xgboost/make.py`).

use std::{fs, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, RecordBatch},
    datatypes::Float32Type,
};
use mlflight::{
    error::Error,
    flavors::{self, Engine, LoadOptions},
    mlmodel::MlModel,
    score::{Context, Model, SessionOptions},
};
use serde_json::{Map, Value, json};

use crate::support;

/// The rows that `make.py` scores.
fn rows(count: usize) -> RecordBatch {
    let mut state = 12_345u64;
    let values: Vec<f64> = (0..count * 5)
        .map(|at| {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            if at % 11 == 3 { f64::NAN } else { (((state >> 8) % 256) as f64 - 128.0) / 16.0 }
        })
        .collect();
    let column =
        |feature: usize| -> ArrayRef { Arc::new((0..count).map(|row| values[row * 5 + feature]).collect::<Float64Array>()) };
    RecordBatch::try_from_iter((0..5).map(|feature| (format!("f{feature}"), column(feature)))).unwrap()
}

/// The model in a file, as MLflow saved a Booster of that version, or why it is not scored natively.
fn load(file: &Path, version: &str) -> Result<Arc<dyn Model>, Error> {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(file, directory.path().join("model.xgb")).unwrap();
    let flavor = format!("flavors:\n  xgboost:\n    data: model.xgb\n    xgb_version: {version}\n");
    fs::write(directory.path().join("MLmodel"), flavor).unwrap();
    let options = LoadOptions { engine: Engine::Native, ..Default::default() };
    let mlmodel = MlModel::load(directory.path()).unwrap();
    flavors::load(&mlmodel, directory.path(), &options).map(|loaded| loaded.model)
}

fn score(model: &dyn Model, params: Value, batch: &RecordBatch) -> Vec<Vec<f32>> {
    let params = params.as_object().cloned().unwrap_or_else(Map::new);
    let mut session = model.session(&SessionOptions { params, ..Default::default() }).unwrap();
    let answer = session.score(batch, &Context::default()).unwrap();
    let columns: Vec<_> = answer.columns().iter().map(|column| column.as_primitive::<Float32Type>()).collect();
    (0..answer.num_rows()).map(|row| columns.iter().map(|column| column.value(row)).collect()).collect()
}

fn floats(rows: &Value) -> Vec<Vec<f32>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect();
    rows.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn files_of_every_version_give_what_their_xgboost_gave() {
    let (mut versions, mut files) = (0, 0);
    let batch = rows(24);
    for version in fs::read_dir(support::root().join("tests/data/xgboost")).unwrap() {
        let directory = version.unwrap().path();
        if !directory.is_dir() {
            continue;
        }
        versions += 1;
        let version = directory.file_name().unwrap().to_str().unwrap();
        for file in fs::read_dir(&directory).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|suffix| suffix == "expected") {
                continue;
            }
            let expected: Value = serde_json::from_slice(&fs::read(file.with_extension("expected")).unwrap()).unwrap();
            let model = load(&file, version);
            if file.file_stem().is_some_and(|name| name == "dart") {
                let error = model.err().unwrap();
                assert!(error.code() == "NEEDS_PYTHON" && error.message().contains("sums in another order"), "{error}");
                continue;
            }
            let model = model.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            // Margins to the bit, but for XGBoost 1.0: it summed the leaves before it added the intercept. The link's `exp` is that
            // of the C library an XGBoost was built with.
            let sums_apart = version.starts_with("1.0.");
            for (params, kind, steps) in [(json!({}), "predict", 4), (json!({"output_margin": true}), "margin", 0)] {
                let (found, wanted) = (score(&*model, params, &batch), floats(&expected[kind]));
                let place = || format!("{} {kind}", file.display());
                assert_eq!(found.len(), wanted.len(), "{}", place());
                for (row, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    assert_eq!(found.len(), wanted.len(), "{} row {row}", place());
                    let apart = found.iter().zip(wanted).map(|(a, b)| a.to_bits().abs_diff(b.to_bits())).max();
                    let near = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-6 * (1.0 + b.abs()));
                    let fits = if sums_apart { near } else { apart <= Some(steps) };
                    assert!(fits, "{} row {row}: {found:?} for {wanted:?}", place());
                }
            }
            files += 1;
        }
    }
    assert!(versions >= 6 && files >= 50, "{versions} versions, {files} files");
}
