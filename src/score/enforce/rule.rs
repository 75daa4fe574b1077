//! How one column becomes its declared type: planned from the types alone, applied to whole arrays.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StructArray, new_null_array},
    compute::cast,
    datatypes::{DataType, FieldRef, Fields, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType},
    error::ArrowError,
    temporal_conversions::timestamp_us_to_datetime,
};

use super::{
    segments::{Condition, Segments},
    zone::Zone,
};
use crate::score::{nested, numbers};

/// Type of every `datetime` column after enforcement.
pub(super) const INSTANT: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

/// Why a type (at planning) or a value (with its row) was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Row in the array it was found in.
    pub row: Option<usize>,
    /// Where in a nested column: `.name`, `[]`.
    pub path: String,
    /// What was declared.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// The reason.
    pub why: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn at(row: usize, expected: impl ToString, found: impl ToString, why: impl Into<Cow<'static, str>>) -> Self {
        Self { row: Some(row), path: String::new(), expected: expected.to_string(), found: found.to_string(), why: why.into() }
    }

    pub(super) fn of_type(expected: impl ToString, found: &DataType, why: impl Into<Cow<'static, str>>) -> Self {
        Self { row: None, path: String::new(), expected: expected.to_string(), found: found.to_string(), why: why.into() }
    }

    /// The same, seen from the array that holds this one.
    pub(super) fn inside(mut self, step: &str, outer_row: impl FnOnce(usize) -> usize) -> Self {
        self.path.insert_str(0, step);
        self.row = self.row.map(outer_row);
        self
    }
}

/// One step of enforcement, for a column or what lies in it.
#[derive(Debug)]
pub(super) enum Rule {
    /// The array is right as it is; no copy.
    Keep,
    /// A column of nulls takes the declared type.
    Nulls(DataType),
    /// Numbers, every value kept.
    Number(DataType),
    /// Numbers as numpy casts them, values unchecked.
    Cast(DataType),
    /// Another layout of the same values: text, bytes, list offsets.
    Layout(DataType),
    /// Text of numbers in bytes.
    ParseBytes,
    /// Dates and timestamps to nanoseconds; timestamps with a zone to the wall clock of this one.
    Instant(Option<Zone>),
    /// The values of a dictionary or run-end encoded column.
    Values(DataType, Box<Rule>),
    /// The values of a batch must meet a condition before they are converted.
    When(Condition, Refused, Box<Rule>),
    /// Every item of a list.
    Items(Box<Rule>, FieldRef),
    /// The fields of a struct: source position, rule and new field.
    Fields(Vec<(usize, Rule, FieldRef)>),
    /// The values of a map.
    Entries(Box<Rule>, DataType),
}

/// What to say when a [`Rule::When`] does not hold.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub expected: String,
    pub found: String,
    pub why: Cow<'static, str>,
}

impl Rule {
    /// Whether arrays pass through untouched.
    pub(super) fn keeps(&self) -> bool {
        matches!(self, Self::Keep)
    }

    pub(super) fn apply(&self, array: &ArrayRef, segments: &Segments<'_>) -> Result<ArrayRef, Refusal> {
        match self {
            Self::Keep => Ok(array.clone()),
            Self::Nulls(to) => Ok(new_null_array(to, array.len())),
            Self::Number(to) => numbers::exact(array, to)
                .map_err(|numbers::Inexact(row)| Refusal::at(row, to, array.data_type(), "the value would change")),
            Self::Cast(to) | Self::Layout(to) => recast(array, to),
            Self::ParseBytes => match array.data_type() {
                DataType::LargeBinary => numbers::parse_bytes(array.as_binary::<i64>()),
                _ => numbers::parse_bytes(recast(array, &DataType::Binary)?.as_binary::<i32>()),
            }
            .map_err(|numbers::Inexact(row)| Refusal::at(row, "double", array.data_type(), "the bytes are not a number's text")),
            Self::Instant(zone) => instant(array, *zone),
            Self::Values(to, rule) => rule.apply(&recast(array, to)?, segments),
            Self::When(condition, refused, rule) => match condition.broken(array, segments) {
                None => rule.apply(array, segments),
                Some(row) => Err(Refusal::at(row, &refused.expected, &refused.found, refused.why.clone())),
            },
            Self::Items(rule, field) => nested::items(array, field, |values, bounds| {
                let made = rule.apply(values, &Segments::Bounds(bounds));
                made.map_err(|refusal| refusal.inside("[]", |item| nested::row_of(bounds, item)))
            }),
            Self::Fields(fields) => {
                let source = array.as_struct();
                let mut columns = Vec::with_capacity(fields.len());
                for (at, rule, field) in fields {
                    let column = nulled(source.column(*at), source)?;
                    let step = format!(".{}", field.name());
                    columns.push(
                        rule.apply(&column, &Segments::Each(source.nulls()))
                            .map_err(|refusal| refusal.inside(&step, |row| row))?,
                    );
                }
                let fields = fields.iter().map(|(_, _, field)| field.clone()).collect::<Fields>();
                Ok(Arc::new(StructArray::try_new_with_length(fields, columns, source.nulls().cloned(), source.len())?))
            }
            Self::Entries(rule, to) => nested::entries(array.as_map(), to, |values, bounds| {
                let made = rule.apply(values, &Segments::Each(None));
                made.map_err(|refusal| refusal.inside("{}", |entry| nested::row_of(bounds, entry)))
            }),
        }
    }
}

impl From<ArrowError> for Refusal {
    fn from(error: ArrowError) -> Self {
        let (expected, found) = ("an Arrow array".into(), "none".into());
        Self { row: None, path: String::new(), expected, found, why: error.to_string().into() }
    }
}

/// A cast that loses nothing, or is meant to.
fn recast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Refusal> {
    cast(array, to).map_err(|error| Refusal::at(0, to, array.data_type(), error.to_string()))
}

/// A struct's child that is null wherever the struct is.
pub(super) fn nulled(column: &ArrayRef, parent: &StructArray) -> Result<ArrayRef, Refusal> {
    match parent.nulls() {
        None => Ok(column.clone()),
        Some(outer) => {
            let keep = BooleanArray::new(!outer.inner(), None);
            Ok(arrow::compute::nullif(column, &keep)?)
        }
    }
}

/// Dates and timestamps as nanoseconds since 1970 on a wall clock.
fn instant(array: &ArrayRef, zone: Option<Zone>) -> Result<ArrayRef, Refusal> {
    let refuse = |row, why| Refusal::at(row, "datetime", array.data_type(), why);
    let local = match (zone, array.data_type()) {
        (Some(zone), DataType::Timestamp(unit, Some(_))) => Some(to_wall_clock(array, *unit, zone)?),
        (None, DataType::Timestamp(unit, Some(_))) => Some(recast(array, &DataType::Timestamp(*unit, None))?),
        // The direct cast of days to nanoseconds overflows without a word (9999-12-31).
        (_, DataType::Date32) => Some(recast(array, &DataType::Timestamp(TimeUnit::Second, None))?),
        (_, DataType::Date64) => Some(recast(array, &DataType::Timestamp(TimeUnit::Millisecond, None))?),
        _ => None,
    };
    let source = local.as_ref().unwrap_or(array);
    // The cast gives null where a value lies beyond the nanoseconds of an int64 (years 1677 to 2262).
    let made =
        arrow::compute::cast_with_options(source, &INSTANT, &arrow::compute::CastOptions { safe: true, ..Default::default() })
            .map_err(|error| refuse(0, error.to_string()))?;
    if made.null_count() != array.null_count()
        && let Some(row) = (0..made.len()).find(|&row| made.is_null(row) && !array.is_null(row))
    {
        return Err(refuse(row, "the time lies outside of 1677 to 2262, which nanoseconds can hold".into()));
    }
    Ok(made)
}

fn to_wall_clock(array: &ArrayRef, unit: TimeUnit, zone: Zone) -> Result<ArrayRef, Refusal> {
    let utc = recast(array, &DataType::Timestamp(unit, None))?;
    let shift = |micros: i64| {
        let at = timestamp_us_to_datetime(micros)?;
        Some(zone.seconds_at(&at))
    };
    if unit == TimeUnit::Nanosecond {
        let nanos = utc.as_primitive::<TimestampNanosecondType>();
        let local: PrimitiveArray<TimestampNanosecondType> =
            nanos.unary_opt(|nano| nano.checked_add(shift(nano.div_euclid(1000))? * 1_000_000_000));
        return Ok(Arc::new(local));
    }
    let micros = recast(&utc, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let local: PrimitiveArray<TimestampMicrosecondType> = micros.unary_opt(|micro| micro.checked_add(shift(micro)? * 1_000_000));
    Ok(Arc::new(local))
}
