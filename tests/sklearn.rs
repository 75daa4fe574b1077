//! The sklearn flavor against scikit-learn itself: every estimator, format and method.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray},
    compute::{cast, concat_batches, filter},
    datatypes::{DataType, Float64Type},
};
use mlflight::{
    error::{Error, Kind},
    flavors,
    mlmodel::MlModel,
    score::{Context, Model, ScoreOptions, Scorer, SessionOptions},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{self, native, read_arrow, with_column};

/// The directory of the cases that `make_sklearn.py` makes, made on first use.
fn cases() -> &'static Path {
    static CASES: OnceLock<PathBuf> = OnceLock::new();
    CASES.get_or_init(|| native::made("sklearn"))
}

fn load(directory: &Path, method: &str) -> Result<Arc<dyn Model>, Error> {
    native::load(directory, Some(method))
}

fn score(model: &dyn Model, batch: &RecordBatch) -> Result<RecordBatch, Error> {
    native::score(model, json!({}), batch)
}

/// The columns of one method's answer.
pub fn expected(table: &RecordBatch, method: &str) -> Vec<ArrayRef> {
    native::columns_under(table, &format!("{method}:"))
}

/// The rows in which the library's own choice hangs on the last bits of a product of matrices.
fn near(about: &Value) -> Vec<usize> {
    about["near"].as_array().into_iter().flatten().filter_map(|row| Some(row.as_u64()? as usize)).collect()
}

/// An answer without the rows that another may be right in.
fn certain(column: &ArrayRef, near: &[usize]) -> ArrayRef {
    let kept: BooleanArray = (0..column.len()).map(|row| Some(!near.contains(&row))).collect();
    filter(column, &kept).unwrap()
}

/// What makes an answer wrong, if anything does.
pub fn difference(answer: &RecordBatch, expected: &[ArrayRef], method: &str, about: &Value) -> Option<String> {
    if answer.num_columns() != expected.len() {
        return Some(format!("{} columns, expected {}", answer.num_columns(), expected.len()));
    }
    let near = near(about);
    let exact = about["exact"] == true && matches!(method, "predict" | "predict_proba");
    for (at, (got, wanted)) in answer.columns().iter().zip(expected).enumerate() {
        let (got, wanted) = (&certain(got, &near), &certain(wanted, &near));
        if !got.data_type().is_floating() {
            if got.to_data() != wanted.to_data() {
                return Some(format!("column {at} of {}, expected {}: not the same", got.data_type(), wanted.data_type()));
            }
            continue;
        }
        if got.data_type() != wanted.data_type() {
            return Some(format!("column {at} of {}, expected {}", got.data_type(), wanted.data_type()));
        }
        let tolerance = match (exact, got.data_type()) {
            // A few units in the last place.
            (true, _) if about["exponential"] == true => 1e-15,
            (true, _) => 0.0,
            (_, DataType::Float32) => 1e-6,
            _ if about["single"] == true => 1e-6,
            _ => 1e-12,
        };
        // One minus a probability near one is as far off as that was; where that is in single precision depends on the machine's BLAS.
        let as_probability = method == "predict_log_proba" && tolerance >= 1e-6;
        let double = |array: &ArrayRef| cast(array, &DataType::Float64).unwrap().as_primitive::<Float64Type>().clone();
        let (got, wanted) = (double(got), double(wanted));
        let finite = wanted.values().iter().filter(|value| value.is_finite());
        // Of a linear model the terms count, however small their sum.
        let terms = about["terms"].as_f64().unwrap_or_default().max(1.0);
        let scale = finite.fold(terms, |scale: f64, value| scale.max(value.abs()));
        for (row, (a, b)) in got.values().iter().zip(wanted.values()).enumerate() {
            let close = (a - b).abs() <= tolerance * scale || (as_probability && (a.exp() - b.exp()).abs() <= tolerance);
            let same = a == b || (a.is_nan() && b.is_nan()) || close;
            if !same {
                return Some(format!("column {at}, row {row}: {a:e}, expected {b:e}"));
            }
        }
    }
    None
}

/// What became of every case: `native`, `Python` or `wrong`, with the reason, by case, format and method.
fn outcomes() -> BTreeMap<String, (&'static str, String)> {
    let mut outcomes = BTreeMap::new();
    for entry in fs::read_dir(cases()).unwrap() {
        let case = entry.unwrap().path();
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with('.') || !case.is_dir() {
            continue;
        }
        let input = read_arrow(&case.join("input.arrow"));
        let table = read_arrow(&case.join("expected.arrow"));
        let about: Value = serde_json::from_slice(&fs::read(case.join("case.json")).unwrap()).unwrap();
        for form in ["skops", "pickle", "cloudpickle"].into_iter().filter(|form| case.join(form).is_dir()) {
            for method in ["predict", "predict_proba", "predict_log_proba", "decision_function"] {
                let expected = expected(&table, method);
                if expected.is_empty() {
                    // What the library has not is not here.
                    if method == "predict_log_proba" && load(&case.join(form), method).is_ok() {
                        let outcome = ("wrong", "there is no such method".to_owned());
                        outcomes.insert(format!("{name} {form} {method}"), outcome);
                    }
                    continue;
                }
                let outcome = match load(&case.join(form), method) {
                    Err(error) if error.code() == "NEEDS_PYTHON" => ("Python", error.message().to_owned()),
                    Err(error) => ("wrong", error.to_string()),
                    Ok(model) => match score(&*model, &input).map(|answer| difference(&answer, &expected, method, &about)) {
                        Ok(None) => ("native", String::new()),
                        Ok(Some(difference)) => ("wrong", difference),
                        Err(error) => ("wrong", error.to_string()),
                    },
                };
                outcomes.insert(format!("{name} {form} {method}"), outcome);
            }
        }
    }
    outcomes
}

#[test]
fn every_case_is_native_or_says_why_not() {
    let outcomes = outcomes();
    let rows: Vec<Value> = outcomes.iter().map(|(case, (outcome, reason))| json!([case, outcome, reason])).collect();
    fs::write(cases().join("outcomes.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    let wrong: Vec<_> = outcomes.iter().filter(|(_, (outcome, _))| *outcome == "wrong").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let native = outcomes.values().filter(|(outcome, _)| *outcome == "native").count();
    assert!(native >= 2600, "{native} answers are native");
    for name in ["knn.scaled", "knn.cosine", "knn.regressor.scaled", "outliers.brute"] {
        let about: Value = serde_json::from_slice(&fs::read(cases().join(name).join("case.json")).unwrap()).unwrap();
        assert!(near(&about).len() <= 3, "{name}: {} rows are not compared", near(&about).len());
    }
}

/// What became of rows that hold something odd, by estimator or case, method and oddity.
type Refusals = BTreeMap<(String, String, String), BTreeMap<&'static str, String>>;

/// What a model does with the odd rows of a probe, and a reason where there is one.
fn probed(model: &Arc<dyn Model>, probe: &RecordBatch, method: &str, about: &Value) -> Option<(&'static str, String)> {
    let schema = probe.schema();
    let refusal = schema.metadata().get(&format!("refused:{method}"));
    let wanted = expected(probe, method);
    if refusal.is_none() && wanted.is_empty() {
        return None;
    }
    let inputs: Vec<usize> = (0..probe.num_columns()).filter(|&at| !schema.field(at).name().contains(':')).collect();
    let input = probe.project(&inputs).unwrap();
    let scored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match input.num_rows() {
        // No rows reach no model.
        0 => {
            let scorer = Scorer::new(model.clone(), Arc::default(), ScoreOptions::default())?;
            scorer.open(&input.schema())?.score(&input, &Context::default())
        }
        _ => score(&**model, &input),
    }));
    // The odd row is the fourth.
    let without = |about: &Value| json!({ "exact": about["exact"], "terms": about["terms"], "near": [3] });
    let rest_agrees = |answer: &RecordBatch| difference(answer, &wanted, method, &without(about)).is_none();
    let Ok(scored) = scored else { return Some(("panic", "a panic".into())) };
    Some(match (scored, refusal) {
        (Err(error), _) if error.kind() == Kind::Internal => ("panic", error.to_string()),
        // Whoever is refused is told of the right column, or of none.
        (Err(error), _) if error.column_name().is_some_and(|name| name != schema.metadata()["column"]) => {
            ("wrong", format!("it names another column: {error}"))
        }
        (Err(_), Some(_)) => ("refused", String::new()),
        (Err(error), None) => ("refused here", error.message().to_owned()),
        (Ok(answer), _) if input.num_rows() == 0 && answer.num_rows() == 0 => ("no rows", String::new()),
        (Ok(_), Some(refusal)) => ("answered where the library refuses", refusal.clone()),
        (Ok(answer), None) => match difference(&answer, &wanted, method, about) {
            None => ("answered", String::new()),
            // Beside a number so far off the others are lost in the library's own product of matrices, as the last bits have it.
            Some(_) if CANCELS.contains(&about["class"].as_str().unwrap_or_default()) && rest_agrees(&answer) => {
                ("answered", String::new())
            }
            Some(difference) => ("wrong", difference),
        },
    })
}

/// Estimators whose answer to a row with a number very far off is what the last bits of a product of matrices make it.
const CANCELS: [&str; 5] = ["BisectingKMeans", "KMeans", "MiniBatchKMeans", "NearestCentroid", "QuadraticDiscriminantAnalysis"];

#[test]
fn odd_rows_are_refused_where_the_library_refuses_them() {
    let mut refusals = Refusals::new();
    for name in native::names(cases()) {
        let case = cases().join(&name);
        let about: Value = serde_json::from_slice(&fs::read(case.join("case.json")).unwrap()).unwrap();
        let form = ["pickle", "cloudpickle", "skops"].into_iter().find(|form| case.join(form).is_dir()).unwrap();
        let probes = ["infinity", "NaN", "1e39", "number", "text", "category", "None", "empty"];
        let probes: Vec<(&str, RecordBatch)> = probes
            .into_iter()
            .map(|probe| (probe, case.join(format!("probe.{probe}.arrow"))))
            .filter(|(_, path)| path.exists())
            .map(|(probe, path)| (probe, read_arrow(&path)))
            .collect();
        for method in ["predict", "predict_proba", "predict_log_proba", "decision_function"] {
            let asked = |(_, probe): &(&str, RecordBatch)| {
                !expected(probe, method).is_empty() || probe.schema().metadata().contains_key(&format!("refused:{method}"))
            };
            if !probes.iter().any(asked) {
                continue;
            }
            let Ok(model) = load(&case.join(form), method) else { continue };
            for (probe, rows) in &probes {
                if let Some((outcome, reason)) = probed(&model, rows, method, &about) {
                    let key = (name.clone(), method.to_owned(), (*probe).to_owned());
                    refusals.entry(key).or_default().insert(outcome, reason);
                }
            }
        }
    }
    let rows: Vec<Value> = refusals.iter().map(|((name, method, probe), found)| json!([name, method, probe, found])).collect();
    fs::write(cases().join("refusals.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    let wrong = |found: &BTreeMap<&'static str, String>| {
        found.keys().any(|outcome| matches!(*outcome, "panic" | "wrong" | "answered where the library refuses"))
    };
    let wrong: Vec<_> = refusals.iter().filter(|(_, found)| wrong(found)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), refusals.len());
    assert!(refusals.len() >= 2000, "{} probes", refusals.len());
}

/// Cases whose rows are scored in pieces as well, and by which method.
const SPLIT: [(&str, &str); 23] = [
    ("mixed.logistic", "predict_proba"),
    ("mixed.forest", "predict_proba"),
    ("mixed.hist", "predict_proba"),
    ("LogisticRegression.two", "predict_proba"),
    ("StandardScaler", "predict_proba"),
    ("knn.grid.kd_tree.distance", "predict_proba"),
    ("knn.even.ball_tree.uniform", "predict"),
    ("knn.scaled", "predict_proba"),
    ("radius.outliers", "predict"),
    ("outliers.brute", "decision_function"),
    ("donors.kept", "predict"),
    ("NearestCentroid", "predict_proba"),
    ("text.mixed", "predict_proba"),
    ("text.union", "decision_function"),
    ("text.anything.unicode.char_wb", "predict"),
    ("text.hashed.binary", "predict_proba"),
    ("text.tensor", "predict_proba"),
    ("text.topics", "predict_proba"),
    ("text.svc", "predict"),
    ("RandomTreesEmbedding", "predict_proba"),
    ("SparseRandomProjection", "predict_proba"),
    ("SplineTransformer.linear", "predict"),
    ("SparseCoder.pursuit", "predict"),
];

#[test]
fn an_unknown_path_is_refused_where_no_kernel_asks_for_one() {
    cases();
    let (passed, text) = native::with_kernel("quantum", "sklearn::a_row_without_neighbors_is_refused_where_it_has_no_label");
    assert!(!passed && text.contains("MLFLIGHT_KERNEL=quantum"), "{text}");
}

#[test]
fn the_portable_path_gives_the_same_answers() {
    cases();
    let (passed, text) = native::with_kernel("portable", "sklearn::every_case_is_native_or_says_why_not");
    assert!(passed, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]
    #[test]
    fn any_split_of_a_batch_gives_the_same_answer(cuts in prop::collection::vec(0usize..600, 0..8), pick in 0usize..SPLIT.len()) {
        let (name, method) = SPLIT[pick];
        let case = cases().join(name);
        let input = read_arrow(&case.join("input.arrow"));
        let model = load(&case.join("pickle"), method).unwrap();
        let mut bounds: Vec<usize> = cuts.into_iter().filter(|&cut| cut < input.num_rows()).chain([0, input.num_rows()]).collect();
        bounds.sort_unstable();
        let mut session = model.session(&SessionOptions::default()).unwrap();
        let parts: Vec<RecordBatch> = bounds
            .windows(2)
            .filter(|pair| pair[0] < pair[1])
            .map(|pair| session.score(&input.slice(pair[0], pair[1] - pair[0]), &Context::default()).unwrap())
            .collect();
        let whole = concat_batches(&parts[0].schema(), &parts).unwrap();
        prop_assert_eq!(whole, score(&*model, &input).unwrap());
    }
}

#[test]
fn what_the_library_refuses_is_refused_with_its_reason() {
    let case = cases().join("LogisticRegression.two");
    let (model, input) = (load(&case.join("skops"), "predict").unwrap(), read_arrow(&case.join("input.arrow")));
    let name = input.schema().field(2).name().clone();
    let rows = input.num_rows();
    let with = |value: f64| {
        let mut values = vec![0.0; rows];
        values[300] = value;
        with_column(&input, &name, Arc::new(Float64Array::from(values)))
    };
    for (value, code) in [(f64::NAN, "MISSING_VALUE"), (f64::INFINITY, "INFINITE_INPUT")] {
        let error = score(&*model, &with(value)).unwrap_err();
        assert_eq!((error.code(), error.row_number()), (code, Some(300)));
    }
    // Sums may overflow.
    score(&*model, &with(f64::MAX)).unwrap();
    let text = with_column(&input, &name, Arc::new(StringArray::from(vec!["x"; rows])));
    assert_eq!(score(&*model, &text).unwrap_err().code(), "TYPE_MISMATCH");
    let fewer = input.project(&[0, 1, 3]).unwrap();
    assert_eq!(score(&*model, &fewer).unwrap_err().column_name(), Some(name.as_str()));
    let backwards: Vec<usize> = (0..input.num_columns()).rev().collect();
    let error = score(&*model, &input.project(&backwards).unwrap()).unwrap_err();
    assert!(error.to_string().contains("same order"), "{error}");

    let case = cases().join("mixed.selector");
    let (model, input) = (load(&case.join("pickle"), "predict").unwrap(), read_arrow(&case.join("input.arrow")));
    let mut colours = vec!["blue"; input.num_rows()];
    colours[512] = "ultraviolet";
    let error = score(&*model, &with_column(&input, "colour", Arc::new(StringArray::from(colours)))).unwrap_err();
    assert_eq!((error.code(), error.row_number()), ("UNKNOWN_CATEGORY", Some(512)));
    // A ColumnTransformer takes its columns by name: the order does not matter, more do not hurt.
    let backwards: Vec<usize> = (0..input.num_columns()).rev().collect();
    assert_eq!(score(&*model, &input.project(&backwards).unwrap()).unwrap(), score(&*model, &input).unwrap());
}

#[test]
fn documents_pass_their_signature_and_must_be_there() {
    for (name, width) in [("text.tensor", 1), ("text.mixed", 3)] {
        let directory = cases().join(name).join("skops");
        let input = read_arrow(&cases().join(name).join("input.arrow"));
        let (model, signature) = (load(&directory, "predict").unwrap(), MlModel::load(&directory).unwrap().signature);
        let scorer = Scorer::new(model.clone(), Arc::new(signature), ScoreOptions::default()).unwrap();
        let scored = scorer.open(&input.schema()).unwrap().score(&input, &Context::default()).unwrap();
        let table = read_arrow(&cases().join(name).join("expected.arrow"));
        assert_eq!((input.num_columns(), scored.column(0)), (width, &expected(&table, "predict")[0]), "{name}");
        let mut texts = vec![Some("a letter"); input.num_rows()];
        texts[300] = None;
        let error = score(&*model, &with_column(&input, "text", Arc::new(StringArray::from(texts)))).unwrap_err();
        assert_eq!((error.code(), error.row_number()), ("MISSING_VALUE", Some(300)));
    }
}

#[test]
fn a_row_without_neighbors_is_refused_where_it_has_no_label() {
    let case = cases().join("radius.distance");
    let (model, input) = (load(&case.join("pickle"), "predict").unwrap(), read_arrow(&case.join("input.arrow")));
    let name = input.schema().field(0).name().clone();
    let mut far = vec![5.0; input.num_rows()];
    far[7] = 1e6;
    let error = score(&*model, &with_column(&input, &name, Arc::new(Float64Array::from(far)))).unwrap_err();
    assert_eq!(error.code(), "NO_NEIGHBORS");
}

/// A copy of a case's model whose file is other bytes.
fn with_file(case: &str, form: &str, file: &str, bytes: &[u8]) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::copy(cases().join(case).join(form).join("MLmodel"), to.path().join("MLmodel")).unwrap();
    fs::write(to.path().join(file), bytes).unwrap();
    to
}

#[test]
fn a_file_that_would_run_code_needs_python_and_runs_nothing() {
    let touched = std::env::temp_dir().join(format!("mlflight-pwned-{}", std::process::id()));
    let program = format!("cos\nsystem\n(S'touch {}'\ntR.", touched.display());
    let evil = with_file("LogisticRegression", "pickle", "model.pkl", program.as_bytes());
    let error = load(evil.path(), "predict").err().unwrap();
    assert_eq!(error.code(), "NEEDS_PYTHON");
    assert!(error.to_string().contains("os.system"), "{error}");
    let mlmodel = MlModel::load(evil.path()).unwrap();
    assert_eq!(flavors::globals(&mlmodel, evil.path()), ["os.system"]);
    assert!(!touched.exists());
    // A known class whose attributes hold something else.
    let program = b"\x80\x02csklearn.linear_model._logistic\nLogisticRegression\n)\x81}X\x05\0\0\0coef_csubprocess\nPopen\nsb.";
    let evil = with_file("LogisticRegression", "pickle", "model.pkl", program);
    assert!(load(evil.path(), "predict").err().unwrap().to_string().contains("subprocess.Popen"));
}

#[test]
fn estimators_that_hold_each_other_end() {
    let program = b"\x80\x02csklearn.pipeline\nPipeline\n)\x81q\0}(X\x05\0\0\0steps]X\x01\0\0\0ah\0\x86aub.";
    let endless = with_file("LogisticRegression", "pickle", "model.pkl", program);
    let error = load(endless.path(), "predict").err().unwrap();
    assert_eq!(error.code(), "NEEDS_PYTHON");
    assert!(error.to_string().contains("nest deeper"), "{error}");
}

#[test]
fn a_model_file_that_was_cut_anywhere_is_refused() {
    for (case, form, file) in [("mixed.forest", "skops", "model.skops"), ("mixed.forest", "pickle", "model.pkl")] {
        let bytes = fs::read(cases().join(case).join(form).join(file)).unwrap();
        for part in 0..40 {
            let cut = with_file(case, form, file, &bytes[..bytes.len() * part / 40]);
            assert_eq!(load(cut.path(), "predict").err().unwrap().code(), "MODEL_FILE_INVALID", "{form} cut at {part}/40");
        }
    }
}

/// Cases whose files are damaged.
const DAMAGED: [&str; 12] = [
    "mixed.hist",
    "GradientBoostingClassifier",
    "mixed.logistic",
    "VotingClassifier",
    "SVC",
    "GaussianMixture",
    "knn.even.kd_tree.uniform",
    "knn.even.ball_tree.distance",
    "outliers.tree",
    "text.mixed",
    "BisectingKMeans",
    "NearestCentroid",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..Default::default() })]
    #[test]
    fn a_damaged_file_never_panics(at in 0.0f64..1.0, byte: u8, pick in 0usize..DAMAGED.len()) {
        let case = DAMAGED[pick];
        let mut bytes = fs::read(cases().join(case).join("pickle/model.pkl")).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = byte;
        let damaged = with_file(case, "pickle", "model.pkl", &bytes);
        if let Ok(model) = load(damaged.path(), "predict") {
            let _ = score(&*model, &read_arrow(&cases().join(case).join("input.arrow")).slice(0, 150));
        }
    }
}

#[test]
fn models_of_old_versions_give_their_own_answers() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for version in fs::read_dir(support::root().join("tests/data/sklearn")).unwrap() {
        let version = version.unwrap().path();
        for entry in fs::read_dir(&version).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "pkl") {
                continue;
            }
            let name = file.strip_prefix(&version).unwrap().display().to_string();
            let place = format!("{} {name}", version.file_name().unwrap().display());
            let model = tempfile::tempdir().unwrap();
            fs::copy(&file, model.path().join("model.pkl")).unwrap();
            let text = "flavors:\n  sklearn:\n    pickled_model: model.pkl\n    serialization_format: pickle\n";
            fs::write(model.path().join("MLmodel"), text).unwrap();
            let table = read_arrow(&file.with_extension("arrow"));
            let inputs = (0..table.num_columns()).filter(|&at| !table.schema().field(at).name().contains(':'));
            let input = table.project(&inputs.collect::<Vec<_>>()).unwrap();
            for method in ["predict", "predict_proba", "decision_function"] {
                let expected = expected(&table, method);
                if expected.is_empty() {
                    continue;
                }
                let exact = name.starts_with("forest") || name.starts_with("codes");
                let answer = load(model.path(), method).and_then(|model| score(&*model, &input));
                let found = answer.map(|answer| difference(&answer, &expected, method, &json!({ "exact": exact })));
                if let Some(difference) = found.unwrap_or_else(|error| Some(error.to_string())) {
                    wrong.push(format!("{place} {method}: {difference}"));
                }
                seen += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 100, "{seen} answers");
}
