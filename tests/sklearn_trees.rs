//! Trees and ensembles of trees of every minor version of scikit-learn, committed with what that version answered
//! (`tests/make_sklearn_trees.py`).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    ipc::reader::FileReader,
};
use mlflight::{error::Error, score::Model};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use crate::{
    sklearn::{difference, expected},
    support::{self, native},
};

/// Every minor version from the first whose models are tried.
const VERSIONS: [&str; 16] =
    ["0.19", "0.20", "0.21", "0.22", "0.23", "0.24", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"];

/// The one batch in the bytes of an Arrow file.
fn batch(bytes: &[u8]) -> RecordBatch {
    let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

/// The columns that are no answers.
fn input(table: &RecordBatch) -> RecordBatch {
    let inputs = (0..table.num_columns()).filter(|&at| !table.schema().field(at).name().contains(':'));
    table.project(&inputs.collect::<Vec<_>>()).unwrap()
}

/// A pickle as MLflow saved it.
fn load(directory: &Path, pickle: &[u8], method: &str) -> Result<std::sync::Arc<dyn Model>, Error> {
    fs::write(directory.join("model.pkl"), pickle).unwrap();
    let text = "flavors:\n  sklearn:\n    pickled_model: model.pkl\n    serialization_format: pickle\n";
    fs::write(directory.join("MLmodel"), text).unwrap();
    native::load(directory, Some(method))
}

#[test]
fn trees_of_every_age_give_their_own_answers() {
    let (mut seen, mut wrong, mut python) =
        (BTreeMap::<String, usize>::new(), Vec::new(), BTreeMap::<String, Vec<String>>::new());
    let directory = tempfile::tempdir().unwrap();
    for version in fs::read_dir(support::root().join("tests/data/sklearn")).unwrap() {
        let file = version.unwrap().path().join("trees.parquet");
        if !file.exists() {
            continue;
        }
        let version = file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let cases = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap().build().unwrap();
        for cases in cases.map(Result::unwrap) {
            let column = |name: &str| cases.column_by_name(name).unwrap();
            let bytes = |name: &str, at: usize| column(name).as_binary::<i32>().value(at).to_vec();
            for at in 0..cases.num_rows() {
                let (name, exact) = (column("name").as_string::<i32>().value(at), column("exact").as_boolean().value(at));
                let mut tables = vec![("", batch(&bytes("rows", at)))];
                if !column("missing").is_null(at) {
                    tables.push(("@missing", batch(&bytes("missing", at))));
                }
                for method in ["predict", "predict_proba", "decision_function"] {
                    if expected(&tables[0].1, method).is_empty() {
                        continue;
                    }
                    let model = match load(directory.path(), &bytes("model", at), method) {
                        Ok(model) => model,
                        Err(error) if error.code() == "NEEDS_PYTHON" => {
                            python.entry(error.message().to_owned()).or_default().push(format!("{version} {name} {method}"));
                            continue;
                        }
                        Err(error) => {
                            wrong.push(format!("{version} {name} {method}: {error}"));
                            continue;
                        }
                    };
                    for (which, table) in &tables {
                        let expected = expected(table, method);
                        let about = json!({ "exact": exact });
                        let scored = catch_unwind(AssertUnwindSafe(|| native::score(&*model, json!({}), &input(table))));
                        let Ok(scored) = scored else {
                            wrong.push(format!("{version} {name}{which} {method}: a panic"));
                            continue;
                        };
                        let found = match scored {
                            Ok(_) if expected.is_empty() => Some("answered what is refused".to_owned()),
                            Ok(answer) => difference(&answer, &expected, method, &about),
                            // Refused by the library too.
                            Err(error) if expected.is_empty() && error.code() == "MISSING_VALUE" => None,
                            Err(error) => Some(error.to_string()),
                        };
                        if let Some(difference) = found {
                            wrong.push(format!("{version} {name}{which} {method}: {difference}"));
                        }
                        let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
                        *seen.entry(minor).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    // Since 1.0 hardly any goes to Python.
    let known = ["algorithm 'SAMME.R'", "IsolationForest has no attribute", "has no attribute 'coef_'"];
    for (reason, cases) in &python {
        let new = cases.iter().find(|case| !case.starts_with("0."));
        assert!(new.is_none() || known.iter().any(|known| reason.contains(known)), "{reason}: {cases:?}");
    }
    for version in VERSIONS {
        assert!(seen.get(version).is_some_and(|&answers| answers > 100), "{version}: {seen:?}");
    }
}
