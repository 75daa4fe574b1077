//! The spelling of `tests/oracle/canon.py`, for Arrow.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type},
    util::display::array_value_to_string,
};
use serde_json::{Value, json};

/// One value; NaN is `{"f": "nan"}`.
pub fn canonical(array: &ArrayRef, row: usize) -> Value {
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return Value::Null;
    }
    let text = || array_value_to_string(array, row).unwrap();
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::UInt64 => json!(array.as_primitive::<UInt64Type>().value(row)),
        from if from.is_integer() => json!(cast(array, &DataType::Int64).unwrap().as_primitive::<Int64Type>().value(row)),
        from if from.is_floating() => match cast(array, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(row) {
            value if value.is_nan() => json!({"f": "nan"}),
            value if value.is_infinite() => json!({"f": if value > 0.0 { "inf" } else { "-inf" }}),
            value => json!(value),
        },
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => json!(text()),
        DataType::Binary | DataType::LargeBinary => json!({"b": text()}),
        DataType::Timestamp(..) => {
            let nanos = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None)).unwrap();
            let nanos = cast(&nanos, &DataType::Int64).unwrap().as_primitive::<Int64Type>().value(row);
            let (seconds, part) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
            let whole = arrow::array::TimestampSecondArray::from(vec![seconds]);
            json!({"t": format!("{}.{part:09}", array_value_to_string(&whole, 0).unwrap())})
        }
        DataType::Date32 | DataType::Date64 => json!({"d": text().split('T').next().unwrap()}),
        DataType::Time32(_) | DataType::Time64(_) => json!({"h": text()}),
        from if from.is_decimal() => json!({"n": text()}),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let list = cast(array, &DataType::LargeList(item.clone())).unwrap();
            let items = list.as_list::<i64>().value(row);
            (0..items.len()).map(|at| canonical(&items, at)).collect()
        }
        DataType::Struct(fields) => {
            let parts = fields.iter().zip(array.as_struct().columns());
            json!({"o": parts.map(|(field, part)| (field.name().clone(), canonical(part, row))).collect::<serde_json::Map<_, _>>()})
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let parts = (0..entries.len()).map(|at| {
                let key = array_value_to_string(entries.column(0), at).unwrap();
                (key, canonical(entries.column(1), at))
            });
            json!({"o": parts.collect::<serde_json::Map<_, _>>()})
        }
        DataType::Dictionary(_, values) => canonical(&cast(array, values).unwrap(), row),
        other => panic!("{other} has no spelling"),
    }
}

/// NaN as null: pandas cannot tell them apart.
pub fn loose(value: &Value) -> Value {
    match value {
        Value::Object(fields) if fields.get("f") == Some(&json!("nan")) => Value::Null,
        Value::Object(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), loose(value))).collect()),
        Value::Array(items) => items.iter().map(loose).collect(),
        other => other.clone(),
    }
}

/// Numbers as doubles, NaN as null: a tensor's type is checked by its model.
pub fn floats(value: &Value) -> Value {
    match loose(value) {
        Value::Array(items) => items.iter().map(floats).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other,
    }
}

/// A tensor's row as a flat list.
pub fn flat(value: Value) -> Value {
    if value.is_array() { value } else { json!([value]) }
}

/// Whether an Arrow column is what pandas calls this dtype.
pub fn dtype_fits(dtype: &str, column: &ArrayRef) -> bool {
    let from = column.data_type();
    match dtype {
        "object" => true,
        "str" => *from == DataType::Utf8,
        "bool" => *from == DataType::Boolean,
        "datetime64[ns]" => *from == DataType::Timestamp(TimeUnit::Nanosecond, None),
        other => from.to_string().to_lowercase() == other,
    }
}
