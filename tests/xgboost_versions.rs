//! Model files of older XGBoosts, committed with what those predicted (`tests/data/xgboost/make.py`).

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Float64Type},
};
use mlflight::{error::Error, score::Model};
use serde_json::{Value, json};

use crate::support::{self, native, with_column};

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

/// The rows with whole numbers and truth values among them.
fn mixed(plain: &RecordBatch) -> RecordBatch {
    let column = |name: &str| plain.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter();
    let number = |value: Option<f64>| value.filter(|value| !value.is_nan()).unwrap_or_default();
    let whole: Int64Array = column("f3").map(|value| number(value).floor() as i64).collect::<Vec<_>>().into();
    let flags: BooleanArray = column("f4").map(|value| number(value) > 0.0).collect::<Vec<_>>().into();
    with_column(&with_column(plain, "f3", Arc::new(whole)), "f4", Arc::new(flags))
}

/// The rows with a category by name among them.
fn words(plain: &RecordBatch) -> RecordBatch {
    let names = ["amber", "blue", "oil", "rust"];
    let names: StringArray =
        (0..plain.num_rows()).map(|row| if row % 9 == 0 { None } else { Some(names[row * 7 % 4]) }).collect();
    with_column(plain, "f4", Arc::new(names))
}

/// The model in a file, as MLflow saved one of that version and class, or why it is not scored natively.
fn load(file: &Path, version: &str, class: Option<&str>) -> Result<Arc<dyn Model>, Error> {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(file, directory.path().join("model.xgb")).unwrap();
    let class = class.map_or_else(|| "core.Booster".to_owned(), |name| format!("sklearn.{name}"));
    let keys = format!("    data: model.xgb\n    xgb_version: {version}\n    model_class: xgboost.{class}\n");
    fs::write(directory.path().join("MLmodel"), format!("flavors:\n  xgboost:\n{keys}")).unwrap();
    native::load(directory.path(), None)
}

/// The cells of an answer, a list a row: texts, and numbers as the doubles they are.
fn cells(answer: &RecordBatch) -> Vec<Vec<Value>> {
    let column = |column: &ArrayRef| -> Vec<Value> {
        if column.data_type() == &DataType::Utf8 {
            return column.as_string::<i32>().iter().map(Value::from).collect();
        }
        let numbers = cast(column, &DataType::Float64).unwrap();
        numbers.as_primitive::<Float64Type>().iter().map(Value::from).collect()
    };
    let columns: Vec<Vec<Value>> = answer.columns().iter().map(column).collect();
    (0..answer.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

/// Whether two cells are the same, or singles no more than `steps` apart.
fn near(found: &Value, wanted: &Value, steps: u32) -> bool {
    let single = |value: &Value| value.as_f64().map(|number| number as f32);
    match (single(found), single(wanted)) {
        (Some(found), Some(wanted)) => {
            found.is_sign_negative() == wanted.is_sign_negative() && found.to_bits().abs_diff(wanted.to_bits()) <= steps
        }
        _ => found == wanted,
    }
}

#[test]
fn files_of_every_version_give_what_their_xgboost_gave() {
    let (mut versions, mut files) = (HashSet::new(), 0);
    let plain = rows(24);
    let ninefold = plain.column(4).as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value * 9.0);
    let codes = with_column(&plain, "f4", Arc::new(ninefold));
    let (mixed, words) = (mixed(&plain), words(&plain));
    for (version, file) in native::of_old_versions("xgboost", "expected") {
        let expected: Value = serde_json::from_slice(&fs::read(file.with_extension("expected")).unwrap()).unwrap();
        let batch = match file.file_stem().and_then(|name| name.to_str()) {
            Some("categories") => &codes,
            Some("flags" | "regressor_weights") => &mixed,
            Some("words") => &words,
            _ => &plain,
        };
        let model = load(&file, &version, expected["class"].as_str());
        let cut = file.file_stem().is_some_and(|name| name == "words_cut");
        if version == "0.90" || cut {
            let reason = if cut { "cuts short" } else { "before 1.0" };
            let error = model.err().unwrap();
            assert!(error.code() == "NEEDS_PYTHON" && error.message().contains(reason), "{error}");
            continue;
        }
        let model = model.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // Margins to the bit. The link's `exp` is that of the C library an XGBoost was built with.
        for (params, kind, steps) in [(json!({}), "predict", 4), (json!({"output_margin": true}), "margin", 0)] {
            let found = cells(&native::score(&*model, params, batch).unwrap());
            let wanted = expected[kind].as_array().unwrap();
            assert_eq!(found.len(), wanted.len(), "{} {kind}", file.display());
            for (row, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let wanted = wanted.as_array().unwrap();
                let same = found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| near(a, b, steps));
                assert!(same, "{} {kind} row {row}: {found:?} for {wanted:?}", file.display());
            }
        }
        files += 1;
        versions.insert(version);
    }
    assert!(versions.len() >= 14 && files >= 260, "{versions:?}, {files} files");
}

/// The binary files of one version.
fn binaries(version: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(support::root().join("tests/data/xgboost").join(version)).unwrap();
    let files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|file| file.extension().is_some_and(|s| s == "bin")).collect();
    assert!(files.len() >= 10, "{} binary files of {version}", files.len());
    files
}

/// What becomes of a model whose file holds these bytes.
fn load_bytes(bytes: &[u8], version: &str) -> Result<Arc<dyn Model>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bytes.bin");
    fs::write(&file, bytes).unwrap();
    load(&file, version, None)
}

#[test]
fn a_binary_file_that_was_cut_is_refused() {
    for file in binaries("1.5.2") {
        let bytes = fs::read(&file).unwrap();
        for end in (0..bytes.len()).step_by(41) {
            let error = load_bytes(&bytes[..end], "1.5.2").err().unwrap();
            assert_eq!(error.code(), "MODEL_FILE_INVALID", "{} cut at {end}: {error}", file.display());
        }
    }
}

#[test]
fn a_damaged_binary_file_never_panics() {
    let batch = rows(300);
    let mut scored = 0;
    for file in binaries("2.1.4") {
        let bytes = fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(29) {
            let mut damaged = bytes.clone();
            damaged[at] ^= [0x01, 0x80, 0xff, 0x7f][at % 4];
            if let Ok(model) = load_bytes(&damaged, "2.1.4") {
                let _ = native::score(&*model, json!({}), &batch);
                scored += 1;
            }
        }
    }
    assert!(scored > 100, "{scored} models");
}
