//! From a declared type and an Arrow type to a [`Rule`].
//!
//! The default keeps to kinds: numbers become numbers (booleans count as 0 and 1), text stays text, bytes bytes, times times; a value
//! that would change is an error that names its row. MLflow lets any pandas *object* column (bytes, dates, times, decimals, lists,
//! records) through where a string, binary or boolean is declared, as it is; so does the default. `compat = mlflow` is in
//! `mlflow.rs`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};

use super::{
    mlflow,
    rule::{INSTANT, Refusal, Refused, Rule},
    segments::Condition,
    zone::Zone,
};
use crate::{
    mlmodel::{ColumnType, Property},
    score::{Compat, numbers},
};

/// What planning needs beside the types.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub compat: Compat,
    /// The session's zone, when there is a session.
    pub zone: Option<Zone>,
}

/// Where a value stands: MLflow sees columns as pandas dtypes, list items as numpy dtypes, and the rest as Python scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Column,
    Item,
    Value,
}

/// A rule and the type it makes.
pub(super) type Planned = Result<(Rule, DataType), Refusal>;

/// The way from `from` to the declared `kind`.
pub(super) fn plan(kind: &ColumnType, required: bool, from: &DataType, rules: &Rules, place: Place) -> Planned {
    match from {
        // MLflow sees a pandas category; only the default knows what is in it.
        DataType::Dictionary(_, values) if rules.compat == Compat::Exact => {
            let (rule, to) = plan(kind, required, values, rules, place)?;
            return Ok((Rule::Values(values.as_ref().clone(), Box::new(rule)), to));
        }
        DataType::RunEndEncoded(_, values) => {
            let (rule, to) = plan(kind, required, values.data_type(), rules, place)?;
            return Ok((Rule::Values(values.data_type().clone(), Box::new(rule)), to));
        }
        _ => {}
    }
    match kind {
        ColumnType::Any => Ok((Rule::Keep, from.clone())),
        ColumnType::Array(item) => list(item, required, kind, from, rules),
        ColumnType::SparkMlVector => list(&ColumnType::Double, required, kind, from, rules),
        ColumnType::Object(properties) => record(properties, required, kind, from, rules),
        ColumnType::Map(value) => map(value, required, kind, from, rules),
        scalar if rules.compat == Compat::Mlflow => mlflow::scalar(scalar, required, from, rules, place),
        scalar => exact(scalar, from, rules),
    }
}

fn exact(kind: &ColumnType, from: &DataType, rules: &Rules) -> Planned {
    if *from == DataType::Null {
        let to = arrow_type(kind);
        return Ok((Rule::Nulls(to.clone()), to));
    }
    let planned = match kind {
        ColumnType::Integer | ColumnType::Long | ColumnType::Float | ColumnType::Double if numbers::is_number(from) => {
            let to = arrow_type(kind);
            Some((if *from == to { Rule::Keep } else { Rule::Number(to.clone()) }, to))
        }
        ColumnType::Double if is_bytes(from) => Some((Rule::ParseBytes, DataType::Float64)),
        ColumnType::Boolean if *from == DataType::Boolean => Some((Rule::Keep, DataType::Boolean)),
        ColumnType::String | ColumnType::Binary => {
            same_layout(from).or_else(|| (*from == DataType::Boolean).then(|| (Rule::Keep, from.clone())))
        }
        ColumnType::Datetime => times(from, rules),
        _ => None,
    };
    let passes = matches!(kind, ColumnType::Boolean | ColumnType::String | ColumnType::Binary) && is_object(from);
    planned
        .or_else(|| passes.then(|| (Rule::Keep, from.clone())))
        .ok_or_else(|| Refusal::of_type(name(kind), from, "the types never convert without changing values"))
}

/// Text and bytes in the layout that kernels and workers read.
pub(super) fn same_layout(from: &DataType) -> Option<(Rule, DataType)> {
    let to = match from {
        DataType::Utf8 | DataType::Binary => return Some((Rule::Keep, from.clone())),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        _ => return None,
    };
    Some((Rule::Layout(to.clone()), to))
}

/// Dates and timestamps to naive nanoseconds.
pub(super) fn times(from: &DataType, rules: &Rules) -> Option<(Rule, DataType)> {
    match from {
        from if *from == INSTANT => Some((Rule::Keep, INSTANT)),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Some((Rule::Instant(rules.zone), INSTANT)),
        _ => None,
    }
}

pub(super) fn is_bytes(from: &DataType) -> bool {
    matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// What pandas holds as Python objects whatever the values.
pub(super) fn is_object(from: &DataType) -> bool {
    is_bytes(from)
        || from.is_nested()
        || from.is_decimal()
        || matches!(from, DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_))
}

fn list(item: &ColumnType, required: bool, kind: &ColumnType, from: &DataType, rules: &Rules) -> Planned {
    let (inner, view) = match from {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => (inner, false),
        DataType::ListView(inner) | DataType::LargeListView(inner) => (inner, true),
        DataType::Null if rules.compat == Compat::Exact || !required || *item == ColumnType::Any => {
            let to = arrow_type(kind);
            return Ok((Rule::Nulls(to.clone()), to));
        }
        other => return Err(Refusal::of_type(name(kind), other, "the column is no list")),
    };
    // Rows count items of a list from its own start, so the rule of a nested list sees the bounds of the innermost ones.
    let (rule, to) =
        plan(item, required, inner.data_type(), rules, Place::Item).map_err(|refusal| refusal.inside("[]", |row| row))?;
    let rule = match item {
        ColumnType::Integer | ColumnType::Long if rules.compat == Compat::Exact && to != DataType::Null => {
            whole(item, inner, rule)
        }
        _ => rule,
    };
    let field: FieldRef = if to == *inner.data_type() { inner.clone() } else { Arc::new(Field::new(inner.name(), to, true)) };
    let made = match from {
        DataType::LargeList(_) | DataType::LargeListView(_) => DataType::LargeList(field.clone()),
        DataType::FixedSizeList(_, size) => DataType::FixedSizeList(field.clone(), *size),
        _ => DataType::List(field.clone()),
    };
    let rule = if rule.keeps() && !view { Rule::Keep } else { Rule::Items(Box::new(rule), field) };
    let strict = rules.compat == Compat::Mlflow && required && *item != ColumnType::Any;
    Ok((if strict { mlflow::when(Condition::NoNull, kind, from, rule) } else { rule }, made))
}

/// An array of whole numbers has no null, in numpy as in MLflow's rules: a double that stands for one would round the others.
fn whole(item: &ColumnType, inner: &FieldRef, rule: Rule) -> Rule {
    if !inner.is_nullable() {
        return rule;
    }
    let why = "an array of whole numbers cannot hold a null";
    let refused = Refused { expected: name(item), found: format!("a null among {}", inner.data_type()), why: why.into() };
    Rule::When(Condition::NoNull, refused, Box::new(rule))
}

fn record(properties: &[Property], required: bool, kind: &ColumnType, from: &DataType, rules: &Rules) -> Planned {
    let fields = match from {
        DataType::Struct(fields) => fields,
        DataType::Null if rules.compat == Compat::Exact || !required => {
            let to = arrow_type(kind);
            return Ok((Rule::Nulls(to.clone()), to));
        }
        other => return Err(Refusal::of_type(name(kind), other, "the column is no record")),
    };
    if let Some(extra) = fields.iter().find(|field| properties.iter().all(|property| property.name != *field.name())) {
        return Err(Refusal::of_type(name(kind), from, format!("the record has '{}', which is not declared", extra.name())));
    }
    let mut made = Vec::new();
    for property in properties {
        let Some((at, field)) = fields.find(&property.name) else {
            if property.required {
                return Err(Refusal::of_type(name(kind), from, format!("the record has no '{}'", property.name)));
            }
            continue;
        };
        made.push(member(at, field, &property.kind, property.required, rules)?);
    }
    let rule = struct_rule(made, fields.len());
    let strict = rules.compat == Compat::Mlflow && required;
    let to = struct_type(&rule, from);
    Ok((if strict { mlflow::when(Condition::NoNull, kind, from, rule) } else { rule }, to))
}

fn member(
    at: usize,
    field: &FieldRef,
    kind: &ColumnType,
    required: bool,
    rules: &Rules,
) -> Result<(usize, Rule, FieldRef), Refusal> {
    let (rule, to) = plan(kind, required, field.data_type(), rules, Place::Value)
        .map_err(|refusal| refusal.inside(&format!(".{}", field.name()), |row| row))?;
    let field = if to == *field.data_type() { field.clone() } else { Arc::new(Field::new(field.name(), to, true)) };
    Ok((at, rule, field))
}

fn struct_rule(members: Vec<(usize, Rule, FieldRef)>, width: usize) -> Rule {
    let same = members.len() == width && members.iter().enumerate().all(|(at, (from, rule, _))| at == *from && rule.keeps());
    if same { Rule::Keep } else { Rule::Fields(members) }
}

fn struct_type(rule: &Rule, from: &DataType) -> DataType {
    match rule {
        Rule::Fields(members) => DataType::Struct(members.iter().map(|(_, _, field)| field.clone()).collect()),
        _ => from.clone(),
    }
}

/// A map, or a record whose fields are all of the map's value type: both are dicts in Python.
fn map(value: &ColumnType, required: bool, kind: &ColumnType, from: &DataType, rules: &Rules) -> Planned {
    let (rule, to) = match from {
        DataType::Map(entries, sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(Refusal::of_type(name(kind), from, "the map has no entries"));
            };
            if !matches!(fields[0].data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                return Err(Refusal::of_type(name(kind), from, "the keys are no text"));
            }
            let (rule, to) = plan(value, required, fields[1].data_type(), rules, Place::Value)
                .map_err(|refusal| refusal.inside("{}", |row| row))?;
            if rule.keeps() && *fields[0].data_type() == DataType::Utf8 {
                (Rule::Keep, from.clone())
            } else {
                let key = Field::new(fields[0].name(), DataType::Utf8, false);
                let inner = DataType::Struct(vec![key, Field::new(fields[1].name(), to, true)].into());
                let made = DataType::Map(Arc::new(Field::new(entries.name(), inner, false)), *sorted);
                (Rule::Entries(Box::new(rule), made.clone()), made)
            }
        }
        DataType::Struct(fields) => {
            let members = fields.iter().enumerate();
            let members = members.map(|(at, field)| member(at, field, value, required, rules)).collect::<Result<Vec<_>, _>>()?;
            let rule = struct_rule(members, fields.len());
            let to = struct_type(&rule, from);
            (rule, to)
        }
        DataType::Null if rules.compat == Compat::Exact || !required || *value == ColumnType::Any => {
            let to = arrow_type(kind);
            return Ok((Rule::Nulls(to.clone()), to));
        }
        other => return Err(Refusal::of_type(name(kind), other, "the column is no map")),
    };
    let strict = rules.compat == Compat::Mlflow && required && *value != ColumnType::Any;
    Ok((if strict { mlflow::when(Condition::NoNull, kind, from, rule) } else { rule }, to))
}

/// The Arrow type that a declared type becomes when nothing else decides.
pub(crate) fn arrow_type(kind: &ColumnType) -> DataType {
    match kind {
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Integer => DataType::Int32,
        ColumnType::Long => DataType::Int64,
        ColumnType::Float => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::String => DataType::Utf8,
        ColumnType::Binary => DataType::Binary,
        ColumnType::Datetime => INSTANT,
        ColumnType::Any => DataType::Null,
        ColumnType::SparkMlVector => DataType::new_list(DataType::Float64, true),
        ColumnType::Array(item) => DataType::new_list(arrow_type(item), true),
        ColumnType::Object(properties) => DataType::Struct(
            properties.iter().map(|property| Field::new(&property.name, arrow_type(&property.kind), true)).collect(),
        ),
        ColumnType::Map(value) => {
            let key = Field::new("key", DataType::Utf8, false);
            let entries = DataType::Struct(vec![key, Field::new("value", arrow_type(value), true)].into());
            DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
        }
    }
}

/// MLflow's name of a type, for messages.
pub(crate) fn name(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Boolean => "boolean".into(),
        ColumnType::Integer => "integer".into(),
        ColumnType::Long => "long".into(),
        ColumnType::Float => "float".into(),
        ColumnType::Double => "double".into(),
        ColumnType::String => "string".into(),
        ColumnType::Binary => "binary".into(),
        ColumnType::Datetime => "datetime".into(),
        ColumnType::Any => "Any".into(),
        ColumnType::SparkMlVector => "sparkml_vector".into(),
        ColumnType::Array(item) => format!("Array({})", name(item)),
        ColumnType::Map(value) => format!("Map({})", name(value)),
        ColumnType::Object(properties) => {
            let list = properties.iter().map(|property| format!("{}: {}", property.name, name(&property.kind)));
            format!("{{{}}}", list.collect::<Vec<_>>().join(", "))
        }
    }
}
