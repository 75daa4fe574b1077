//! The names of a classifier's classes.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray},
    datatypes::DataType,
};

use super::{obstacle::Made, view::View};
use crate::{
    error::{Error, Kind, Result},
    formats::{
        npy::{Array, Data},
        objects::Id,
    },
};

/// The names of the classes of a classifier.
#[derive(Debug, Clone, PartialEq)]
pub enum Labels {
    Ints { values: Vec<i64>, bytes: usize },
    Floats { values: Vec<f64>, single: bool },
    Bools(Vec<bool>),
    Texts(Vec<String>),
}

impl Labels {
    /// Reads the names in an array of a pickle.
    pub fn read<C>(classes: View<'_, C>) -> Made<Self> {
        let labels = Self::new(classes.array()?, |id| classes.at(id).text().map(str::to_owned));
        labels.filter(|labels| labels.len() > 0).map_or_else(|| classes.wrong("names of classes"), Ok)
    }

    /// The names in an array; `text` gives the texts of an array of objects.
    pub fn new(array: &Array, text: impl Fn(Id) -> Option<String>) -> Option<Self> {
        let bytes = array.dtype.size;
        Some(match &array.data {
            Data::Ints(values) => Self::Ints { values: values.clone(), bytes },
            Data::Uints(_) => return None,
            Data::Floats(values) => Self::Floats { values: values.clone(), single: bytes < 8 },
            Data::Bools(values) => Self::Bools(values.clone()),
            Data::Texts(values) => Self::Texts(values.clone()),
            Data::Objects(ids) => Self::Texts(ids.iter().map(|&id| text(id)).collect::<Option<_>>()?),
            Data::Records(_) | Data::Opaque => return None,
        })
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Ints { values, .. } => values.len(),
            Self::Floats { values, .. } => values.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// A class's name as a number; NaN where it is text.
    pub fn number(&self, at: usize) -> f64 {
        match self {
            Self::Ints { values, .. } => values.get(at).map_or(f64::NAN, |&value| value as f64),
            Self::Floats { values, .. } => values.get(at).copied().unwrap_or(f64::NAN),
            Self::Bools(values) => values.get(at).map_or(f64::NAN, |&value| f64::from(u8::from(value))),
            Self::Texts(_) => f64::NAN,
        }
    }

    /// A class's name that is text.
    pub fn text(&self, at: usize) -> Option<&str> {
        match self {
            Self::Texts(values) => values.get(at).map(String::as_str),
            _ => None,
        }
    }

    /// The places of these classes among those of another classifier; `None` where one is not among them.
    pub fn places_in(&self, other: &Self) -> Option<Vec<usize>> {
        // In reverse, so that the first of equal classes is found.
        let places = (0..other.len()).rev();
        match (self, other) {
            (Self::Texts(own), Self::Texts(theirs)) => {
                let places: HashMap<&str, usize> = places.map(|place| (theirs[place].as_str(), place)).collect();
                own.iter().map(|text| places.get(text.as_str()).copied()).collect()
            }
            (Self::Texts(_), _) | (_, Self::Texts(_)) => None,
            _ => {
                // -0.0 counts as 0.0.
                let bits = |labels: &Self, at: usize| (labels.number(at) + 0.0).to_bits();
                let places: HashMap<u64, usize> = places.map(|place| (bits(other, place), place)).collect();
                (0..self.len()).map(|at| places.get(&bits(self, at)).copied()).collect()
            }
        }
    }

    pub fn data_type(&self) -> DataType {
        match self {
            Self::Ints { bytes: 1, .. } => DataType::Int8,
            Self::Ints { bytes: 2, .. } => DataType::Int16,
            Self::Ints { bytes: 4, .. } => DataType::Int32,
            Self::Ints { .. } => DataType::Int64,
            Self::Floats { single: true, .. } => DataType::Float32,
            Self::Floats { .. } => DataType::Float64,
            Self::Bools(_) => DataType::Boolean,
            Self::Texts(_) => DataType::Utf8,
        }
    }

    /// The names of classes by their numbers. A number that is out of range is an internal error.
    pub fn named(&self, numbers: &[f64]) -> Result<ArrayRef> {
        if numbers.iter().any(|&number| number as usize >= self.len()) {
            return Err(Error::new(Kind::Internal, "NO_SUCH_CLASS", "a class's number is out of range"));
        }
        let at = numbers.iter().map(|&number| number as usize);
        Ok(match self {
            Self::Ints { values, bytes: 1 } => Arc::new(Int8Array::from_iter_values(at.map(|at| values[at] as i8))),
            Self::Ints { values, bytes: 2 } => Arc::new(Int16Array::from_iter_values(at.map(|at| values[at] as i16))),
            Self::Ints { values, bytes: 4 } => Arc::new(Int32Array::from_iter_values(at.map(|at| values[at] as i32))),
            Self::Ints { values, .. } => Arc::new(Int64Array::from_iter_values(at.map(|at| values[at]))),
            Self::Floats { values, single: true } => Arc::new(Float32Array::from_iter_values(at.map(|at| values[at] as f32))),
            Self::Floats { values, .. } => Arc::new(Float64Array::from_iter_values(at.map(|at| values[at]))),
            Self::Bools(values) => Arc::new(BooleanArray::from_iter(at.map(|at| Some(values[at])))),
            Self::Texts(values) => Arc::new(StringArray::from_iter_values(at.map(|at| values[at].as_str()))),
        })
    }
}
