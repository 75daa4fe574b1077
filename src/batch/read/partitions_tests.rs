//! The types and values that Spark gives partition columns (`tests/make_partitions.py`), and what is refused.

use arrow::{array::AsArray as _, compute::cast, datatypes::Float64Type};
use serde_json::Value;

use super::*;

fn file(path: &str, below: usize) -> InputFile {
    let keys = keys(path.as_ref(), below).unwrap();
    InputFile { path: path.into(), relative: path.into(), below, keys }
}

fn partitions(files: &[InputFile], declared: Option<&SchemaRef>) -> Result<Partitions> {
    let empty = arrow::datatypes::Fields::empty();
    Partitions::of(files, &table::Table::of(&vec![&empty; files.len()]), declared, &[])
}

#[test]
fn types_and_values_are_those_of_spark() {
    let oracle: Value = serde_json::from_str(include_str!("../../../tests/data/partitions.json")).unwrap();
    let cases = oracle["cases"].as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let raw: Vec<&str> = case[0].as_array().unwrap().iter().map(|raw| raw.as_str().unwrap()).collect();
        let files: Vec<InputFile> = raw.iter().map(|raw| file(&format!("t/k={raw}/x.json"), 1)).collect();
        let made = partitions(&files, None).unwrap();
        let kind = made.schema.field(0).data_type();
        let theirs = match case[1].as_str().unwrap() {
            "int" => DataType::Int32,
            "bigint" => DataType::Int64,
            "double" => DataType::Float64,
            "date" => DataType::Date32,
            "timestamp" => TIMESTAMP,
            // Beside whole numbers, Spark's decimals are numbers with an exponent: doubles here.
            text if text.starts_with("decimal") => {
                if raw[0].contains(['e', '.']) {
                    DataType::Float64
                } else {
                    DECIMAL
                }
            }
            _ => DataType::Utf8,
        };
        assert_eq!(*kind, theirs, "{raw:?}");
        for (at, text) in case[2].as_array().unwrap().iter().enumerate() {
            let value = made.value(at, 0);
            let Some(text) = text.as_str() else {
                assert!(value.is_null(0), "{raw:?}");
                continue;
            };
            if theirs == DataType::Float64 {
                let expected: f64 = text.parse().unwrap();
                assert_eq!(value.as_primitive::<Float64Type>().value(0).to_bits(), expected.to_bits(), "{raw:?}");
                continue;
            }
            let expected: ArrayRef = Arc::new(arrow::array::StringArray::from(vec![text]));
            assert_eq!(&value, &cast(&expected, kind).unwrap(), "{raw:?}");
        }
    }
}

#[test]
fn the_declared_type_comes_first() {
    let files = [file("t/k=007/x.json", 1), file("t/k=__HIVE_DEFAULT_PARTITION__/x.json", 1)];
    let declared = |kind| Some(Arc::new(Schema::new(vec![Field::new("k", kind, true)])));
    let made = partitions(&files, declared(DataType::Utf8).as_ref()).unwrap();
    assert_eq!((made.value(0, 0).as_string::<i32>().value(0), made.value(1, 0).is_null(0)), ("007", true));
    let made = partitions(&files, declared(DataType::Float64).as_ref()).unwrap();
    assert_eq!(made.value(0, 0).as_primitive::<Float64Type>().value(0), 7.0);
    let error = partitions(&[file("t/k=x/x.json", 1)], declared(DataType::Float64).as_ref()).err().unwrap();
    assert_eq!((error.code(), error.column_name()), ("BAD_CELL", Some("k")));
    assert!(error.to_string().contains("t/k=x/x.json") && error.to_string().contains("expected double, found 'x'"), "{error}");
}

#[test]
fn keys_are_in_the_directories_below_and_right_above() {
    let names = |path: &str, below| keys(path.as_ref(), below).unwrap().into_iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names("t/a=1/b=2/x.csv", 2), ["a", "b"]);
    assert_eq!(names("t/a=1/b=2/x.csv", 0), ["a", "b"]);
    assert_eq!(names("t/a=1/b=2/parts/x.csv", 3), ["a", "b"]);
    assert_eq!(names("t/a=1/between/b=2/x.csv", 3), ["b"]);
    assert!(names("run=5/in/x.csv", 0).is_empty() && names("t/x=1.csv", 1).is_empty());
    assert_eq!(names("t/a%20b=1/x.csv", 1), ["a b"]);
    for wrong in ["t/=1/x.csv", "t/a=/x.csv", "t/a=1/a=2/x.csv"] {
        assert_eq!(keys(wrong.as_ref(), 2).unwrap_err().code(), "BAD_PARTITION", "{wrong}");
        // Above the input they are no columns, but no error either.
        assert!(keys(wrong.as_ref(), 0).is_ok());
    }
    // Above the input only what the model asks for is a column.
    let above = [file("t/a=1/x.csv", 0)];
    assert_eq!(partitions(&above, None).unwrap().len(), 0);
    // Directories of two shapes: what is missing is null.
    let made = partitions(&[file("t/a=1/x.csv", 1), file("t/y.csv", 0)], None).unwrap();
    assert!(made.value(1, 0).is_null(0));
    let error = made.require_in_every_file(0, &["t/a=1/x.csv".as_ref(), "t/y.csv".as_ref()]).unwrap_err();
    assert!(error.to_string().contains("t/y.csv lacks"), "{error}");
}
