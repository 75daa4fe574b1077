//! The common type of two, and that no value changes on the way to it.

use arrow::{
    array::{Float64Array, Int64Array, RecordBatch, StringArray, StructArray, TimestampSecondArray},
    datatypes::{Float64Type, Int32Type},
};

use super::*;

fn time(unit: TimeUnit, zone: Option<&str>) -> DataType {
    DataType::Timestamp(unit, zone.map(Into::into))
}

#[test]
fn common_types_hold_the_values_of_both() {
    use DataType::*;
    let words = Dictionary(Box::new(Int32), Box::new(Utf8));
    let list = |item| DataType::new_list(item, true);
    let cases = [
        (Int32, Int64, Some(Int64)),
        (Int8, UInt8, Some(Int16)),
        (UInt32, Int32, Some(Int64)),
        (UInt64, Int64, Some(Decimal128(20, 0))),
        (Int16, Float32, Some(Float32)),
        (Int32, Float32, Some(Float64)),
        (Int64, Float32, Some(Float64)),
        (Int8, Float16, Some(Float16)),
        (Float32, Float64, Some(Float64)),
        (Decimal128(10, 2), Decimal128(12, 0), Some(Decimal128(14, 2))),
        (Decimal128(10, 2), Int32, Some(Decimal128(12, 2))),
        (Decimal128(38, 0), Decimal128(38, 10), Some(Decimal256(48, 10))),
        (Decimal128(10, 2), Float64, None),
        (Null, Int32, Some(Int32)),
        (Null, words.clone(), Some(words.clone())),
        (words.clone(), Utf8, Some(Utf8)),
        (words, Dictionary(Box::new(Int8), Box::new(LargeUtf8)), Some(LargeUtf8)),
        (Utf8, Utf8View, Some(Utf8)),
        (Utf8, Int32, None),
        (Utf8, Binary, None),
        (Boolean, Int32, None),
        (FixedSizeBinary(4), FixedSizeBinary(5), Some(Binary)),
        (Date32, time(TimeUnit::Microsecond, None), Some(time(TimeUnit::Microsecond, None))),
        (Date32, time(TimeUnit::Microsecond, Some("UTC")), None),
        (time(TimeUnit::Microsecond, None), time(TimeUnit::Nanosecond, None), Some(time(TimeUnit::Nanosecond, None))),
        (time(TimeUnit::Second, Some("UTC")), time(TimeUnit::Second, Some("+02:00")), Some(time(TimeUnit::Second, Some("UTC")))),
        (time(TimeUnit::Second, None), time(TimeUnit::Second, Some("UTC")), None),
        (list(Int32), list(Float32), Some(list(Float64))),
        (list(Int32), list(Utf8), None),
    ];
    for (a, b, both) in cases {
        assert_eq!(common(&a, &b), both, "{a} and {b}");
        assert_eq!(common(&b, &a), both, "{b} and {a}");
    }
}

#[test]
fn declared_types_hold_what_they_accept() {
    use DataType::*;
    let ns = time(TimeUnit::Nanosecond, None);
    assert!(declares(&Float64, &[&Boolean, &Int32, &Decimal128(10, 2)]) && !declares(&Float64, &[&Utf8, &Int32]));
    assert!(declares(&ns, &[&time(TimeUnit::Microsecond, Some("UTC")), &Date32]) && !declares(&Utf8, &[&Utf8, &Int32]));
}

#[test]
fn values_stay_or_are_refused() {
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some((1 << 53) + 1)]));
    assert_eq!(convert(&whole, &DataType::Float64), Err(2));
    let small = convert(&whole.slice(0, 2), &DataType::Float64).unwrap();
    assert_eq!(small.as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(1.0), None]));
    // Beyond the years that nanoseconds hold.
    let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, 253_402_300_799]));
    assert_eq!(convert(&far, &time(TimeUnit::Nanosecond, None)), Err(1));
    let zoned: ArrayRef = Arc::new(TimestampSecondArray::from(vec![3600]).with_timezone("+01:00"));
    let instant = convert(&zoned, &time(TimeUnit::Nanosecond, None)).unwrap();
    assert_eq!(cast(&instant, &DataType::Int64).unwrap().as_ref(), &Int64Array::from(vec![3_600_000_000_000]) as &dyn Array);
}

#[test]
fn records_and_lists_are_joined_by_name() {
    let words: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("a", numbers.clone()), ("b", words.clone())]).unwrap();
    let one: ArrayRef = Arc::new(StructArray::from(batch));
    let other = DataType::Struct(vec![Field::new("c", DataType::Utf8, true), Field::new("a", DataType::Float64, true)].into());
    let both = common(one.data_type(), &other).unwrap();
    let made = convert(&one, &both).unwrap();
    let made = made.as_struct();
    assert_eq!(made.column_names(), ["a", "b", "c"]);
    assert_eq!(made.column_by_name("a").unwrap().as_primitive::<Float64Type>().values(), &[1.0, 2.0]);
    assert_eq!(made.column_by_name("c").unwrap().null_count(), 2);
    let lists = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let lists: ArrayRef = Arc::new(lists);
    let wide = DataType::new_list(DataType::Int64, true);
    let made = convert(&lists, &wide).unwrap();
    assert_eq!((made.data_type(), made.null_count(), made.as_list::<i32>().values().len()), (&wide, 1, 2));
    let huge = Int64Array::from(vec![0, 1 << 60, (1 << 60) + 1]);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([1, 2]);
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let lists: ArrayRef = Arc::new(arrow::array::ListArray::new(item, offsets, Arc::new(huge), None));
    assert_eq!(convert(&lists, &DataType::new_list(DataType::Float64, true)), Err(1));
}
