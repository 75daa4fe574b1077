//! The conditions that MLflow puts on values: it looks at one pandas column, one list or one scalar at a time, and what it does
//! depends on whether that piece holds a null.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, Int64Type},
};

/// The pieces of an array that MLflow sees as one pandas object each.
#[derive(Debug)]
pub(super) enum Segments<'a> {
    /// A column of a batch.
    Whole,
    /// The lists of a list column, by the bounds of their items.
    Bounds(&'a [usize]),
    /// Values in records and maps, but for those of missing records.
    Each(Option<&'a NullBuffer>),
}

/// What must hold in every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Every value is a list of this many items.
    Length(usize),
    /// No value is null.
    NoNull,
    /// Some value is null (pandas then holds objects or floats), or there is none at all.
    SomeNull,
    /// All are null.
    AllNull,
    /// All are 0 or 1 and none is null.
    ZeroOne,
    /// All are 0 or 1, or some value is null.
    ZeroOneOrSomeNull,
}

impl Condition {
    /// The first position where the condition does not hold.
    pub(super) fn broken(self, array: &ArrayRef, segments: &Segments<'_>) -> Option<usize> {
        let small = match self {
            Self::ZeroOne | Self::ZeroOneOrSomeNull => zero_or_one(array),
            _ => None,
        };
        let nulls = array.logical_nulls();
        let is_null = |at: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(at));
        let big = |at: usize| small.as_ref().is_none_or(|small| !small.value(at));
        let broken_in = |start: usize, end: usize| {
            let first = |broken: &dyn Fn(usize) -> bool| (start..end).find(|&at| broken(at));
            match self {
                _ if start == end => None,
                Self::Length(length) => first(&|at| is_null(at) || items(array, at) != Some(length)),
                Self::NoNull => first(&is_null),
                Self::SomeNull => first(&is_null).map_or(Some(start), |_| None),
                Self::AllNull => first(&|at| !is_null(at)),
                Self::ZeroOne => first(&|at| is_null(at) || big(at)),
                Self::ZeroOneOrSomeNull => first(&is_null).map_or_else(|| first(&big), |_| None),
            }
        };
        match segments {
            Segments::Whole => match (self, array.logical_null_count()) {
                // The common verdicts need no look at the values.
                (Self::NoNull, 0) => None,
                (Self::SomeNull | Self::ZeroOneOrSomeNull, 1..) => None,
                _ => broken_in(0, array.len()),
            },
            _ if self == Self::NoNull && array.logical_null_count() == 0 => None,
            Segments::Bounds(bounds) => bounds.windows(2).find_map(|pair| broken_in(pair[0], pair[1])),
            Segments::Each(outer) => {
                let there = |at: &usize| outer.is_none_or(|outer| outer.is_valid(*at));
                (0..array.len()).filter(there).find_map(|at| broken_in(at, at + 1))
            }
        }
    }
}

/// Which slots of an integer array hold 0 or 1.
fn zero_or_one(array: &ArrayRef) -> Option<BooleanArray> {
    let wide = cast(array, &DataType::Int64).ok()?;
    Some(BooleanArray::from_unary(wide.as_primitive::<Int64Type>(), |value| value == 0 || value == 1))
}

/// How many items the list at a position has.
fn items(array: &ArrayRef, at: usize) -> Option<usize> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value_length(at) as usize),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value_length(at) as usize),
        DataType::FixedSizeList(_, size) => usize::try_from(*size).ok(),
        _ => None,
    }
}
