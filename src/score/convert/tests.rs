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
fn a_type_is_planned_by_the_signature_or_the_model() {
    let declared = outputs(&[(None, ColumnType::Long)]);
    let resolve = |signature: &Signature, model: Option<&DataType>| planned(signature, model).unwrap();
    let float = DataType::Float32;
    assert_eq!(resolve(&declared, Some(&float)), Some(DataType::Int64));
    assert_eq!(resolve(&Signature::default(), Some(&float)), Some(float.clone()));
    let three = DataType::new_fixed_size_list(float.clone(), 3, true);
    assert_eq!(resolve(&Signature::default(), Some(&three)), Some(DataType::new_list(float, true)));
    assert_eq!(resolve(&Signature::default(), None), None);
    let several = outputs(&[(Some("label"), ColumnType::String), (None, ColumnType::Datetime)]);
    let Some(DataType::Struct(fields)) = resolve(&several, None) else { panic!("no struct") };
    assert_eq!((fields[0].name().as_str(), fields[1].name().as_str()), ("label", "1"));
    // What the signature means may be handed back, though MLflow would not let it be asked for.
    Conversion::to_asked(&DataType::Struct(fields), &several, Compat::Exact).unwrap();
    let error = Conversion::to_asked(&DataType::Date32, &several, Compat::Exact).unwrap_err();
    assert!(error.message().starts_with("Invalid 'spark_udf' result type:"), "{error}");
}

#[test]
fn tensor_outputs_are_lists_by_rank_where_a_type_is_planned_and_their_values_elsewhere() {
    let signature = |dtype: &str, shape: Vec<i64>| {
        let specs = vec![TensorSpec { name: None, dtype: dtype.into(), shape }];
        Signature { outputs: Some(SchemaSpec::Tensors(specs)), ..Signature::default() }
    };
    let of = |dtype: &str, shape: Vec<i64>| planned(&signature(dtype, shape), None);
    assert_eq!(of("float32", vec![-1]).unwrap(), Some(DataType::new_list(DataType::Float32, true)));
    let nested = DataType::new_list(DataType::new_list(DataType::Int64, true), true);
    assert_eq!(of("int64", vec![-1, 3]).unwrap(), Some(nested));
    let own = |shape: Vec<i64>| read_as(&signature("int64", shape));
    let fields: Fields = ["0", "1", "2"].map(|name| Field::new(name, DataType::Int64, true)).to_vec().into();
    assert_eq!(own(vec![-1]), Some(DataType::Int64));
    assert_eq!(own(vec![-1, 1]), Some(DataType::Int64));
    assert_eq!(own(vec![-1, 3]), Some(DataType::Struct(fields)));
    assert_eq!(own(vec![-1, 2, 3]), Some(DataType::new_list(DataType::new_list(DataType::Int64, true), true)));
    assert_eq!(plain_type(&signature("int64", vec![-1])), Some(DataType::Int64));
    assert_eq!(plain_type(&signature("int64", vec![-1, 1])), None);
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
    let asked = ddl::parse("p float, label string").unwrap();
    let made = apply(asked.clone(), Compat::Exact, &[("0", answer.clone())]).unwrap();
    assert_eq!(made.data_type(), &asked);
    let absent = ddl::parse("q float").unwrap();
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

#[test]
fn zeros_and_ones_are_booleans_and_a_remedy_names_a_type_that_holds_the_rest() {
    let labels = |values: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let made = apply(DataType::Boolean, Compat::Exact, &[("0", labels(vec![Some(1), None, Some(0)]))]).unwrap();
    assert_eq!(made.as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, Some(false)]);
    let two = labels(vec![Some(1), Some(2)]);
    let error = apply(DataType::Boolean, Compat::Exact, &[("0", two.clone())]).unwrap_err();
    assert_eq!(error.row_number(), Some(1));
    for (asked, found, remedy) in [
        ("boolean", two.clone(), "long"),
        ("long", Arc::new(Float64Array::from(vec![0.5])) as ArrayRef, "double"),
        ("array<long>", Arc::new(Float64Array::from(vec![0.5])) as _, "array<double>"),
        ("double", Arc::new(StringArray::from(vec!["a"])) as _, "string"),
        ("b string, a int", Arc::new(Float64Array::from(vec![0.5])) as _, "struct<`b`:string,`a`:double>"),
    ] {
        let asked = ddl::parse(asked).unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x"; found.len()]));
        let columns: &[(&str, ArrayRef)] = if asked.is_nested() && !matches!(asked, DataType::List(_)) {
            &[("a", found.clone()), ("b", texts)]
        } else {
            &[("a", found.clone())]
        };
        let error = apply(asked.clone(), Compat::Exact, columns).unwrap_err();
        assert!(error.to_string().contains(&format!("result_type=\"{remedy}\"")), "{error}");
        apply(ddl::parse(remedy).unwrap(), Compat::Exact, columns).unwrap();
    }
}

#[test]
fn a_null_stays_null_in_a_text_and_is_none_or_nan_as_mlflow_has_it() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    for (column, exact, mlflow) in [(texts, "a", "nan"), (numbers, "1", "None")] {
        let made = |compat| {
            let made = apply(DataType::Utf8, compat, &[("0", column.clone())]).unwrap();
            made.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(made(Compat::Exact), [Some(exact.to_owned()), None]);
        assert_eq!(made(Compat::Mlflow), [Some(exact.to_owned()), Some(mlflow.to_owned())]);
    }
}

#[test]
fn answers_have_the_type_that_holds_the_values_of_all() {
    let list = |item: DataType| DataType::new_list(item, true);
    let record = |fields: &[(&str, DataType)]| {
        DataType::Struct(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect())
    };
    use DataType::{Boolean, Float32, Float64, Int8, Int32, Int64, LargeUtf8, Null, UInt8, UInt64, Utf8};
    for (one, other, both) in [
        (Null, Utf8, Some(Utf8)),
        (Int32, Int64, Some(Int64)),
        (Int8, UInt8, Some(DataType::Int16)),
        (Int64, UInt64, None),
        (Int64, Float32, Some(Float64)),
        (Float32, Float64, Some(Float64)),
        (Utf8, LargeUtf8, Some(LargeUtf8)),
        (Boolean, Int64, None),
        (Utf8, Float64, None),
        (list(Null), list(Int64), Some(list(Int64))),
        (record(&[("a", Int64)]), record(&[("b", Utf8), ("a", Float64)]), Some(record(&[("a", Float64), ("b", Utf8)]))),
    ] {
        assert_eq!(common(&one, &other), both, "{one} {other}");
        if both.as_ref().is_none_or(|both| !both.is_nested()) {
            assert_eq!(common(&other, &one), both, "{other} {one}");
        }
    }
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some((1 << 60) + 1)]));
    assert_eq!(
        fit(&whole.slice(0, 2), &Float64).unwrap().as_primitive::<Float64Type>().iter().collect::<Vec<_>>(),
        [Some(1.0), None]
    );
    assert_eq!(fit(&whole, &Float64).unwrap_err().row_number(), Some(2));
    assert!(fit(&whole, &Int32).is_err() && fit(&whole, &Utf8).is_err());
    let a: ArrayRef = Arc::new(StructArray::from(vec![(Arc::new(Field::new("a", Int64, true)), whole.slice(0, 2))]));
    let wide = fit(&a, &record(&[("a", Float64), ("b", Utf8)])).unwrap();
    assert_eq!((wide.as_struct().column(0).null_count(), wide.as_struct().column(1).null_count()), (1, 2));
}

#[test]
fn an_answer_is_its_column_or_one_struct_of_its_columns() {
    let column = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value; 2])) };
    let raw = |names: &[&str]| {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
        let columns = (0..names.len()).map(|at| column(at as i64)).collect();
        RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns).unwrap()
    };
    assert_eq!(whole(&raw(&["y"]), 2).unwrap().data_type(), &DataType::Int64);
    let made = whole(&raw(&["v", "u"]), 2).unwrap();
    assert_eq!(made.as_struct().column_names(), ["v", "u"]);
    assert_eq!(
        own_type(&DataType::new_fixed_size_list(DataType::Int64, 2, true)),
        *whole(&raw(&["0", "1"]), 2).unwrap().data_type()
    );
    assert_eq!(whole(&raw(&["u", "u"]), 2).unwrap_err().code(), "DUPLICATE_COLUMN");
    assert_eq!(whole(&raw(&["u"]), 3).unwrap_err().code(), "ROW_COUNT");
}
