//! MLflow's own matrix (`compat = mlflow`): what `_enforce_mlflow_datatype` does with the pandas dtype that Spark's Arrow
//! conversion gives each Arrow type. That dtype depends on the values (an integer column with a null is a float64 column), so a
//! part of the rules are conditions on a batch. Checked cell by cell against MLflow in `tests/data/oracle`.

use arrow::datatypes::DataType;

use super::{
    plan::{Place, Planned, Rules, arrow_type, is_bytes, is_object, name, same_layout, times},
    rule::{Refusal, Refused, Rule},
    segments::Condition,
};
use crate::mlmodel::ColumnType;

/// `rule`, once `condition` holds.
pub(super) fn when(condition: Condition, kind: &ColumnType, from: &DataType, rule: Rule) -> Rule {
    let why = match condition {
        Condition::NoNull => "a value is missing; MLflow's rules do not take nulls here",
        Condition::ZeroOne | Condition::ZeroOneOrSomeNull => "MLflow's rules convert 64-bit integers only where all are 0 or 1",
        _ => "MLflow's rules refuse these values",
    };
    Rule::When(condition, Refused { expected: name(kind), found: from.to_string(), why: why.into() }, Box::new(rule))
}

/// A scalar type against a column, list item or value.
pub(super) fn scalar(kind: &ColumnType, required: bool, from: &DataType, rules: &Rules, place: Place) -> Planned {
    let planned = match place {
        Place::Value => value(kind, from),
        _ => column(kind, from, rules, place),
    };
    let Some((condition, rule)) = planned else {
        let why = format!("Can not safely convert {} to {}", pandas(from), numpy(kind));
        return Err(Refusal::of_type(name(kind), from, why));
    };
    let to = match &rule {
        Rule::Nulls(to) | Rule::Number(to) | Rule::Cast(to) | Rule::Layout(to) => to.clone(),
        Rule::ParseBytes | Rule::Instant(_) => arrow_type(kind),
        _ => from.clone(),
    };
    let rule = match condition {
        None => rule,
        Some(condition) => when(condition, kind, from, rule),
    };
    // Values in records and maps: None is refused unless the property is optional.
    let rule = if place == Place::Value && required { when(Condition::NoNull, kind, from, rule) } else { rule };
    Ok((rule, to))
}

type Way = Option<(Option<Condition>, Rule)>;

fn column(kind: &ColumnType, from: &DataType, rules: &Rules, place: Place) -> Way {
    use ColumnType as C;
    use DataType as D;
    let small = matches!(from, D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16);
    let number = || if *from == arrow_type(kind) { Rule::Keep } else { Rule::Number(arrow_type(kind)) };
    let always = |rule| Some((None, rule));
    let only = |condition, rule| Some((Some(condition), rule));
    match (kind, from) {
        (C::Boolean | C::String | C::Binary, D::Null) | (C::Double | C::Datetime, D::Null) => {
            always(Rule::Nulls(arrow_type(kind)))
        }
        (C::Boolean, D::Boolean) => always(Rule::Keep),
        (C::Integer, _) if small => only(Condition::NoNull, number()),
        (C::Long, _) if small || matches!(from, D::Int64 | D::UInt32) => only(Condition::NoNull, number()),
        (C::Float, D::Float16 | D::Float32) => always(number()),
        (C::Float, D::Int64) => only(Condition::ZeroOne, number()),
        (C::Double, D::Float16 | D::Float32 | D::Float64) => always(number()),
        (C::Double, D::UInt32) => always(number()),
        (C::Double, _) if small => always(number()),
        (C::Double, D::Int64) => only(Condition::ZeroOneOrSomeNull, Rule::Cast(D::Float64)),
        (C::Double, D::UInt64) => only(Condition::SomeNull, Rule::Cast(D::Float64)),
        (C::Double, D::Boolean) => only(Condition::SomeNull, number()),
        (C::Double, from) if from.is_decimal() => always(number()),
        (C::Double, from) if is_bytes(from) => always(Rule::ParseBytes),
        (C::String | C::Binary, D::Boolean) if place == Place::Column => only(Condition::SomeNull, Rule::Keep),
        (C::String | C::Binary, from) if same_layout(from).is_some() => same_layout(from).map(|(rule, _)| (None, rule)),
        (C::Datetime, D::Timestamp(_, Some(_))) if rules.zone.is_none() && place == Place::Column => None,
        (C::Datetime, from) if times(from, rules).is_some() => times(from, rules).map(|(rule, _)| (None, rule)),
        (C::Boolean | C::String | C::Binary, from) if is_object(from) && place == Place::Column => {
            same_layout(from).map_or_else(|| always(Rule::Keep), |(rule, _)| always(rule))
        }
        // A batch of nothing but nulls is a column of None.
        (C::Double | C::Datetime, from) if is_object(from) || *from == D::Boolean => {
            only(Condition::AllNull, Rule::Nulls(arrow_type(kind)))
        }
        _ => None,
    }
}

/// A Python scalar: integers are 64 bits wide, floats are doubles, dates and times are no scalars to numpy.
fn value(kind: &ColumnType, from: &DataType) -> Way {
    use ColumnType as C;
    use DataType as D;
    let integer = from.is_integer();
    match (kind, from) {
        (_, D::Null) => Some((None, Rule::Nulls(arrow_type(kind)))),
        (C::Boolean, D::Boolean) => Some((None, Rule::Keep)),
        (C::Long, D::Int64) => Some((None, Rule::Keep)),
        (C::Long, _) if integer => Some((None, Rule::Number(D::Int64))),
        (C::Float | C::Double, _) if integer => Some((Some(Condition::ZeroOneOrSomeNull), Rule::Number(arrow_type(kind)))),
        (C::Double, D::Float64) => Some((None, Rule::Keep)),
        (C::Double, D::Float16 | D::Float32) => Some((None, Rule::Number(D::Float64))),
        (C::Double, from) if from.is_decimal() => Some((None, Rule::Number(D::Float64))),
        (C::Double, from) if is_bytes(from) => Some((None, Rule::ParseBytes)),
        (C::String | C::Binary, from) if same_layout(from).is_some() => same_layout(from).map(|(rule, _)| (None, rule)),
        (C::Boolean, from) if is_bytes(from) => same_layout(from).map(|(rule, _)| (None, rule)),
        (C::Boolean | C::String | C::Binary, from) if from.is_decimal() => Some((None, Rule::Keep)),
        _ => None,
    }
}

/// The dtype pandas gives the type when no value is null.
fn pandas(from: &DataType) -> String {
    match from {
        DataType::Boolean => "bool".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "str".into(),
        DataType::Dictionary(..) => "category".into(),
        DataType::Timestamp(_, None) => "datetime64[ns]".into(),
        DataType::Timestamp(_, Some(zone)) => format!("datetime64[ns, {zone}]"),
        DataType::Duration(_) => "timedelta64[ns]".into(),
        other if other.is_numeric() && !other.is_decimal() => other.to_string().to_lowercase(),
        _ => "object".into(),
    }
}

/// The numpy dtype MLflow names for a declared type.
fn numpy(kind: &ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "bool",
        ColumnType::Integer => "int32",
        ColumnType::Long => "int64",
        ColumnType::Float => "float32",
        ColumnType::Double => "float64",
        ColumnType::Binary => "|S0",
        ColumnType::Datetime => "datetime64[ns]",
        _ => "<U0",
    }
}
