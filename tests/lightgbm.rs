//! The lightgbm flavor against LightGBM itself: every objective, class and format, bit by bit, on every kernel path.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Float64Type},
};
use mlflight::{
    flavors::{self, Engine, LoadOptions},
    mlmodel::MlModel,
    models::LoadedModel,
    score::{Context, Model, ScoreOptions},
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{
    native::{self, assert_same, score},
    read_arrow, with_column,
};

/// The directory of the cases that `make_lightgbm.py` makes, made on first use.
fn cases() -> &'static Path {
    static CASES: OnceLock<PathBuf> = OnceLock::new();
    CASES.get_or_init(|| native::made("lightgbm"))
}

struct Case {
    model: Arc<dyn Model>,
    input: RecordBatch,
    expected: RecordBatch,
}

fn case(name: &str) -> Case {
    let directory = cases().join(name);
    Case {
        model: native::load(&directory.join("model"), None).unwrap_or_else(|error| panic!("{name}: {error}")),
        input: read_arrow(&directory.join("input.arrow")),
        expected: read_arrow(&directory.join("expected.arrow")),
    }
}

#[test]
fn every_case_gives_lightgbms_own_bits() {
    let mut seen = 0;
    for name in native::names(cases()).into_iter().filter(|name| !name.starts_with("python_")) {
        let case = case(&name);
        let answer = score(&*case.model, json!({}), &case.input).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_same(&name, &answer, &case.expected, "");
        if case.expected.column_by_name("p0").is_some() {
            let model = native::load(&cases().join(&name).join("model"), Some("predict_proba")).unwrap();
            assert_same(&name, &score(&*model, json!({}), &case.input).unwrap(), &case.expected, "p");
        }
        let kind = answer.schema().field(0).data_type().clone();
        let width = answer.num_columns() as i32;
        let declared = if width == 1 { kind } else { DataType::new_fixed_size_list(kind, width, true) };
        assert_eq!(case.model.output(), Some(declared), "{name}");
        assert!(case.model.memory() > 0);
        seen += 1;
    }
    assert!(seen >= 55, "{seen} cases");
}

#[test]
fn the_portable_path_gives_the_same_bits() {
    cases();
    let (passed, text) = native::with_kernel("portable", "lightgbm::every_case_gives_lightgbms_own_bits");
    assert!(passed, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]
    #[test]
    fn any_split_of_a_batch_gives_the_same_answer(cuts in prop::collection::vec(0usize..1500, 0..8), pick in 0usize..5) {
        let name = ["booster_multiclass", "booster_codes", "booster_words", "booster_linear", "classifier_words"][pick];
        let case = case(name);
        assert_same(name, &native::score_in_parts(&*case.model, &case.input, cuts), &case.expected, "");
    }
}

#[test]
fn the_scorer_answers_with_one_column() {
    let uri = cases().join("booster_binary/model");
    let model = LoadedModel::load(uri.to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((model.engine, model.flavor.as_str()), (Engine::Native, "lightgbm"));
    let case = case("booster_binary");
    let scorer = model.scorer(ScoreOptions::default()).unwrap();
    let answer = scorer.open(&case.input.schema()).unwrap().score(&case.input, &Context::default()).unwrap();
    assert_eq!(answer.schema().field(0).name(), "prediction");
    assert_eq!(answer.column(0).to_data(), case.expected.column(0).to_data());
}

#[test]
fn columns_go_by_their_places_and_their_number_is_checked() {
    let case = case("booster_binary");
    let renamed: Vec<_> =
        case.input.columns().iter().enumerate().map(|(at, column)| (format!("x{at}"), column.clone(), true)).collect();
    let renamed = RecordBatch::try_from_iter_with_nullable(renamed).unwrap();
    assert_same("renamed", &score(&*case.model, json!({}), &renamed).unwrap(), &case.expected, "");
    let fails = |batch: &RecordBatch| score(&*case.model, json!({}), batch).unwrap_err();
    let fewer = fails(&case.input.project(&[0, 1, 2]).unwrap());
    assert_eq!((fewer.code(), fewer.expected_text(), fewer.found_text()), ("FEATURE_MISMATCH", Some("10"), Some("3")));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; case.input.num_rows()]));
    assert_eq!(fails(&with_column(&case.input, "count", text)).code(), "FEATURE_MISMATCH");
    let dates = cast(case.input.column_by_name("count").unwrap(), &DataType::Date64).unwrap();
    let mistyped = fails(&with_column(&case.input, "count", dates));
    assert_eq!((mistyped.code(), mistyped.column_name()), ("TYPE_MISMATCH", Some("count")));
}

#[test]
fn categories_are_known_by_name_however_a_column_holds_them() {
    let case = case("booster_words");
    let word = case.input.column_by_name("word").unwrap();
    assert!(matches!(word.data_type(), DataType::Dictionary(..)));
    for kind in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        let batch = with_column(&case.input, "word", cast(word, &kind).unwrap());
        assert_same("plain text", &score(&*case.model, json!({}), &batch).unwrap(), &case.expected, "");
    }
    // A word that was never seen is missing, as null is.
    let rows = case.input.num_rows();
    let unseen = with_column(&case.input, "word", Arc::new(StringArray::from(vec!["yak"; rows])));
    let absent = with_column(&case.input, "word", Arc::new(StringArray::from(vec![None::<&str>; rows])));
    let answer = |batch: &RecordBatch| score(&*case.model, json!({}), batch).unwrap().column(0).to_data();
    assert_eq!(answer(&unseen), answer(&absent));
    assert_ne!(answer(&unseen), case.expected.column(0).to_data());
    let coded = with_column(&case.input, "word", Arc::new(Float64Array::from(vec![1.0; rows])));
    assert_eq!(score(&*case.model, json!({}), &coded).unwrap_err().code(), "FEATURE_MISMATCH");
}

#[test]
fn params_change_nothing_as_in_mlflow() {
    let case = case("booster_binary");
    let answer = score(&*case.model, json!({"raw_score": true, "num_iteration": 1}), &case.input).unwrap();
    assert_same("params", &answer, &case.expected, "");
}

#[test]
fn no_rows_give_no_answers() {
    let case = case("classifier_words");
    let answer = score(&*case.model, json!({}), &case.input.slice(0, 0)).unwrap();
    assert_eq!((answer.num_rows(), answer.column(0).data_type()), (0, &DataType::Utf8));
}

/// A copy of a case's model whose file is what `change` makes of it.
fn changed(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    native::changed(&cases().join(name).join("model"), &["model.lgb", "model.skops", "model.pkl"], change)
}

#[test]
fn what_is_not_native_says_why() {
    let reason = |directory: &Path| {
        let (engine, reason) = flavors::explain(&MlModel::load(directory).unwrap(), directory).unwrap();
        assert_eq!(engine, Engine::Python, "{reason}");
        reason
    };
    let of = |name: &str| reason(&cases().join(name).join("model"));
    assert!(of("python_whole_number_categories").contains("categories of its pandas columns are not all text"));
    assert!(of("python_early_stop").contains("'pred_early_stop'"));
    assert!(of("python_custom").contains("cloudpickle"), "{}", of("python_custom"));
    let swap = |name: &str, from: &str, to: &str| {
        let directory = changed(name, |bytes| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes());
        reason(directory.path())
    };
    assert!(swap("booster_binary", "objective=binary", "objective=ternary").contains("'ternary sigmoid:1'"));
    assert!(swap("booster_binary", "version=v4", "version=v9").contains("format v9"));
    let edit = |from: &str, to: &str| {
        let directory = changed("booster_binary", |bytes| bytes);
        let mlmodel = fs::read_to_string(directory.path().join("MLmodel")).unwrap();
        assert!(mlmodel.contains(from));
        fs::write(directory.path().join("MLmodel"), mlmodel.replace(from, to)).unwrap();
        reason(directory.path())
    };
    assert!(edit("lgb_version: 4.7.0", "lgb_version: 2.1.0").contains("before 2.2.3"));
    assert!(edit("lightgbm.basic.Booster", "my.Booster").contains("my.Booster"));
    let booster = cases().join("booster_binary/model");
    let error = native::load(&booster, Some("predict_proba")).err().unwrap();
    assert!(error.message().contains("a classifier's"), "{error}");
    let (engine, _) = flavors::explain(&MlModel::load(&booster).unwrap(), &booster).unwrap();
    assert_eq!(engine, Engine::Native);
}

#[test]
fn globals_are_those_of_the_estimator() {
    let globals = |name: &str| {
        let directory = cases().join(name).join("model");
        flavors::globals(&MlModel::load(&directory).unwrap(), &directory)
    };
    for name in ["classifier_words", "classifier_two_words"] {
        let globals = globals(name);
        for expected in ["lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "sklearn.preprocessing._label.LabelEncoder"]
        {
            assert!(globals.iter().any(|name| name == expected), "{globals:?}");
        }
    }
    assert!(globals("booster_binary").is_empty());
}

#[test]
fn a_model_file_that_was_cut_among_its_trees_is_refused() {
    for part in 0..60 {
        let cut = changed("booster_words", |mut bytes| {
            let end = bytes.windows(12).position(|window| window == b"end of trees").unwrap();
            bytes.truncate(end * part / 60);
            bytes
        });
        let error = native::load(cut.path(), None).err().unwrap();
        // What ends before its version is taken for a file of an old one.
        let wanted = if part < 1 { "MODEL_FILE_INVALID" } else { error.code() };
        assert!(["MODEL_FILE_INVALID", "NEEDS_PYTHON"].contains(&error.code()) && error.code() == wanted, "{part}/60: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]
    #[test]
    fn a_damaged_file_never_panics(at in 0.0f64..1.0, byte: u8, pick in 0usize..3) {
        let name = ["booster_codes", "booster_linear", "classifier_two_flags"][pick];
        let damaged = changed(name, |mut bytes| {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
            bytes
        });
        if let Ok(model) = native::load(damaged.path(), None) {
            let input = read_arrow(&cases().join(name).join("input.arrow"));
            let _ = score(&*model, json!({}), &input.slice(0, 300));
        }
    }
}

#[test]
fn nullable_and_narrow_columns_are_numbers() {
    let case = case("booster_binary");
    let count = case.input.column_by_name("count").unwrap();
    let narrow = with_column(&case.input, "count", cast(count, &DataType::Int16).unwrap());
    assert_same("narrow", &score(&*case.model, json!({}), &narrow).unwrap(), &case.expected, "");
    // A null is what NaN is.
    let values = case.input.column_by_name("f0").unwrap().as_primitive::<Float64Type>().clone();
    let nulls: ArrayRef = Arc::new(values.iter().map(|value| value.filter(|value| !value.is_nan())).collect::<Float64Array>());
    let nans: ArrayRef = Arc::new(values.iter().map(|value| Some(value.unwrap_or(f64::NAN))).collect::<Float64Array>());
    assert!(nulls.null_count() > 100 && nans.null_count() == 0);
    for column in [nulls, nans] {
        let batch = with_column(&case.input, "f0", column);
        assert_same("nulls", &score(&*case.model, json!({}), &batch).unwrap(), &case.expected, "");
    }
}
