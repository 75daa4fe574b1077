//! The example of an input that is saved beside a model.

use arrow::{array::RecordBatch, datatypes::DataType, json::ArrayWriter};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Kind, Result},
    mlmodel::json,
};

/// The file that holds the example.
pub const INPUT_EXAMPLE: &str = "input_example.json";
/// The same as the body of a scoring request.
pub const SERVING_INPUT_EXAMPLE: &str = "serving_input_example.json";

/// An example of an input, with params where the model takes some.
#[derive(Debug, Clone)]
pub struct InputExample {
    /// MLflow's name of the form: `dataframe`, `ndarray`, `json_object`, `sparse_matrix_csr` or `sparse_matrix_csc`.
    kind: String,
    /// What stands in `input_example.json`.
    data: Value,
    /// What a scoring server is sent, when it is not `data` under the key of its kind.
    serving: Option<Value>,
    params: Option<Value>,
}

impl InputExample {
    /// Rows of a table, without an index. Columns that have no names (`0`, `1`, ...) are left unnamed where `named` is false.
    pub fn from_batch(batch: &RecordBatch, named: bool) -> Result<Self> {
        let mut data = Map::new();
        if named {
            data.insert(
                "columns".into(),
                batch.schema().fields().iter().map(|field| Value::from(field.name().as_str())).collect(),
            );
        }
        data.insert("data".into(), Value::Array(rows(batch)?));
        Ok(Self { kind: "dataframe".into(), data: Value::Object(data), serving: None, params: None })
    }

    /// An example in another of MLflow's forms, as it stands in the file.
    pub fn from_json(kind: &str, data: Value) -> Result<Self> {
        if !["dataframe", "ndarray", "json_object", "sparse_matrix_csr", "sparse_matrix_csc"].contains(&kind) {
            let message = "an input example has no such form";
            return Err(Error::new(Kind::InvalidArgument, "EXAMPLE_FORM", message).found(format!("'{kind}'")));
        }
        Ok(Self { kind: kind.into(), data, serving: None, params: None })
    }

    /// With another body for a scoring request: what a sparse matrix is sent as.
    pub fn with_serving(mut self, body: Value) -> Self {
        self.serving = Some(body);
        self
    }

    /// With params.
    pub fn with_params(mut self, params: Value) -> Self {
        self.params = Some(params);
        self
    }

    /// The files by their names.
    pub(super) fn files(&self) -> [(&'static str, String); 2] {
        let mut serving = Map::new();
        let key = if self.kind == "dataframe" { "dataframe_split" } else { "inputs" };
        serving.insert(key.into(), self.serving.clone().unwrap_or_else(|| self.data.clone()));
        let mut example = self.data.clone();
        if let Some(params) = &self.params {
            example = serde_json::json!({ "inputs": example, "params": params });
            serving.insert("params".into(), params.clone());
        }
        [(INPUT_EXAMPLE, json::dump(&example)), (SERVING_INPUT_EXAMPLE, json::dump(&Value::Object(serving)))]
    }

    /// The value of the key `saved_input_example_info`.
    pub(super) fn info(&self) -> serde_yaml::Mapping {
        let mut info: Vec<(&str, &str)> = vec![("artifact_path", INPUT_EXAMPLE)];
        if self.kind == "dataframe" {
            info.push(("pandas_orient", if self.data.get("columns").is_some() { "split" } else { "values" }));
        }
        if self.params.is_some() {
            info.push(("params", "true"));
        }
        info.extend([("serving_input_path", SERVING_INPUT_EXAMPLE), ("type", &self.kind)]);
        info.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
    }
}

/// Each row as a list of its values.
fn rows(batch: &RecordBatch) -> Result<Vec<Value>> {
    let failed = |error: arrow::error::ArrowError| {
        Error::new(Kind::InvalidArgument, "EXAMPLE_FORM", format!("the example's rows have no form in JSON: {error}"))
            .source(error)
    };
    // Names may stand twice, which the writer's objects cannot hold.
    let names: Vec<String> = (0..batch.num_columns()).map(|at| at.to_string()).collect();
    let fields: Vec<_> =
        batch.schema().fields().iter().zip(&names).map(|(field, name)| field.as_ref().clone().with_name(name)).collect();
    let renamed = RecordBatch::try_new(std::sync::Arc::new(arrow::datatypes::Schema::new(fields)), batch.columns().to_vec())?;
    let options = arrow::json::writer::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: ArrayWriter<Vec<u8>> = options.build(Vec::new());
    writer.write(&renamed).map_err(failed)?;
    writer.finish().map_err(failed)?;
    let text = String::from_utf8(writer.into_inner()).unwrap_or_default();
    let bytes = batch.schema().fields().iter().map(|field| is_binary(field.data_type())).collect::<Vec<_>>();
    let parsed = json::parse(if text.is_empty() { "[]" } else { &text })
        .map_err(|error| Error::new(Kind::Internal, "EXAMPLE_FORM", format!("the example's JSON: {error}")))?;
    let Value::Array(items) = parsed else { return Ok(Vec::new()) };
    let row = |item: Value| {
        let Value::Object(mut keys) = item else { return Value::Null };
        let cell = |(name, is_bytes): (&String, &bool)| {
            let value = keys.remove(name).unwrap_or(Value::Null);
            if *is_bytes { base64(value) } else { value }
        };
        names.iter().zip(&bytes).map(cell).collect()
    };
    Ok(items.into_iter().map(row).collect())
}

fn is_binary(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Arrow writes bytes as hexadecimal digits, MLflow as base64.
fn base64(value: Value) -> Value {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let Value::String(text) = &value else { return value };
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digit).collect();
    bytes.map_or(value, |bytes| BASE64_STANDARD.encode(bytes).into())
}
