//! Tensor signatures: columns of scalars or flat lists become columns of the spec's element type. The model's adapter gives them
//! the spec's shape; here their lengths and types are checked.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use super::{
    plan::{Planned, Rules},
    rule::{INSTANT, Refusal, Rule},
    segments::Condition,
};
use crate::{
    mlmodel::TensorSpec,
    score::{Compat, numbers},
};

/// The spec that each column of an unnamed tensor must meet: itself for one column, a column of scalars for several.
pub(super) fn unnamed(spec: &TensorSpec, columns: usize) -> Result<TensorSpec, Refusal> {
    if columns == 1 {
        return Ok(spec.clone());
    }
    if spec.shape != [-1, columns as i64] {
        let why = "several columns make an unnamed tensor only of the shape (-1, number_of_dataframe_columns)";
        return Err(refusal(spec, format!("{columns} columns"), why));
    }
    Ok(TensorSpec { name: None, dtype: spec.dtype.clone(), shape: vec![-1] })
}

/// One of several columns of an unnamed tensor under MLflow's rules: numpy's common type must be the tensor's.
pub(super) fn same(spec: &TensorSpec, from: &DataType) -> Planned {
    match element_type(&spec.dtype) {
        Some(to) if to != *from => Err(refusal(spec, from.to_string(), "the columns must be of the tensor's type")),
        _ => Ok((Rule::Keep, from.clone())),
    }
}

/// The way from one column to a tensor.
pub(super) fn plan(spec: &TensorSpec, from: &DataType, rules: &Rules) -> Planned {
    let rest = spec.shape.get(1..).unwrap_or_default();
    if spec.shape.first() != Some(&-1) || rest.iter().any(|&size| size < 0) {
        let why = "For pandas dataframe input, the first dimension of shape must be a variable dimension and other dimensions must \
                   be fixed";
        return Err(refusal(spec, from.to_string(), why));
    }
    let size = rest.iter().product::<i64>();
    let inner = match from {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => inner,
        scalar if matches!(spec.shape.as_slice(), [-1] | [-1, 1]) => {
            return element(spec, scalar, rules, rules.compat == Compat::Exact);
        }
        other => {
            return Err(refusal(spec, other.to_string(), "a column of scalars makes a tensor of shape (-1,) or (-1, 1) only"));
        }
    };
    let flat = [size];
    let nested = rules.compat == Compat::Exact && inner.data_type().is_nested();
    lists(spec, if nested { rest } else { &flat }, from, rules)
}

/// Lists of these sizes in each other; MLflow knows flat ones only.
fn lists(spec: &TensorSpec, sizes: &[i64], from: &DataType, rules: &Rules) -> Planned {
    let Some((size, rest)) = sizes.split_first() else {
        // MLflow stacks and reshapes the lists, and leaves the type of their items to the model.
        let keep = rules.compat == Compat::Mlflow && !from.is_nested();
        return if keep { Ok((Rule::Keep, from.clone())) } else { element(spec, from, rules, true) };
    };
    let inner = match from {
        DataType::List(inner) | DataType::LargeList(inner) => inner,
        DataType::FixedSizeList(inner, length) if i64::from(*length) == *size => inner,
        other => return Err(refusal(spec, other.to_string(), "the lists are not nested or sized as the shape")),
    };
    let (rule, to) = lists(spec, rest, inner.data_type(), rules).map_err(|refusal| refusal.inside("[]", |row| row))?;
    let field = Arc::new(Field::new(inner.name(), to, true));
    let made = match from {
        DataType::LargeList(_) => DataType::LargeList(field.clone()),
        DataType::FixedSizeList(_, length) => DataType::FixedSizeList(field.clone(), *length),
        _ => DataType::List(field.clone()),
    };
    let rule = if rule.keeps() { Rule::Keep } else { Rule::Items(Box::new(rule), field) };
    let refused = super::rule::Refused {
        expected: describe(spec),
        found: from.to_string(),
        why: format!("a list of {size} items is needed").into(),
    };
    Ok((Rule::When(Condition::Length(*size as usize), refused, Box::new(rule)), made))
}

fn element(spec: &TensorSpec, from: &DataType, rules: &Rules, exact: bool) -> Planned {
    let Some(to) = element_type(&spec.dtype) else { return Ok((Rule::Keep, from.clone())) };
    match (from, &to) {
        (from, to) if from == to => Ok((Rule::Keep, to.clone())),
        (DataType::Dictionary(_, values), _) => {
            let (rule, to) = element(spec, values, rules, exact)?;
            Ok((Rule::Values(values.as_ref().clone(), Box::new(rule)), to))
        }
        (from, to) if numbers::is_number(from) && numbers::is_number(to) => {
            // A float tensor rounds, as the library does with what MLflow hands it.
            let rounds = !exact || to.is_floating();
            Ok((if rounds { Rule::Cast(to.clone()) } else { Rule::Number(to.clone()) }, to.clone()))
        }
        (DataType::Timestamp(..) | DataType::Date32 | DataType::Date64, to) if *to == INSTANT => {
            Ok((Rule::Instant(rules.zone), INSTANT))
        }
        (DataType::Null, to) if to.is_floating() => Ok((Rule::Nulls(to.clone()), to.clone())),
        _ => Err(refusal(spec, from.to_string(), "the types never convert without changing values")),
    }
}

/// The Arrow type of a numpy dtype; `None` for text and objects, which stay as they are.
pub(crate) fn element_type(dtype: &str) -> Option<DataType> {
    Some(match dtype {
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float16" => DataType::Float16,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        other if other.starts_with("datetime64") => INSTANT,
        _ => return None,
    })
}

fn describe(spec: &TensorSpec) -> String {
    let sizes = spec.shape.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    format!("Tensor('{}', ({sizes}))", spec.dtype)
}

fn refusal(spec: &TensorSpec, found: String, why: &'static str) -> Refusal {
    Refusal { row: None, path: String::new(), expected: describe(spec), found, why: why.into() }
}
