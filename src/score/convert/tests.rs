//! Result types, and answers in forms that MLflow never sees.

use arrow::{
    array::{Float32Array, Float64Array, Int64Array, StringArray, StructArray},
    datatypes::{Field, Int32Type},
};

use super::*;
use crate::mlmodel::{ColumnSpec, ColumnType, SchemaSpec, TensorSpec};

fn outputs(specs: &[(Option<&str>, ColumnType)]) -> Signature {
    let spec = |(name, kind): &(Option<&str>, ColumnType)| ColumnSpec {
        name: name.map(str::to_owned),
        kind: kind.clone(),
        required: true,
    };
    Signature { outputs: Some(SchemaSpec::Columns(specs.iter().map(spec).collect())), ..Signature::default() }
}

fn apply(result: DataType, compat: Compat, columns: &[(&str, ArrayRef)]) -> Result<ArrayRef> {
    let raw =
        RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, column)| (*name, column.clone(), true))).unwrap();
    Conversion::new(result, compat).apply(&raw, raw.num_rows())
}

#[test]
fn the_result_type_is_asked_declared_the_models_or_double() {
    let declared = outputs(&[(None, ColumnType::Long)]);
    let resolve = |asked: Option<&DataType>, signature: &Signature, model: Option<&DataType>| {
        Conversion::result_type(asked, signature, model).unwrap()
    };
    let (int, float) = (DataType::Int32, DataType::Float32);
    assert_eq!(resolve(Some(&int), &declared, Some(&float)), int);
    assert_eq!(resolve(None, &declared, Some(&float)), DataType::Int64);
    assert_eq!(resolve(None, &Signature::default(), Some(&float)), float);
    assert_eq!(resolve(None, &Signature::default(), None), DataType::Float64);
    let several = outputs(&[(Some("label"), ColumnType::String), (None, ColumnType::Datetime)]);
    let DataType::Struct(fields) = resolve(None, &several, None) else { panic!("no struct") };
    assert_eq!((fields[0].name().as_str(), fields[1].name().as_str()), ("label", "1"));
    // What the signature means may be handed back, though MLflow would not let it be asked for.
    assert_eq!(resolve(Some(&DataType::Struct(fields.clone())), &several, None), DataType::Struct(fields));
    let error = Conversion::result_type(Some(&DataType::Date32), &several, None).unwrap_err();
    assert!(error.message().starts_with("Invalid 'spark_udf' result type:"), "{error}");
}

#[test]
fn tensor_outputs_are_lists_by_rank() {
    let of = |dtype: &str, shape: Vec<i64>| {
        let specs = vec![TensorSpec { name: None, dtype: dtype.into(), shape }];
        let signature = Signature { outputs: Some(SchemaSpec::Tensors(specs)), ..Signature::default() };
        Conversion::result_type(None, &signature, None)
    };
    assert_eq!(of("float32", vec![-1]).unwrap(), DataType::new_list(DataType::Float32, true));
    let nested = DataType::new_list(DataType::new_list(DataType::Int64, true), true);
    assert_eq!(of("int64", vec![-1, 3]).unwrap(), nested);
    assert!(of("int64", vec![-1, 3, 3]).unwrap_err().message().starts_with("Only 1D or 2D tensors"));
    assert!(of("uint8", vec![-1]).is_err());
}

#[test]
fn int64_labels_fit_an_int_by_default() {
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let made = apply(DataType::Int32, Compat::Exact, &[("0", labels.clone())]).unwrap();
    assert_eq!(made.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    assert_eq!(apply(DataType::Int32, Compat::Mlflow, &[("0", labels)]).unwrap_err().code(), "RESULT_TYPE");
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![1, 1 << 40]));
    assert_eq!(apply(DataType::Int32, Compat::Exact, &[("0", wide)]).unwrap_err().row_number(), Some(1));
}

#[test]
fn one_struct_answer_gives_its_fields() {
    let fields: Fields = vec![Field::new("label", DataType::Utf8, true), Field::new("p", DataType::Float64, true)].into();
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["a"])), Arc::new(Float64Array::from(vec![0.5]))];
    let answer: ArrayRef = Arc::new(StructArray::new(fields, columns, None));
    let asked = crate::score::ddl::parse("p float, label string").unwrap();
    let made = apply(asked.clone(), Compat::Exact, &[("0", answer.clone())]).unwrap();
    assert_eq!(made.data_type(), &asked);
    let absent = crate::score::ddl::parse("q float").unwrap();
    let error = apply(absent, Compat::Exact, &[("0", answer)]).unwrap_err();
    assert_eq!((error.column_name(), error.found_text()), (Some("prediction.q"), Some("[label, p]")));
}

#[test]
fn probabilities_become_one_list_a_row() {
    let column = |values: Vec<f32>| -> ArrayRef { Arc::new(Float32Array::from(values)) };
    let made = apply(
        DataType::new_list(DataType::Float64, true),
        Compat::Exact,
        &[("0", column(vec![0.25, 1.0])), ("1", column(vec![0.75, 0.0]))],
    );
    let made = made.unwrap();
    let rows: Vec<Vec<f64>> =
        made.as_list::<i32>().iter().map(|row| row.unwrap().as_primitive::<Float64Type>().values().to_vec()).collect();
    assert_eq!(rows, [[0.25, 0.75], [1.0, 0.0]]);
}

#[test]
fn lists_of_floats_keep_rows_and_nulls_apart() {
    let list = DataType::new_list(DataType::Float64, true);
    let value = |row: usize, column: usize| (row * 10 + column) as f64;
    for nulls in [false, true] {
        let column = |at: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter((0..600).map(|row| (!nulls || row % 7 != at).then(|| value(row, at)))))
        };
        let made = apply(list.clone(), Compat::Exact, &[("0", column(0)), ("1", column(1)), ("2", column(2))]).unwrap();
        assert_eq!(*made.data_type(), list);
        for (row, items) in made.as_list::<i32>().iter().enumerate() {
            let items: Vec<Option<f64>> = items.unwrap().as_primitive::<Float64Type>().iter().collect();
            let wanted: Vec<Option<f64>> = (0..3).map(|at| (!nulls || row % 7 != at).then(|| value(row, at))).collect();
            assert_eq!(items, wanted, "row {row}");
        }
    }
}
