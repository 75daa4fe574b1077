//! Model files of older LightGBMs, committed with what those predicted (`tests/data/lightgbm/make.py`).

use std::{collections::HashSet, fs, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Float64Type},
};
use mlflight::{error::Error, score::Model};
use serde_json::{Value, json};

use crate::support::native;

/// The model in a file, as MLflow saved it with that version, or why it is not scored natively.
fn load(file: &Path, version: &str) -> Result<Arc<dyn Model>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    fs::copy(file, directory.path().join(name)).unwrap();
    let class = match name.split('.').next().unwrap().split('_').next() {
        _ if name.ends_with(".lgb") => "lightgbm.basic.Booster",
        Some("classifier") => "lightgbm.sklearn.LGBMClassifier",
        _ => "lightgbm.sklearn.LGBMRegressor",
    };
    let keys = format!("    data: {name}\n    lgb_version: {version}\n    model_class: {class}\n");
    fs::write(directory.path().join("MLmodel"), format!("flavors:\n  lightgbm:\n{keys}")).unwrap();
    native::load(directory.path(), None)
}

/// A decimal, which the script writes as text.
fn decimal(value: &Value) -> Option<f64> {
    value.as_str().map_or_else(|| value.as_f64(), |text| Some(text.parse().unwrap()))
}

/// The table in a case's description.
fn table(columns: &Value) -> RecordBatch {
    let column = |column: &Value| -> (String, ArrayRef, bool) {
        let values = column["values"].as_array().unwrap().iter();
        let array: ArrayRef = match column["kind"].as_str().unwrap() {
            "float" => Arc::new(values.map(decimal).collect::<Float64Array>()),
            "int" => Arc::new(values.map(Value::as_i64).collect::<Int64Array>()),
            "flag" => Arc::new(values.map(Value::as_bool).collect::<BooleanArray>()),
            _ => Arc::new(values.map(Value::as_str).collect::<StringArray>()),
        };
        (column["name"].as_str().unwrap().into(), array, true)
    };
    RecordBatch::try_from_iter_with_nullable(columns.as_array().unwrap().iter().map(column)).unwrap()
}

/// Whether an answer is that of the case, numbers to the bit.
fn same(answer: &RecordBatch, expected: &Value) -> bool {
    let rows = expected.as_array().unwrap();
    let column = |at: usize, column: &ArrayRef| {
        let cells = rows.iter().map(|row| &row[at]);
        if column.data_type() == &DataType::Utf8 {
            return column.as_string::<i32>().iter().eq(cells.map(Value::as_str));
        }
        let numbers = cast(column, &DataType::Float64).unwrap();
        let bits = |number: Option<f64>| number.map(f64::to_bits);
        numbers.as_primitive::<Float64Type>().iter().map(bits).eq(cells.map(|cell| bits(decimal(cell))))
    };
    answer.num_rows() == rows.len()
        && rows.iter().all(|row| row.as_array().unwrap().len() == answer.num_columns())
        && answer.columns().iter().enumerate().all(|(at, array)| column(at, array))
}

#[test]
fn files_of_every_version_give_what_their_lightgbm_gave() {
    let (mut versions, mut files) = (HashSet::new(), 0);
    for (version, file) in native::of_old_versions("lightgbm", "json") {
        let case: Value = serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap();
        let model = load(&file, &version);
        // ln(1 + exp(x)) was computed in another way.
        if version.as_str() < "3.3" && version != "2.1.2" && file.file_stem().is_some_and(|name| name == "cross_entropy_lambda") {
            let error = model.err().unwrap();
            assert!(error.code() == "NEEDS_PYTHON" && error.message().contains("has no kernel for LightGBM"), "{error}");
            continue;
        }
        if version == "2.1.2" {
            let error = model.err().unwrap();
            assert!(error.code() == "NEEDS_PYTHON" && error.message().contains("before 2.2.3"), "{error}");
            continue;
        }
        let model = model.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let answer = native::score(&*model, json!({}), &table(&case["columns"])).unwrap();
        assert!(same(&answer, &case["predict"]), "{}: {answer:?} for {}", file.display(), case["predict"]);
        files += 1;
        versions.insert(version);
    }
    assert!(versions.len() >= 13 && files >= 130, "{versions:?}, {files} files");
}
