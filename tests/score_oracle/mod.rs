//! Enforcement and output conversion against the oracle: what MLflow itself did, cell by cell (`tests/oracle/make.py`).
//!
//! `compat=mlflow` must do as MLflow did in every cell but the exceptions listed here, each with its reason. The default must take
//! whatever MLflow takes, with the same values, and must equal the committed `default` column, which `tests/oracle/rules.py`, a second
//! writing of the rule in Python, made.

mod canon;
mod exceptions;

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{Field, Schema},
    ipc::reader::FileReader,
};
use mlflight::{
    error::Error,
    mlmodel::{ColumnSpec, ColumnType, Property, SchemaSpec, Signature, TensorSpec},
    score::{Compat, Context, ScoreOptions, convert::Conversion, ddl, enforce::Enforcement},
};
use serde_json::{Value, json};

use canon::{canonical, dtype_fits, loose};
use exceptions::{Exception, enforcement, output};

fn oracle(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle").join(name)
}

fn columns(name: &str) -> BTreeMap<String, ArrayRef> {
    let mut reader = FileReader::try_new(File::open(oracle(name)).unwrap(), None).unwrap();
    let batch = reader.next().unwrap().unwrap();
    let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    names.into_iter().zip(batch.columns().to_vec()).collect()
}

fn cells(name: &str) -> Vec<Value> {
    let whole: Value = serde_json::from_reader(File::open(oracle(name)).unwrap()).unwrap();
    whole["cells"].as_array().unwrap().clone()
}

fn frame(cell: &Value, inputs: &BTreeMap<String, ArrayRef>) -> RecordBatch {
    let columns = cell["columns"].as_object().unwrap();
    let arrays = columns.iter().map(|(name, source)| (name, inputs[source.as_str().unwrap()].clone()));
    let (fields, arrays): (Vec<_>, Vec<_>) =
        arrays.map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn kind(spec: &Value) -> ColumnType {
    match spec["type"].as_str().unwrap() {
        "boolean" => ColumnType::Boolean,
        "integer" => ColumnType::Integer,
        "long" => ColumnType::Long,
        "float" => ColumnType::Float,
        "double" => ColumnType::Double,
        "string" => ColumnType::String,
        "binary" => ColumnType::Binary,
        "datetime" => ColumnType::Datetime,
        "any" => ColumnType::Any,
        "array" => ColumnType::Array(Box::new(kind(&spec["items"]))),
        "map" => ColumnType::Map(Box::new(kind(&spec["values"]))),
        "object" => ColumnType::Object(
            spec["properties"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, spec)| Property { name: name.clone(), kind: kind(spec), required: required(spec) })
                .collect(),
        ),
        other => panic!("{other}"),
    }
}

fn required(spec: &Value) -> bool {
    spec.get("required").is_none_or(|required| required == &json!(true))
}

fn signature(specs: &Value) -> Signature {
    let specs = specs.as_array().unwrap();
    let name = |spec: &Value| spec["name"].as_str().map(str::to_owned);
    let inputs = if specs[0]["type"] == "tensor" {
        SchemaSpec::Tensors(
            specs
                .iter()
                .map(|spec| TensorSpec {
                    name: name(spec),
                    dtype: spec["tensor-spec"]["dtype"].as_str().unwrap().into(),
                    shape: serde_json::from_value(spec["tensor-spec"]["shape"].clone()).unwrap(),
                })
                .collect(),
        )
    } else {
        let column = |spec| ColumnSpec { name: name(spec), kind: kind(spec), required: required(spec) };
        SchemaSpec::Columns(specs.iter().map(column).collect())
    };
    Signature { inputs: Some(inputs), ..Signature::default() }
}

fn enforce(cell: &Value, frame: &RecordBatch, compat: Compat) -> Result<RecordBatch, Error> {
    let options = ScoreOptions { compat, time_zone: cell["zone"].as_str().map(str::to_owned), ..ScoreOptions::default() };
    let plan = Enforcement::plan(&signature(&cell["inputs"]), None, frame.schema_ref(), &options)?;
    plan.apply(frame, &Context::default()).map(std::borrow::Cow::into_owned)
}

/// How our outcome differs from MLflow's: `None` when it does not.
fn differs(outcome: &Value, ours: &Result<RecordBatch, Error>) -> Option<String> {
    if let Some(refused) = outcome.get("refused") {
        return ours.as_ref().ok().map(|made| format!("MLflow refuses ({refused}), we took {made:?}"));
    }
    let made = match ours {
        Ok(made) => made,
        Err(error) => return Some(format!("MLflow takes it as {outcome}, we refused: {error}")),
    };
    if let Some(tensors) = outcome.get("tensors") {
        let all = tensors.as_object().unwrap();
        let wide = all.len() == 1 && made.num_columns() > 1;
        for (name, tensor) in all {
            let ours: Vec<Value> = if wide {
                (0..made.num_rows()).map(|row| made.columns().iter().map(|column| canonical(column, row)).collect()).collect()
            } else {
                let column = made.column_by_name(name).unwrap_or_else(|| made.column(0));
                (0..made.num_rows()).map(|row| canon::flat(canonical(column, row))).collect()
            };
            if canon::floats(&json!(ours)) != canon::floats(&tensor["values"]) {
                return Some(format!("{name}: MLflow {}, ours {}", tensor["values"], json!(ours)));
            }
        }
        return None;
    }
    let expected = outcome.as_object().unwrap();
    let names: Vec<_> = made.schema().fields().iter().map(|field| field.name().clone()).collect();
    if names != expected.keys().cloned().collect::<Vec<_>>() {
        return Some(format!("columns: MLflow {:?}, ours {names:?}", expected.keys()));
    }
    for (name, column) in names.iter().zip(made.columns()) {
        let ours: Vec<Value> = (0..column.len()).map(|row| canonical(column, row)).collect();
        let theirs = &expected[name];
        if loose(&json!(ours)) != theirs["values"] {
            return Some(format!("{name}: MLflow {theirs}, ours {}", json!(ours)));
        }
        let dtype = theirs["dtype"].as_str().unwrap();
        if !dtype_fits(dtype, column) {
            return Some(format!("{name}: MLflow's dtype is {dtype}, ours {}", column.data_type()));
        }
    }
    None
}

/// Every difference must be a listed exception, and every listed exception must be there.
fn settle(differences: Vec<(String, String)>, exceptions: &[Exception]) {
    let mut seen = vec![0; exceptions.len()];
    let mut unknown = Vec::new();
    for (cell, difference) in differences {
        match exceptions.iter().position(|exception| (exception.covers)(&cell)) {
            Some(at) => seen[at] += 1,
            None => unknown.push(format!("{cell}: {difference}")),
        }
    }
    assert!(unknown.is_empty(), "{} cells differ:\n{}", unknown.len(), unknown.join("\n"));
    let unused: Vec<_> =
        exceptions.iter().zip(seen).filter(|(_, seen)| *seen == 0).map(|(exception, _)| exception.reason).collect();
    assert!(unused.is_empty(), "exceptions that no cell needs: {unused:#?}");
}

fn key(cell: &Value) -> String {
    format!("{} -> {}", cell["columns"], cell["inputs"])
}

#[test]
fn compat_mlflow_enforces_as_mlflow_does() {
    let inputs = columns("inputs.arrow");
    let differences = cells("enforce.json").into_iter().filter_map(|cell| {
        let ours = enforce(&cell, &frame(&cell, &inputs), Compat::Mlflow);
        Some((key(&cell), differs(&cell["mlflow"], &ours)?))
    });
    settle(differences.collect(), &enforcement(Compat::Mlflow));
}

#[test]
fn the_default_takes_whatever_mlflow_takes() {
    let inputs = columns("inputs.arrow");
    let taken = cells("enforce.json").into_iter().filter(|cell| cell["mlflow"].get("refused").is_none());
    let differences = taken.filter_map(|cell| {
        let ours = enforce(&cell, &frame(&cell, &inputs), Compat::Exact);
        Some((key(&cell), differs(&cell["mlflow"], &ours)?))
    });
    settle(differences.collect(), &enforcement(Compat::Exact));
}

#[test]
fn the_default_equals_its_reference_and_names_the_row() {
    let inputs = columns("inputs.arrow");
    let mut wrong = Vec::new();
    let mut count = 0;
    for cell in cells("enforce.json").iter().filter(|cell| cell.get("default").is_some()) {
        count += 1;
        let expected = &cell["default"];
        let ours = match enforce(cell, &frame(cell, &inputs), Compat::Exact) {
            Err(error) => json!({"refused": error.row_number()}),
            Ok(made) => {
                let fields = made.schema_ref().fields().iter().zip(made.columns());
                let fields = fields.map(|(field, column)| {
                    let rows: Vec<Value> = (0..column.len()).map(|row| canonical(column, row)).collect();
                    (field.name().clone(), json!({"values": rows}))
                });
                Value::Object(fields.collect())
            }
        };
        if ours != *expected {
            wrong.push(format!("{}: expected {expected}, ours {ours}", key(cell)));
        }
    }
    assert!(count > 1500, "the oracle has only {count} cells");
    assert!(wrong.is_empty(), "{} of {count} cells differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn convert(cell: &Value, answers: &BTreeMap<String, ArrayRef>, compat: Compat) -> Result<ArrayRef, Error> {
    let frame = frame(cell, answers);
    let asked = ddl::parse(cell["result"].as_str().unwrap())?;
    Conversion::to_asked(&asked, &Signature::default(), compat)?.apply(&frame, frame.num_rows())
}

fn conversions(compat: Compat) -> Vec<(String, String)> {
    let answers = columns("outputs.arrow");
    let differences = cells("convert.json").into_iter().filter_map(|cell| {
        let refused = cell["mlflow"].get("refused");
        if compat == Compat::Exact && refused.is_some() {
            return None;
        }
        let difference = match (refused, convert(&cell, &answers, compat)) {
            (Some(_), Err(_)) => return None,
            (Some(refused), Ok(made)) => format!("MLflow refuses ({refused}), we took {made:?}"),
            (None, Err(error)) => format!("MLflow takes it as {}, we refused: {error}", cell["mlflow"]),
            (None, Ok(made)) => {
                let ours: Vec<Value> = (0..made.len()).map(|row| canonical(&made, row)).collect();
                if loose(&json!(ours)) == cell["mlflow"]["values"] {
                    return None;
                }
                format!("MLflow {}, ours {}", cell["mlflow"]["values"], json!(ours))
            }
        };
        Some((format!("{} -> {}", cell["columns"], cell["result"].as_str().unwrap()), difference))
    });
    differences.collect()
}

#[test]
fn compat_mlflow_converts_answers_as_mlflow_does() {
    settle(conversions(Compat::Mlflow), &output(Compat::Mlflow));
}

#[test]
fn the_default_converts_whatever_mlflow_converts() {
    settle(conversions(Compat::Exact), &output(Compat::Exact));
}
