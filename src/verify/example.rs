//! The input example that MLflow saved with a model, as records of JSON.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    error::{Error, Kind, Result},
    file,
    mlmodel::{ColumnType, MlModel, SchemaSpec, json},
    store,
};

/// No example is larger than this.
const MAX_BYTES: u64 = 256 << 20;

/// An input example to score.
pub(super) struct Example {
    /// A file of one record a line.
    pub file: PathBuf,
    /// The inference params saved beside the rows.
    pub params: Option<Map<String, Value>>,
}

/// Writes the model's input example below `scratch`.
pub(super) fn write(mlmodel: &MlModel, directory: &Path, scratch: &Path) -> Result<Example> {
    let missing = || {
        Error::new(Kind::NotFound, "NO_INPUT_EXAMPLE", "the model was saved without an input example")
            .remedy("give rows with --data")
    };
    let info = mlmodel.rest.get("saved_input_example_info").and_then(|info| info.as_mapping()).ok_or_else(missing)?;
    let key = |name: &str| info.get(name).and_then(|value| value.as_str());
    let path = store::within(directory, key("artifact_path").ok_or_else(missing)?)?;
    let size = fs::metadata(&path).map_err(|error| Error::io(&path, error))?.len();
    if size > MAX_BYTES {
        return Err(file::too_large(&path, size, MAX_BYTES));
    }
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    let unreadable = |why: String| {
        Error::new(Kind::InvalidModel, "INPUT_EXAMPLE", format!("{}: {why}", path.display())).remedy("give rows with --data")
    };
    let mut value = json::parse(&text).map_err(|error| unreadable(format!("not JSON: {error}")))?;
    let mut params = None;
    if info.contains_key("params") {
        params = value.get_mut("params").map(Value::take).and_then(|params| match params {
            Value::Object(params) => Some(params),
            _ => None,
        });
        value = value.get_mut("inputs").map(Value::take).ok_or_else(|| unreadable("no key 'inputs' beside 'params'".into()))?;
    }
    let rows = match key("type") {
        Some(kind) if kind.starts_with("sparse") => {
            let error = Error::new(Kind::Unimplemented, "SPARSE_EXAMPLE", "the model's input example is a sparse matrix");
            return Err(error.remedy("give rows with --data"));
        }
        _ => rows(value, mlmodel.signature.inputs.as_ref()).map_err(unreadable)?,
    };
    let mut lines = String::new();
    for row in rows {
        lines.push_str(&json::dump(&Value::Object(row)));
        lines.push('\n');
    }
    let file = scratch.join("input_example.json");
    fs::write(&file, lines).map_err(|error| Error::io(&file, error))?;
    Ok(Example { file, params })
}

type Row = Map<String, Value>;

/// The rows of an example: a frame in pandas' orientation `split`, `values` or `records`, an array or a map of arrays, or plain values.
fn rows(value: Value, inputs: Option<&SchemaSpec>) -> Result<Vec<Row>, String> {
    match value {
        Value::Object(mut object) => match object.remove("data") {
            Some(Value::Array(data)) if object.keys().all(|key| key == "columns" || key == "index") => {
                let names = object.remove("columns").map(|columns| names(&columns)).transpose()?;
                data.into_iter().map(|row| cells(row, names.as_deref())).collect()
            }
            Some(data) => {
                object.insert("data".into(), data);
                columns(object, inputs)
            }
            None => columns(object, inputs),
        },
        // The rows of a tensor without a name are one column, whatever their shape.
        Value::Array(data) if matches!(inputs, Some(SchemaSpec::Tensors(tensors)) if tensors[0].name.is_none()) => {
            Ok(data.into_iter().map(|item| Row::from_iter([("0".to_owned(), item)])).collect())
        }
        Value::Array(data) => data.into_iter().map(|row| cells(row, None)).collect(),
        scalar => Ok(vec![Row::from_iter([("0".to_owned(), scalar)])]),
    }
}

/// A map of columns, or the one row of a model whose columns hold lists.
fn columns(object: Row, inputs: Option<&SchemaSpec>) -> Result<Vec<Row>, String> {
    let lists_are_cells = match inputs {
        Some(SchemaSpec::Columns(columns)) => columns.iter().any(|column| matches!(column.kind, ColumnType::Array(_))),
        _ => false,
    };
    let length =
        object.values().map(|value| value.as_array().map(Vec::len)).reduce(|one, other| if one == other { one } else { None });
    let Some(Some(length)) = length.filter(|_| !lists_are_cells) else { return Ok(vec![object]) };
    let mut rows = vec![Row::new(); length];
    for (name, value) in object {
        let Value::Array(values) = value else { continue };
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    Ok(rows)
}

/// One row: a record, a list of cells, or one value.
fn cells(row: Value, names: Option<&[String]>) -> Result<Row, String> {
    match (row, names) {
        (Value::Object(row), None) => Ok(row),
        (Value::Array(cells), Some(names)) if cells.len() != names.len() => {
            Err(format!("a row has {} cells and {} columns have names", cells.len(), names.len()))
        }
        (Value::Array(cells), Some(names)) => Ok(names.iter().cloned().zip(cells).collect()),
        (Value::Array(cells), None) => Ok(cells.into_iter().enumerate().map(|(at, cell)| (at.to_string(), cell)).collect()),
        (cell, _) => Ok(Row::from_iter([("0".to_owned(), cell)])),
    }
}

fn names(columns: &Value) -> Result<Vec<String>, String> {
    let text = |name: &Value| match name {
        Value::String(name) => Ok(name.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("a column's name is neither text nor a number".to_owned()),
    };
    columns.as_array().ok_or("'columns' is no list")?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, inputs: Option<&str>) -> Vec<Value> {
        let signature = crate::mlmodel::Signature::from_parts(inputs, None, None).unwrap();
        rows(json::parse(text).unwrap(), signature.inputs.as_ref()).unwrap().into_iter().map(Value::Object).collect()
    }

    #[test]
    fn examples_of_every_form_are_rows() {
        let two = [serde_json::json!({"a": 1, "b": "x"}), serde_json::json!({"a": 2, "b": null})];
        for text in [
            r#"{"columns": ["a", "b"], "data": [[1, "x"], [2, null]]}"#,
            r#"{"index": [0, 1], "columns": ["a", "b"], "data": [[1, "x"], [2, null]]}"#,
            r#"[{"a": 1, "b": "x"}, {"a": 2, "b": null}]"#,
            r#"{"a": [1, 2], "b": ["x", null]}"#,
        ] {
            assert_eq!(read(text, None), two, "{text}");
        }
        let numbered = [serde_json::json!({"0": 1.5, "1": 2}), serde_json::json!({"0": 3, "1": 4})];
        for text in ["[[1.5, 2], [3, 4]]", r#"{"data": [[1.5, 2], [3, 4]]}"#] {
            assert_eq!(read(text, None), numbered, "{text}");
        }
        assert_eq!(read("[1, 2]", None), [serde_json::json!({"0": 1}), serde_json::json!({"0": 2})]);
        assert_eq!(read("\"x\"", None), [serde_json::json!({"0": "x"})]);
        let lists = r#"[{"name": "a", "type": "array", "items": {"type": "long"}}]"#;
        assert_eq!(read(r#"{"a": [1, 2]}"#, Some(lists)), [serde_json::json!({"a": [1, 2]})]);
        let tensor = r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]"#;
        let items = [serde_json::json!({"0": [1.5, 2]}), serde_json::json!({"0": [3, 4]})];
        assert_eq!(read("[[1.5, 2], [3, 4]]", Some(tensor)), items);
        assert_eq!(read(r#"{"a": 1, "b": [2]}"#, None), [serde_json::json!({"a": 1, "b": [2]})]);
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        let value = json::parse(r#"{"columns": ["a"], "data": [[1, 2]]}"#).unwrap();
        assert_eq!(rows(value, None).unwrap_err(), "a row has 2 cells and 1 columns have names");
    }
}
