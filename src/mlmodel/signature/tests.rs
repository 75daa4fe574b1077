use ::arrow::datatypes::TimeUnit;

use super::*;
use crate::error::Kind;

fn inputs(text: &str) -> Result<Signature> {
    Signature::from_parts(Some(text), None, None)
}

#[test]
fn every_type_is_read_and_written_as_mlflow_writes_it() {
    let text = concat!(
        r#"[{"type": "boolean", "name": "b", "required": true}, {"type": "integer", "name": "i", "required": false}, "#,
        r#"{"type": "array", "items": {"type": "array", "items": {"type": "float"}}, "name": "a", "required": true}, "#,
        r#"{"type": "object", "properties": {"x": {"type": "long", "required": true}, "y": {"type": "string", "required": false}}, "#,
        r#""name": "o", "required": true}, "#,
        r#"{"type": "map", "values": {"type": "any"}, "name": "m", "required": true}, "#,
        r#"{"type": "sparkml_vector", "name": "v", "required": true}, {"type": "any", "name": "\u00e9\"", "required": true}, "#,
        r#"{"type": "binary", "name": "n", "required": true}, {"type": "datetime", "name": "d", "required": true}]"#,
    );
    let signature = inputs(text).unwrap();
    assert_eq!(signature.inputs_json().unwrap(), text);
    assert_eq!(Signature::from_json(&signature.to_json()).unwrap(), signature);
    assert_eq!(signature.required_count(), Some(8));
    let schema = signature.input_schema().unwrap();
    assert_eq!(schema.field(6).name(), "é\"");
    let types: Vec<String> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(
        types,
        [
            "Boolean",
            "Int32",
            "List(List(Float32))",
            "Struct(\"x\": Int64, \"y\": Utf8)",
            "Map(\"entries\": non-null Struct(\"key\": non-null Utf8, \"value\": Null), unsorted)",
            "List(Float64)",
            "Null",
            "Binary",
            "Timestamp(ns)",
        ]
    );
}

#[test]
fn tensors_are_columns_of_lists() {
    let text = r#"[{"name": "image", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28, 28]}}, {"name": "id", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]"#;
    let signature = inputs(text).unwrap();
    assert_eq!(signature.inputs_json().unwrap(), text);
    let schema = signature.input_schema().unwrap();
    assert_eq!(schema.field(0).data_type().to_string(), "List(List(Float32))");
    assert_eq!(schema.field(1).data_type(), &DataType::Int64);
    let one = inputs(r#"[{"type": "tensor", "tensor-spec": {"dtype": "double", "shape": [-1, 4]}}]"#).unwrap();
    assert_eq!(one.input_names().unwrap(), ["0"]);
    assert_eq!(one.inputs_json().unwrap(), r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]"#);
}

#[test]
fn older_files_say_optional() {
    let signature = inputs(r#"[{"name": "a", "type": "long"}, {"name": "b", "type": "long", "optional": true}]"#).unwrap();
    assert_eq!(signature.required_count(), Some(1));
    assert_eq!(
        signature.inputs_json().unwrap(),
        r#"[{"type": "long", "name": "a", "required": true}, {"type": "long", "name": "b", "required": false}]"#
    );
}

#[test]
fn empty_and_null_parts_are_no_parts() {
    for text in ["", " ", "{}", r#"{"inputs": null}"#, r#"{"inputs": ""}"#] {
        assert!(Signature::from_json(text).unwrap().is_empty(), "{text}");
    }
    assert_eq!(Signature::default().to_json(), r#"{"inputs": null, "outputs": null, "params": null}"#);
    assert_eq!(Signature::default().input_schema(), None);
    assert_eq!(Signature::default().output_type(), None);
}

#[test]
fn one_output_is_its_type_and_several_are_a_struct() {
    let outputs = |text: &str| Signature::from_parts(None, Some(text), None).unwrap().output_type().unwrap();
    assert_eq!(outputs(r#"[{"type": "long"}]"#), DataType::Int64);
    assert_eq!(outputs(r#"[{"type": "long"}, {"type": "datetime"}]"#).to_string(), "Struct(\"0\": Int64, \"1\": Timestamp(ns))");
}

#[test]
fn params_keep_what_json_has_no_number_for() {
    let text = concat!(
        r#"[{"name": "a", "default": 0.5, "shape": null, "type": "double"}, "#,
        r#"{"name": "b", "default": [NaN, -Infinity, 1.0], "shape": [-1], "type": "float"}, "#,
        r#"{"name": "c", "default": "NaN", "shape": null, "type": "string"}, "#,
        r#"{"name": "d", "default": "2024-01-02T03:04:05", "shape": null, "type": "datetime"}, "#,
        r#"{"name": "e", "default": {"k": 1}, "shape": null, "type": "object", "properties": {"k": {"type": "long", "required": true}}}]"#,
    );
    let signature = Signature::from_parts(None, None, Some(text)).unwrap();
    assert_eq!(signature.params_json().unwrap(), text);
    let params = signature.params.unwrap();
    let special: Vec<_> = params[1].default.as_array().unwrap().iter().map(crate::mlmodel::json::special).collect();
    assert_eq!(special, [Some("NaN"), Some("-Infinity"), None]);
    let old = r#"[{"name": "t", "dtype": "long", "default": 3, "shape": null}]"#;
    assert_eq!(Signature::from_parts(None, None, Some(old)).unwrap().params.unwrap()[0].kind, ColumnType::Long);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, message) in [
        ("[", "'signature.inputs': is no JSON"),
        ("{}", "'signature.inputs': is no JSON list: found an object"),
        ("[]", "'signature.inputs': is an empty list"),
        ("[3]", "'signature.inputs[0]': is no JSON object: found a number"),
        (r#"[{"name": "a"}]"#, "'signature.inputs[0].type': is missing"),
        (r#"[{"type": "decimal"}]"#, "'signature.inputs[0].type': is no type of a signature"),
        (r#"[{"type": "long", "name": "a"}, {"type": "long"}]"#, "mixes named and unnamed entries"),
        (r#"[{"type": "long", "name": "a"}, {"type": "long", "name": "a"}]"#, "two inputs are named 'a'"),
        (r#"[{"type": "long", "required": false}]"#, "declares an unnamed column that is optional"),
        (r#"[{"type": "long", "required": 1}]"#, "'signature.inputs[0].required': is neither true nor false"),
        (r#"[{"type": "array"}]"#, "'signature.inputs[0].items': is missing"),
        (r#"[{"type": "array", "items": {"type": "x"}}]"#, "'signature.inputs[0].items.type': is no type"),
        (r#"[{"type": "object", "properties": {}}]"#, "'signature.inputs[0].properties': declares no property"),
        (r#"[{"type": "object", "properties": {"k": 1}}]"#, "'signature.inputs[0].properties.k': is no JSON object"),
        (r#"[{"type": "map", "values": "long"}]"#, "'signature.inputs[0].values': is no JSON object: found text"),
        (r#"[{"type": "tensor"}]"#, "'signature.inputs[0].tensor-spec': is missing"),
        (r#"[{"type": "tensor", "tensor-spec": {"dtype": "f", "shape": [-1]}}]"#, "tensor-spec.dtype': is no numpy type"),
        (r#"[{"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": [-2]}}]"#, "tensor-spec.shape': holds what is no size"),
        (
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": [-1]}}, {"type": "long"}]"#,
            "'signature.inputs': mixes columns and tensors",
        ),
        (
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": [-1]}}, {"type": "tensor", "tensor-spec": {"dtype": "bool", "shape": [-1]}}]"#,
            "declares several unnamed tensors",
        ),
    ] {
        let error = inputs(text).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidModel, "SIGNATURE_INVALID"), "{text}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    for (text, message) in [
        (r#"[{"name": "a", "type": "long"}]"#, "'signature.params[0].default': is missing"),
        (r#"[{"name": "a", "type": "long", "default": "x"}]"#, "'signature.params[0] ('a')': the default has another type"),
        (r#"[{"name": "a", "type": "binary", "default": "x"}]"#, "'signature.params[0].type': is no type of a param"),
        (r#"[{"name": "a", "type": "long", "default": 1, "shape": [-1]}]"#, "the default of a list param is no list"),
        (r#"[{"name": "a", "type": "long", "default": [1], "shape": [2]}]"#, "the shape of a param is null or [-1]"),
        (
            r#"[{"name": "a", "type": "long", "default": 1}, {"name": "a", "type": "long", "default": 1}]"#,
            "two params are named 'a'",
        ),
    ] {
        let error = Signature::from_parts(None, None, Some(text)).unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    let deep = format!("{}{}", r#"[{"type": "array", "items": "#.repeat(2000), "");
    assert_eq!(inputs(&deep).unwrap_err().kind(), Kind::InvalidModel);
}

#[test]
fn arrow_types_become_the_narrowest_declared_type() {
    let field = |kind: DataType| Arc::new(Field::new_list_field(kind, true));
    for (kind, declared) in [
        (DataType::UInt16, "integer"),
        (DataType::UInt32, "long"),
        (DataType::Float16, "float"),
        (DataType::Date32, "datetime"),
        (DataType::Timestamp(TimeUnit::Microsecond, None), "datetime"),
        (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), "string"),
        (DataType::LargeList(field(DataType::LargeBinary)), "array<binary>"),
        (DataType::Null, "any"),
    ] {
        assert_eq!(ColumnType::from_arrow(&kind).unwrap().to_string(), declared);
    }
    for kind in [DataType::UInt64, DataType::Decimal128(10, 2), DataType::Duration(TimeUnit::Second)] {
        assert_eq!(ColumnType::from_arrow(&kind).unwrap_err().kind(), Kind::InvalidArgument);
    }
    let schema = Fields::from(vec![Field::new("u", DataType::UInt64, true)]);
    assert_eq!(Signature::from_arrow(Some(&schema), None).unwrap_err().column_name(), Some("u"));
}
