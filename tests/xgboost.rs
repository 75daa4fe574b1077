//! The xgboost flavor against XGBoost itself: every objective, class and format, bit by bit, on every kernel path.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{Array, ArrayRef, Float64Array, NullArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
};
use mlflight::{
    error::{Error, Kind},
    flavors::{self, Engine, LoadOptions},
    mlmodel::MlModel,
    models::LoadedModel,
    score::{Context, Model, ScoreOptions, Scorer, SessionOptions},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{
    native::{self, assert_same, score},
    read_arrow, with_column,
};

/// The directory of the cases that `make_xgboost.py` makes, made on first use.
fn cases() -> &'static Path {
    static CASES: OnceLock<PathBuf> = OnceLock::new();
    CASES.get_or_init(|| native::made("xgboost"))
}

struct Case {
    model: Arc<dyn Model>,
    input: RecordBatch,
    expected: RecordBatch,
    range: Option<Map<String, Value>>,
}

fn load(directory: &Path) -> Result<Arc<dyn Model>, Error> {
    native::load(directory, None)
}

fn case(name: &str) -> Case {
    let directory = cases().join(name);
    let range = fs::read_to_string(directory.join("range.json")).ok();
    Case {
        model: load(&directory.join("model")).unwrap_or_else(|error| panic!("{name}: {error}")),
        input: read_arrow(&directory.join("input.arrow")),
        expected: read_arrow(&directory.join("expected.arrow")),
        range: range.map(|text| serde_json::from_str(&text).unwrap()),
    }
}

#[test]
fn every_case_gives_xgboosts_own_bits() {
    let mut seen = 0;
    for name in native::names(cases()) {
        let case = case(&name);
        let answer = score(&*case.model, json!({}), &case.input).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_same(&name, &answer, &case.expected, "");
        let margins = score(&*case.model, json!({"output_margin": true}), &case.input).unwrap();
        assert_same(&name, &margins, &case.expected, "m");
        if let Some(range) = case.range {
            assert_same(&name, &score(&*case.model, range.into(), &case.input).unwrap(), &case.expected, "r");
        }
        let width = answer.num_columns();
        let kind = answer.schema().field(0).data_type().clone();
        let declared = if width == 1 { kind } else { DataType::new_fixed_size_list(kind, width as i32, true) };
        assert_eq!(case.model.output(), Some(declared), "{name}");
        assert!(case.model.memory() > 0);
        seen += 1;
    }
    assert!(seen >= 65, "{seen} cases");
}

#[test]
fn the_portable_path_gives_the_same_bits() {
    cases();
    let (passed, text) = native::with_kernel("portable", "xgboost::every_case_gives_xgboosts_own_bits");
    assert!(passed, "{text}");
}

#[test]
fn an_unknown_path_is_refused() {
    cases();
    let (passed, text) = native::with_kernel("quantum", "xgboost::every_case_gives_xgboosts_own_bits");
    assert!(!passed && text.contains("MLFLIGHT_KERNEL=quantum"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]
    #[test]
    fn any_split_of_a_batch_gives_the_same_answer(cuts in prop::collection::vec(0usize..1500, 0..8), pick in 0usize..4) {
        let name = ["booster_softprob", "booster_categorical", "deep_lossguide", "booster_linear"][pick];
        let case = case(name);
        assert_same(name, &native::score_in_parts(&*case.model, &case.input, cuts), &case.expected, "");
    }
}

#[test]
fn the_scorer_answers_with_one_column() {
    let uri = cases().join("booster_binary_logistic/model");
    let model = LoadedModel::load(uri.to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((model.engine, model.flavor.as_str()), (Engine::Native, "xgboost"));
    let case = case("booster_binary_logistic");
    let scorer = model.scorer(ScoreOptions::default()).unwrap();
    // By name: any order will do.
    let backwards: Vec<usize> = (0..case.input.num_columns()).rev().collect();
    let input = case.input.project(&backwards).unwrap();
    let answer = scorer.open(&input.schema()).unwrap().score(&input, &Context::default()).unwrap();
    assert_eq!(answer.schema().field(0).name(), "prediction");
    assert_eq!(answer.column(0).to_data(), case.expected.column(0).to_data());
}

#[test]
fn columns_that_do_not_fit_are_refused_by_name() {
    let case = case("booster_binary_logistic");
    let fails = |batch: &RecordBatch| score(&*case.model, json!({}), batch).unwrap_err();
    let fewer = fails(&case.input.project(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap());
    assert_eq!((fewer.code(), fewer.column_name()), ("FEATURE_MISMATCH", Some("flag")));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; case.input.num_rows()]));
    let mistyped = fails(&with_column(&case.input, "count", text));
    assert_eq!((mistyped.code(), mistyped.column_name()), ("TYPE_MISMATCH", Some("count")));
    let mut values = vec![0.0; case.input.num_rows()];
    values[700] = 1e300;
    let infinite: ArrayRef = Arc::new(Float64Array::from(values));
    let infinite = fails(&with_column(&case.input, "f1", infinite));
    let found = (infinite.code(), infinite.row_number(), infinite.column_name());
    assert_eq!(found, ("INFINITE_INPUT", Some(700), Some("f1")));
    let renamed = RecordBatch::try_from_iter_with_nullable(
        case.input.columns().iter().enumerate().map(|(at, column)| (format!("x{at}"), column.clone(), true)),
    );
    assert_eq!(fails(&renamed.unwrap()).column_name(), Some("x0"));
}

#[test]
fn a_category_that_was_never_seen_is_named() {
    let case = case("classifier_words");
    let mut words = vec!["c"; case.input.num_rows()];
    words[42] = "yak";
    let batch = with_column(&case.input, "word", Arc::new(StringArray::from(words)));
    let error = score(&*case.model, json!({}), &batch).unwrap_err();
    assert_eq!((error.code(), error.row_number(), error.column_name()), ("UNKNOWN_CATEGORY", Some(42), Some("word")));
    assert!(error.to_string().contains("'yak'"));
}

#[test]
fn numbers_are_no_categories_where_others_are_known_by_name() {
    // XGBoost: "Both should be either numeric or categorical", of an estimator and of a Booster.
    for (name, column) in [("classifier_words", "word"), ("booster_numbered", "word"), ("booster_numbered", "number")] {
        let case = case(name);
        let codes: ArrayRef = Arc::new(Float64Array::from(vec![1.0; case.input.num_rows()]));
        let error = score(&*case.model, json!({}), &with_column(&case.input, column, codes)).unwrap_err();
        assert_eq!((error.code(), error.column_name()), ("TYPE_MISMATCH", Some(column)), "{name}");
    }
}

#[test]
fn whole_numbers_are_names_where_xgboost_takes_them_for_names() {
    let case = case("regressor_numbered");
    // Numbers of any type, as no front end but pandas gives a dictionary.
    let column = case.input.column_by_name("number").unwrap();
    let plain = with_column(&case.input, "number", cast(column, &DataType::Float64).unwrap());
    assert_same("plain", &score(&*case.model, json!({}), &plain).unwrap(), &case.expected, "");
    let mut numbers = vec![40.0; case.input.num_rows()];
    numbers[7] = 40.5;
    let error =
        score(&*case.model, json!({}), &with_column(&plain, "number", Arc::new(Float64Array::from(numbers)))).unwrap_err();
    assert_eq!((error.code(), error.row_number(), error.column_name()), ("UNKNOWN_CATEGORY", Some(7), Some("number")));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["40"; case.input.num_rows()]));
    assert_eq!(score(&*case.model, json!({}), &with_column(&plain, "number", text)).unwrap_err().code(), "TYPE_MISMATCH");
}

/// A linear model reads every column.
#[test]
fn infinity_in_a_column_of_a_linear_model_names_it() {
    let name = native::names(cases()).into_iter().find(|name| name.starts_with("booster_linear")).unwrap();
    let case = case(&name);
    let column = case.input.schema().field(2).name().clone();
    let mut values = vec![0.0; case.input.num_rows()];
    values[300] = f64::NEG_INFINITY;
    let infinite = with_column(&case.input, &column, Arc::new(Float64Array::from(values)));
    let error = score(&*case.model, json!({}), &infinite).unwrap_err();
    assert_eq!((error.row_number(), error.column_name()), (Some(300), Some(column.as_str())));
}

#[test]
fn a_column_of_nothing_but_nulls_is_missing_everywhere() {
    let case = case("booster_binary_logistic");
    let scorer = Scorer::new(case.model.clone(), Arc::default(), ScoreOptions::default()).unwrap();
    let rows = case.input.num_rows();
    let scored = |column: ArrayRef| {
        let batch = with_column(&case.input, "f0", column);
        scorer.open(&batch.schema()).unwrap().score(&batch, &Context::default()).unwrap()
    };
    assert_eq!(scored(Arc::new(NullArray::new(rows))), scored(Arc::new(Float64Array::from(vec![f64::NAN; rows]))));
}

#[test]
fn a_column_that_training_did_not_see_is_refused_where_nothing_drops_it() {
    let directory = cases().join("booster_binary_logistic");
    let input = read_arrow(&directory.join("input.arrow"));
    let wider = |name: &str| {
        let schema = input.schema();
        let columns = schema.fields().iter().zip(input.columns());
        let columns: Vec<(String, ArrayRef, bool)> = columns.map(|(f, c)| (f.name().clone(), c.clone(), true)).collect();
        let extra: ArrayRef = Arc::new(Float64Array::from(vec![1.0; input.num_rows()]));
        RecordBatch::try_from_iter_with_nullable(std::iter::once((name.to_owned(), extra, true)).chain(columns)).unwrap()
    };
    let scored = |directory: &Path, batch: &RecordBatch| {
        let options = LoadOptions { engine: Engine::Native, ..Default::default() };
        let loaded = LoadedModel::load(directory.join("model").to_str().unwrap(), &options).unwrap();
        let scorer = loaded.scorer(ScoreOptions::default()).unwrap();
        let checked = scorer.check(&batch.schema());
        let scored = scorer.open(&batch.schema()).and_then(|mut session| session.score(batch, &Context::default()));
        assert_eq!(checked.is_ok(), scored.is_ok());
        scored
    };
    let error = scored(&directory, &wider("id")).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("FEATURE_MISMATCH", Some("id")));
    assert!(error.to_string().contains("leave the column out"), "{error}");
    // By name, so in any order; XGBoost itself asks for one.
    let backwards: Vec<usize> = (0..input.num_columns()).rev().collect();
    assert_eq!(scored(&directory, &input.project(&backwards).unwrap()).unwrap(), scored(&directory, &input).unwrap());
    let ranker = native::names(cases()).into_iter().find(|name| name.starts_with("ranker")).unwrap();
    let ranker = cases().join(ranker);
    let rows = read_arrow(&ranker.join("input.arrow"));
    assert_eq!(rows.schema().fields().len(), input.num_columns());
    // The query's id is a ranker's own column.
    assert_eq!(scored(&ranker, &wider("qid")).unwrap(), scored(&ranker, &rows).unwrap());
    assert_eq!(scored(&ranker, &wider("id")).unwrap_err().column_name(), Some("id"));
}

/// A copy of a model whose signature has these params.
fn with_params(name: &str, params: &Value) -> tempfile::TempDir {
    let copy = changed(name, |bytes| bytes);
    let path = copy.path().join("MLmodel");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\nsignature:\n  params: '{params}'\n")).unwrap();
    copy
}

#[test]
fn params_that_the_kernel_lacks_are_left_to_python_where_they_are_known() {
    let flag = |name: &str, default: bool| json!({"name": name, "type": "boolean", "default": default, "shape": null});
    let params = json!([flag("pred_contribs", false), flag("approx_contribs", false), flag("output_margin", false)]);
    let model = with_params("booster_softprob", &params);
    let mlmodel = MlModel::load(model.path()).unwrap();
    let load = |engine: Engine, given: Value| {
        let params = given.as_object().unwrap().clone();
        // No Python is started: what is loaded by it says so.
        flavors::load(&mlmodel, model.path(), &LoadOptions { engine, params, ..native::local_python() })
    };
    for given in [json!({}), json!({"output_margin": true}), json!({"approx_contribs": true}), json!({"unknown": 1})] {
        assert_eq!(load(Engine::Auto, given.clone()).unwrap().engine, Engine::Native, "{given}");
    }
    let loaded = load(Engine::Auto, json!({"pred_contribs": true, "approx_contribs": true})).unwrap();
    assert_eq!(loaded.engine, Engine::Python);
    assert!(loaded.reason.contains("'pred_contribs'"), "{}", loaded.reason);
    let error = load(Engine::Native, json!({"pred_contribs": true})).err().unwrap();
    assert_eq!((error.code(), error.kind()), ("NEEDS_PYTHON", Kind::Unimplemented));
    assert!(error.to_string().contains("'pred_contribs'") && error.to_string().contains("engine=\"python\""), "{error}");
    assert_eq!(load(Engine::Auto, json!({"output_margin": 3})).err().unwrap().kind(), Kind::InvalidArgument);
    // Defaults are known as well.
    let model = with_params("booster_softprob", &json!([flag("pred_contribs", true)]));
    let mlmodel = MlModel::load(model.path()).unwrap();
    let (engine, reason) = flavors::explain(&mlmodel, model.path()).unwrap();
    assert!(engine == Engine::Python && reason.contains("'pred_contribs'"), "{reason}");
}

#[test]
fn params_are_checked_when_a_session_opens() {
    let case = case("booster_softprob");
    let open = |params: Value| match params {
        Value::Object(params) => case.model.session(&SessionOptions { params, ..Default::default() }).err(),
        _ => None,
    };
    assert!(
        open(json!({"strict_shape": true, "training": false, "pred_leaf": false, "approx_contribs": true, "unknown": 1}))
            .is_none()
    );
    for (params, kind) in [
        (json!({"pred_contribs": true}), Kind::Unimplemented),
        (json!({"training": true}), Kind::Unimplemented),
        (json!({"output_margin": 3}), Kind::InvalidArgument),
        (json!({"iteration_range": [0, 13]}), Kind::InvalidArgument),
        (json!({"iteration_range": [5, 2]}), Kind::InvalidArgument),
        (json!({"iteration_range": [-1, 2]}), Kind::InvalidArgument),
        (json!({"validate_features": true}), Kind::InvalidArgument),
    ] {
        assert_eq!(open(params.clone()).map(|error| error.kind()), Some(kind), "{params}");
    }
}

/// A copy of a case's model whose file is what `change` makes of it.
fn changed(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    native::changed(&cases().join(name).join("model"), &["model.ubj", "model.json"], change)
}

#[test]
fn what_is_not_native_says_why() {
    let reason = |directory: &Path| {
        let (engine, reason) = flavors::explain(&MlModel::load(directory).unwrap(), directory).unwrap();
        assert_eq!(engine, Engine::Python);
        reason
    };
    // The binary format with no version, which came with 1.0.
    let binary = changed("booster_binary_logistic", |_| [b"binf".to_vec(), vec![0; 200]].concat());
    assert!(reason(binary.path()).contains("a binary model of XGBoost before 1.0"));
    let decimals = changed("booster_json", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""enc":[]"#));
        text.replacen(r#""enc":[]"#, r#""enc":[{"type":9,"values":[0.5,1.5]}]"#, 1).into_bytes()
    });
    assert!(reason(decimals.path()).contains("its categories are no whole numbers"));
    let custom = changed("booster_json", |bytes| {
        String::from_utf8(bytes).unwrap().replace("binary:logistic", "custom:objective").into_bytes()
    });
    assert!(reason(custom.path()).contains("custom:objective"));
    let error = load(custom.path()).err().unwrap();
    assert_eq!((error.kind(), error.code()), (Kind::Unimplemented, "NEEDS_PYTHON"));
    let native = cases().join("booster_json/model");
    assert_eq!(flavors::explain(&MlModel::load(&native).unwrap(), &native).unwrap().0, Engine::Native);
}

#[test]
fn a_model_file_that_was_cut_anywhere_is_refused() {
    for name in ["booster_forest", "booster_json"] {
        for part in 0..60 {
            let cut = changed(name, |mut bytes| {
                bytes.truncate(bytes.len() * part / 60);
                bytes
            });
            let error = load(cut.path()).err().unwrap();
            assert_eq!(error.code(), "MODEL_FILE_INVALID", "{name} cut at {part}/60: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]
    #[test]
    fn a_damaged_file_never_panics(at in 0.0f64..1.0, byte: u8, json: bool) {
        let name = if json { "booster_json" } else { "booster_forest" };
        let damaged = changed(name, |mut bytes| {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
            bytes
        });
        if let Ok(model) = load(damaged.path()) {
            let input = read_arrow(&cases().join(name).join("input.arrow"));
            let _ = score(&*model, json!({}), &input.slice(0, 300));
        }
    }
}
