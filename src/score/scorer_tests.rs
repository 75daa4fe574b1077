//! The scorer as a whole: bounds, row numbers, and that the split of a table into batches does not matter.

use std::time::{Duration, Instant};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray},
    compute::concat_batches,
    datatypes::Float64Type,
};
use proptest::prelude::*;

use super::*;
use crate::{
    error::Kind,
    mlmodel::{ColumnSpec, ColumnType, SchemaSpec},
    score::CancelFlag,
};

/// Sums the double columns of a row; refuses an empty batch, which must never come.
struct Sum;

impl Model for Sum {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn output(&self) -> Option<DataType> {
        Some(DataType::Float64)
    }

    fn memory(&self) -> usize {
        0
    }

    fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(Sum))
    }
}

impl Session for Sum {
    fn score(&mut self, batch: &RecordBatch, _context: &Context) -> Result<RecordBatch> {
        assert!(batch.num_rows() > 0);
        let columns: Vec<_> = batch.columns().iter().map(|column| column.as_primitive::<Float64Type>()).collect();
        let sum: Float64Array = (0..batch.num_rows())
            .map(|row| columns.iter().map(|column| column.is_valid(row).then(|| column.value(row))).sum::<Option<f64>>())
            .collect();
        Ok(RecordBatch::try_from_iter([("0", Arc::new(sum) as ArrayRef)])?)
    }
}

fn scorer(compat: Compat, result: Option<DataType>) -> Scorer {
    let spec = |name: &str| ColumnSpec { name: Some(name.into()), kind: ColumnType::Double, required: true };
    let signature = Signature { inputs: Some(SchemaSpec::Columns(vec![spec("a"), spec("b")])), ..Signature::default() };
    Scorer::new(Arc::new(Sum), Arc::new(signature), ScoreOptions { compat, result, ..ScoreOptions::default() }).unwrap()
}

fn table(a: Vec<Option<i64>>, b: Vec<f64>) -> RecordBatch {
    RecordBatch::try_from_iter([
        ("b", Arc::new(Float64Array::from(b)) as ArrayRef),
        ("x", Arc::new(StringArray::from(vec!["x"; a.len()])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(a)) as ArrayRef),
    ])
    .unwrap()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(
        rows in prop::collection::vec((prop::option::of(-1_000_000_i64..1_000_000), -1e6..1e6), 0..60),
        cuts in prop::collection::vec(0_usize..60, 0..6),
        text in any::<bool>(),
    ) {
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let whole = table(a, b);
        let scorer = scorer(Compat::Exact, text.then_some(DataType::Utf8));
        let mut session = scorer.open(whole.schema_ref()).unwrap();
        let expected = session.score(&whole, &Context::default()).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.num_rows())).collect();
        cuts.extend([0, whole.num_rows()]);
        cuts.sort_unstable();
        let mut session = scorer.open(whole.schema_ref()).unwrap();
        let pieces: Vec<RecordBatch> = cuts
            .windows(2)
            .map(|cut| session.score(&whole.slice(cut[0], cut[1] - cut[0]), &Context::default()).unwrap())
            .collect();
        prop_assert_eq!(concat_batches(session.schema().unwrap(), &pieces).unwrap(), expected);
    }

    #[test]
    fn the_row_in_an_error_counts_from_the_start_of_the_batch(before in 0_usize..40, at in 0_usize..20, after in 0_usize..20) {
        let scorer = scorer(Compat::Exact, None);
        let mut a = vec![Some(1); before + at];
        a.push(Some((1 << 53) + 1));
        a.extend(vec![Some(2); after]);
        let whole = table(a.clone(), vec![0.0; a.len()]);
        let mut session = scorer.open(whole.schema_ref()).unwrap();
        session.score(&whole.slice(0, before), &Context::default()).unwrap();
        let error = session.score(&whole.slice(before, a.len() - before), &Context::default()).unwrap_err();
        prop_assert_eq!((error.row_number(), error.column_name()), (Some(at as u64), Some("a")));
    }
}

#[test]
fn the_context_bounds_a_batch() {
    let batch = table(vec![Some(1); 1000], vec![1.0; 1000]);
    let scorer = scorer(Compat::Exact, None);
    let score = |context: &Context| scorer.open(batch.schema_ref()).unwrap().score(&batch, context).map_err(|error| error.kind());
    let cancel = CancelFlag::default();
    cancel.cancel();
    assert_eq!(score(&Context::new(cancel)), Err(Kind::Cancelled));
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    assert_eq!(score(&Context::default().with_deadline(past)), Err(Kind::DeadlineExceeded));
    // One converted column and the answer, 8 bytes a row each.
    assert_eq!(score(&Context::default().with_memory_limit(15_999)), Err(Kind::ResourceExhausted));
    assert!(score(&Context::default().with_memory_limit(20_000)).is_ok());
}

#[test]
fn mlflow_decides_by_the_batch_and_the_default_does_not() {
    let batch = table(vec![Some(1), Some(0), Some(5), None], vec![0.0; 4]);
    let open = |compat| scorer(compat, None).open(batch.schema_ref()).unwrap();
    let ok = |session: &mut ScorerSession, from, rows| session.score(&batch.slice(from, rows), &Context::default()).is_ok();
    let (mut mlflow, mut exact) = (open(Compat::Mlflow), open(Compat::Exact));
    // 0 and 1 pass, 5 does not, and 5 beside a null does: pandas holds floats then.
    assert_eq!([(0, 2), (0, 3), (2, 2)].map(|(from, rows)| ok(&mut mlflow, from, rows)), [true, false, true]);
    assert_eq!([(0, 2), (0, 3), (2, 2)].map(|(from, rows)| ok(&mut exact, from, rows)), [true; 3]);
}

#[test]
fn a_model_that_loses_rows_is_refused() {
    let conversion = Conversion::new(DataType::Float64, Compat::Exact);
    let raw = RecordBatch::try_from_iter([("0", Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)]).unwrap();
    let error = conversion.apply(&raw, 2).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::ModelFailed, "ROW_COUNT"));
}
