//! What the oracle cannot show: errors, sharing, structs for frames, and the cases MLflow never meets.

use arrow::{
    array::{
        Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray,
        StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
    },
    datatypes::{Float32Type, Float64Type, Int32Type, Int64Type},
};

use super::*;
use crate::mlmodel::TensorSpec;

fn columns(specs: &[(&str, ColumnType)]) -> Signature {
    let spec = |(name, kind): &(&str, ColumnType)| ColumnSpec { name: Some((*name).into()), kind: kind.clone(), required: true };
    Signature { inputs: Some(SchemaSpec::Columns(specs.iter().map(spec).collect())), ..Signature::default() }
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, column)| (*name, column.clone(), true))).unwrap()
}

fn enforce(signature: &Signature, batch: &RecordBatch) -> Result<RecordBatch> {
    let plan = Enforcement::plan(signature, None, batch.schema_ref(), &ScoreOptions::default())?;
    plan.apply(batch, &Context::default()).map(Cow::into_owned)
}

fn one(kind: ColumnType, column: ArrayRef) -> Result<ArrayRef> {
    enforce(&columns(&[("x", kind)]), &batch(&[("x", column)])).map(|made| made.column(0).clone())
}

#[test]
fn columns_that_match_are_shared_and_not_copied() {
    let (a, b): (ArrayRef, ArrayRef) =
        (Arc::new(Float64Array::from(vec![1.0, 2.0])), Arc::new(StringArray::from(vec!["x", "y"])));
    let given = batch(&[("b", b.clone()), ("extra", a.clone()), ("a", a.clone())]);
    let made = enforce(&columns(&[("a", ColumnType::Double), ("b", ColumnType::String)]), &given).unwrap();
    assert_eq!(made.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(Arc::ptr_eq(made.column(0), &a) && Arc::ptr_eq(made.column(1), &b));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.0)]), None]));
    let made = one(ColumnType::Array(Box::new(ColumnType::Double)), list.clone()).unwrap();
    assert!(Arc::ptr_eq(&made, &list));
}

#[test]
fn planning_refuses_names_and_types() {
    let signature = columns(&[("age", ColumnType::Integer), ("name", ColumnType::String)]);
    let error = enforce(
        &signature,
        &batch(&[("age", Arc::new(Int32Array::from(vec![1]))), ("nam", Arc::new(Int32Array::from(vec![1])))]),
    );
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("name")));
    assert_eq!(error.message(), "Model is missing inputs ['name']. Note that there were extra inputs: ['nam'].");
    let schema = Schema::new(vec![Field::new("age", DataType::Utf8, true), Field::new("name", DataType::Utf8, true)]);
    let error = Enforcement::plan(&signature, None, &schema, &ScoreOptions::default()).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("TYPE_MISMATCH", Some("age")));
    assert_eq!((error.expected_text(), error.found_text()), (Some("integer"), Some("Utf8")));
    assert!(error.remedy_text().is_some() && error.row_number().is_none());
}

#[test]
fn values_are_checked_and_the_row_is_named() {
    let refused = |kind, column: ArrayRef| one(kind, column).unwrap_err().row_number();
    let two_53 = 1_i64 << 53;
    assert_eq!(refused(ColumnType::Double, Arc::new(Int64Array::from(vec![Some(two_53), None, Some(two_53 + 1)]))), Some(2));
    assert_eq!(refused(ColumnType::Long, Arc::new(UInt64Array::from(vec![1, u64::MAX]))), Some(1));
    assert_eq!(refused(ColumnType::Long, Arc::new(Float64Array::from(vec![1.0, 9_223_372_036_854_775_808.0]))), Some(1));
    assert_eq!(refused(ColumnType::Integer, Arc::new(Float64Array::from(vec![f64::NAN]))), Some(0));
    assert_eq!(refused(ColumnType::Float, Arc::new(Float64Array::from(vec![0.5, 0.1]))), Some(1));
    let made = one(ColumnType::Long, Arc::new(Float64Array::from(vec![Some(-3.0), None]))).unwrap();
    assert_eq!(made.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(-3), None]));
    let holes = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)]), None, Some(vec![Some(2), None])]);
    let error = one(ColumnType::Array(Box::new(ColumnType::Long)), Arc::new(holes.clone())).unwrap_err();
    assert_eq!((error.row_number(), error.column_name(), error.kind()), (Some(2), Some("x[]"), Kind::InvalidArgument));
    let whole: ArrayRef = Arc::new(holes.slice(0, 2));
    assert_eq!(&one(ColumnType::Array(Box::new(ColumnType::Long)), whole.clone()).unwrap(), &whole);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![]),
        Some(vec![Some(2), Some(two_53 + 1)]),
    ]);
    let error = one(ColumnType::Array(Box::new(ColumnType::Double)), Arc::new(lists.slice(1, 2))).unwrap_err();
    assert_eq!((error.row_number(), error.column_name()), (Some(1), Some("x[]")));
}

#[test]
fn garbage_under_a_null_is_no_value() {
    let values = vec![1_i64, i64::MAX].into();
    let column = Int64Array::new(values, Some(vec![true, false].into()));
    let made = one(ColumnType::Double, Arc::new(column)).unwrap();
    assert_eq!(made.as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(1.0), None]));
}

#[test]
fn text_comes_in_any_layout() {
    let expected: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
    let values = vec![Some("a"), None, Some("b")];
    let layouts: [ArrayRef; 3] = [
        Arc::new(LargeStringArray::from(values.clone())),
        Arc::new(StringViewArray::from(values.clone())),
        Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>()),
    ];
    for layout in layouts {
        assert_eq!(&one(ColumnType::String, layout).unwrap(), &expected);
    }
}

#[test]
fn one_struct_column_is_the_frame_unless_it_is_declared() {
    let fields: Fields = vec![Field::new("b", DataType::Float64, true), Field::new("a", DataType::Int32, true)].into();
    let inner: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(vec![1.5, 2.5])), Arc::new(Int32Array::from(vec![1, 2]))];
    let frame: ArrayRef = Arc::new(StructArray::new(fields, inner, Some(vec![true, false].into())));
    let given = batch(&[("s", frame.clone())]);
    let made = enforce(&columns(&[("a", ColumnType::Long)]), &given).unwrap();
    assert_eq!(made.column(0).as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(1), None]));
    let all = enforce(&Signature::default(), &given).unwrap();
    assert_eq!((all.num_columns(), all.schema().field(0).name().as_str()), (2, "b"));
    let property = |name: &str, kind| crate::mlmodel::Property { name: name.into(), kind, required: true };
    let object = ColumnType::Object(vec![property("a", ColumnType::Integer), property("b", ColumnType::Double)]);
    let made = enforce(&columns(&[("s", object)]), &given).unwrap();
    assert_eq!(made.schema().field(0).name(), "s");
    assert_eq!(made.column(0).as_struct().column_names(), ["a", "b"]);
}

#[test]
fn timestamps_with_a_zone_become_the_sessions_wall_clock() {
    // 2021-03-14 06:59:59 and 07:00:00 UTC: New York's clock jumps from 01:59:59 to 03:00:00.
    let column = TimestampMicrosecondArray::from(vec![1_615_705_199_000_000, 1_615_705_200_000_000]).with_timezone("UTC");
    let given = batch(&[("x", Arc::new(column))]);
    let signature = columns(&[("x", ColumnType::Datetime)]);
    let made = |zone: Option<&str>, compat| {
        let options = ScoreOptions { time_zone: zone.map(str::to_owned), compat, ..ScoreOptions::default() };
        let plan = Enforcement::plan(&signature, None, given.schema_ref(), &options)?;
        let made = plan.apply(&given, &Context::default())?;
        let seconds = arrow::compute::cast(made.column(0), &DataType::Int64)?;
        Ok(seconds
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|nanos| nanos / 1_000_000_000 - 1_615_705_200)
            .collect::<Vec<_>>())
    };
    assert_eq!(made(Some("America/New_York"), Compat::Exact).unwrap(), [-1 - 5 * 3600, -4 * 3600]);
    assert_eq!(made(Some("America/New_York"), Compat::Mlflow).unwrap(), [-1 - 5 * 3600, -4 * 3600]);
    assert_eq!(made(None, Compat::Exact).unwrap(), [-1, 0]);
    let refused: Result<Vec<i64>> = made(None, Compat::Mlflow);
    assert_eq!(refused.unwrap_err().code(), "TYPE_MISMATCH");
    assert_eq!(made(Some("Mars/Olympus"), Compat::Exact).unwrap_err().code(), "TIME_ZONE");
}

#[test]
fn times_that_nanoseconds_cannot_hold_are_refused() {
    // 1970-01-02 and 9999-12-31.
    let days: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![Some(1), None, Some(2_932_896)]));
    assert_eq!(one(ColumnType::Datetime, days.slice(0, 2)).unwrap().null_count(), 1);
    assert_eq!(one(ColumnType::Datetime, days).unwrap_err().row_number(), Some(2));
    let far: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, 253_402_214_400_000_000]));
    assert_eq!(one(ColumnType::Datetime, far).unwrap_err().row_number(), Some(1));
    let seconds: ArrayRef = Arc::new(arrow::array::TimestampSecondArray::from(vec![i64::MAX]).with_timezone("UTC"));
    assert_eq!(one(ColumnType::Datetime, seconds).unwrap_err().row_number(), Some(0));
}

#[test]
fn a_batch_of_what_the_model_takes_stays_as_it_is() {
    let doubles = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let signature = columns(&[("a", ColumnType::Double), ("b", ColumnType::Double)]);
    let apply = |given: &RecordBatch| {
        let plan = Enforcement::plan(&signature, None, given.schema_ref(), &ScoreOptions::default()).unwrap();
        let made = plan.apply(given, &Context::default()).unwrap();
        assert_eq!(made.columns(), [doubles(1.0), doubles(2.0)]);
        matches!(made, Cow::Borrowed(_))
    };
    assert!(apply(&batch(&[("a", doubles(1.0)), ("b", doubles(2.0))])));
    let others = [
        batch(&[("b", doubles(2.0)), ("a", doubles(1.0))]),
        batch(&[("a", doubles(1.0)), ("b", doubles(2.0)), ("c", doubles(3.0))]),
        batch(&[("a", doubles(1.0)), ("b", Arc::new(Float32Array::from(vec![2.0])))]),
        batch(&[("rows", Arc::new(StructArray::from(batch(&[("a", doubles(1.0)), ("b", doubles(2.0))]))))]),
    ];
    assert!(!others.iter().any(apply));
}

#[test]
fn a_native_models_columns_are_found_by_name() {
    let model = Schema::new(vec![Field::new("f0", DataType::Float32, true), Field::new("f1", DataType::Int64, true)]);
    let given = batch(&[("f1", Arc::new(Float64Array::from(vec![2.0]))), ("f0", Arc::new(Float64Array::from(vec![0.1])))]);
    let plan = Enforcement::plan(&Signature::default(), Some(&model), given.schema_ref(), &ScoreOptions::default()).unwrap();
    let made = plan.apply(&given, &Context::default()).unwrap();
    assert_eq!(made.column(0).as_primitive::<Float32Type>(), &Float32Array::from(vec![0.1]));
    assert_eq!(made.column(1).as_primitive::<Int64Type>(), &Int64Array::from(vec![2]));
    let short = batch(&[("f0", Arc::new(Float64Array::from(vec![0.1])))]);
    let error = Enforcement::plan(&Signature::default(), Some(&model), short.schema_ref(), &ScoreOptions::default()).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("f1")));
}

#[test]
fn a_model_is_given_the_values_of_what_it_does_not_read() {
    let words: DictionaryArray<Int32Type> = ["b", "a", "b"].into_iter().collect();
    let decimals = Decimal128Array::from(vec![Some(150), None, Some(-25)]).with_precision_and_scale(10, 2).unwrap();
    let nested = DictionaryArray::<Int32Type>::new(Int32Array::from(vec![2, 1, 0]), Arc::new(decimals.clone()));
    let given = batch(&[("w", Arc::new(words)), ("d", Arc::new(decimals)), ("n", Arc::new(nested))]);
    let reads = |from: &DataType| !from.is_decimal() && !matches!(from, DataType::Dictionary(..));
    for signature in [Signature::default(), columns(&[("w", ColumnType::Any), ("d", ColumnType::Any), ("n", ColumnType::Any)])] {
        let plan = Enforcement::plan_for(&signature, None, &reads, given.schema_ref(), &ScoreOptions::default()).unwrap();
        let made = plan.apply(&given, &Context::default()).unwrap();
        assert_eq!(made.column(0).as_string::<i32>(), &StringArray::from(vec!["b", "a", "b"]));
        assert_eq!(made.column(1).as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(1.5), None, Some(-0.25)]));
        assert_eq!(made.column(2).as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(-0.25), None, Some(1.5)]));
    }
    // A model that reads them is given them as they are.
    assert_eq!(enforce(&Signature::default(), &given).unwrap().columns(), given.columns());
    let model = Schema::new(vec![Field::new("n", DataType::Float64, true)]);
    let plan = Enforcement::plan(&Signature::default(), Some(&model), given.schema_ref(), &ScoreOptions::default()).unwrap();
    assert_eq!(plan.apply(&given, &Context::default()).unwrap().column(0).as_primitive::<Float64Type>().value(0), -0.25);
}

#[test]
fn tensors_check_lengths_by_row() {
    let spec = TensorSpec { name: Some("x".into()), dtype: "float32".into(), shape: vec![-1, 2] };
    let signature = Signature { inputs: Some(SchemaSpec::Tensors(vec![spec])), ..Signature::default() };
    let lists = |rows: Vec<Vec<f64>>| -> ArrayRef {
        let rows = rows.into_iter().map(|row| Some(row.into_iter().map(Some)));
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows))
    };
    let made = enforce(&signature, &batch(&[("x", lists(vec![vec![1.0, 0.1], vec![3.0, 4.0]]))])).unwrap();
    assert_eq!(made.column(0).as_list::<i32>().values().as_primitive::<Float32Type>().values(), &[1.0, 0.1, 3.0, 4.0]);
    let error = enforce(&signature, &batch(&[("x", lists(vec![vec![1.0, 2.0], vec![3.0]]))])).unwrap_err();
    assert_eq!((error.row_number(), error.expected_text()), (Some(1), Some("Tensor('float32', (-1, 2))")));
}

#[test]
fn a_tensor_may_come_as_lists_in_lists() {
    let spec = TensorSpec { name: Some("x".into()), dtype: "float32".into(), shape: vec![-1, 2, 1] };
    let signature = Signature { inputs: Some(SchemaSpec::Tensors(vec![spec])), ..Signature::default() };
    let inner = ListArray::from_iter_primitive::<Float64Type, _, _>((0..4).map(|at| Some([Some(f64::from(at))])));
    let lists = |lengths: [usize; 2]| -> ArrayRef {
        let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths);
        Arc::new(ListArray::new(field, offsets, Arc::new(inner.clone()), None))
    };
    let made = enforce(&signature, &batch(&[("x", lists([2, 2]))])).unwrap();
    let deep = DataType::new_list(DataType::new_list(DataType::Float32, true), true);
    assert_eq!(made.column(0).data_type(), &deep);
    assert_eq!(enforce(&signature, &batch(&[("x", lists([3, 1]))])).unwrap_err().row_number(), Some(0));
}

#[test]
fn two_columns_of_a_name_are_ambiguous() {
    let fields = vec![Field::new("x", DataType::Float64, true), Field::new("x", DataType::Float64, true)];
    let error = Enforcement::plan(&columns(&[("x", ColumnType::Double)]), None, &Schema::new(fields), &ScoreOptions::default());
    assert_eq!(error.unwrap_err().code(), "DUPLICATE_COLUMN");
}
