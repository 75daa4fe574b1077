//! Odd rows for every XGBoost and LightGBM model: refused where the library refuses them, else answered as there.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::Arc,
};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use mlflight::{
    error::{Error, Kind},
    score::{Context, Model, ScoreOptions, Scorer},
};
use serde_json::{Value, json};

use crate::support::{
    self,
    native::{self, columns_under},
    read_arrow,
};

/// What a scorer answers, one column for each of the library's.
fn scored(model: &Arc<dyn Model>, input: &RecordBatch) -> Result<Vec<ArrayRef>, Error> {
    let scorer = Scorer::new(model.clone(), Arc::default(), ScoreOptions::default())?;
    scorer.check(&input.schema())?;
    let answer = scorer.open(&input.schema())?.score(input, &Context::default())?;
    assert_eq!(answer.num_rows(), input.num_rows());
    let column = answer.column(0);
    Ok(column.as_struct_opt().map_or_else(|| vec![column.clone()], |columns| columns.columns().to_vec()))
}

/// What a model does with the odd rows of a probe, and a reason where there is one.
fn outcome(model: &Arc<dyn Model>, probe: &RecordBatch, method: &str) -> (&'static str, String) {
    let schema = probe.schema();
    let inputs: Vec<usize> = (0..probe.num_columns()).filter(|&at| !schema.field(at).name().contains(':')).collect();
    let input = probe.project(&inputs).unwrap();
    let refusal = schema.metadata().get(&format!("refused:{method}"));
    let wanted = columns_under(probe, &format!("{method}:"));
    let Ok(scored) = catch_unwind(AssertUnwindSafe(|| scored(model, &input))) else { return ("panic", "a panic".into()) };
    let same = |a: &ArrayRef, b: &ArrayRef| match (native::bits(a), native::bits(b)) {
        (None, None) => a.to_data() == b.to_data(),
        (a_bits, b_bits) => a.data_type() == b.data_type() && a_bits == b_bits,
    };
    match (scored, refusal) {
        (Err(error), _) if error.kind() == Kind::Internal => ("panic", error.to_string()),
        (Err(error), _) if error.kind() != Kind::InvalidArgument => ("wrong", format!("refused as {error:?}")),
        // Whoever is refused is told of the right column, or of none.
        (Err(error), _) if error.column_name().is_some_and(|name| name != schema.metadata()["column"]) => {
            ("wrong", format!("it names another column: {error}"))
        }
        (Err(_), Some(_)) => ("refused", String::new()),
        (Err(error), None) => ("refused here", error.to_string()),
        (Ok(_), _) if input.num_rows() == 0 => ("no rows", String::new()),
        (Ok(_), Some(refusal)) => ("answered where the library refuses", refusal.clone()),
        (Ok(answer), None) if answer.len() == wanted.len() && answer.iter().zip(&wanted).all(|(a, b)| same(a, b)) => {
            ("answered", String::new())
        }
        (Ok(answer), None) => ("wrong", format!("{answer:?}, expected {wanted:?}")),
    }
}

#[test]
fn odd_rows_are_refused_or_answered_as_the_library_does() {
    let cases = native::made("refusals");
    let mut rows: Vec<Value> = Vec::new();
    let mut wrong = BTreeMap::new();
    for name in native::names(&cases) {
        let probes = fs::read_dir(cases.join(&name)).unwrap().map(|entry| entry.unwrap().path());
        let probes = probes.filter_map(|path| {
            let probe = path.file_name()?.to_str()?.strip_prefix("probe.")?.strip_suffix(".arrow")?.to_owned();
            Some((probe, read_arrow(&path)))
        });
        let probes: BTreeMap<String, RecordBatch> = probes.collect();
        for method in ["predict", "predict_proba"] {
            let model = match native::load(&cases.join(&name).join("model"), (method != "predict").then_some(method)) {
                Ok(model) => model,
                Err(error) if error.code() == "NEEDS_PYTHON" => continue,
                Err(error) => panic!("{name}: {error}"),
            };
            for (probe, odd) in &probes {
                let (outcome, reason) = outcome(&model, odd, method);
                let estimator = odd.schema().metadata()["estimator"].clone();
                rows.push(json!([name, estimator, method, probe, outcome, reason]));
                if !matches!(outcome, "refused" | "answered" | "no rows" | "refused here") {
                    wrong.insert((name.clone(), method, probe.clone()), (outcome, reason));
                }
            }
        }
    }
    fs::write(cases.join("refusals.json"), serde_json::to_vec(&rows).unwrap()).unwrap();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), rows.len());
    assert!(rows.len() >= 2500, "{} probes", rows.len());
    let script = support::root().join("tests/native_coverage.py");
    let made = Command::new(support::python()).arg(script).arg(cases.parent().unwrap()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let written = fs::read_to_string(support::root().join("docs/refusals.md")).unwrap();
    assert!(written.ends_with(&*String::from_utf8_lossy(&made.stdout)), "docs/refusals.md is not what native_coverage.py makes");
}
