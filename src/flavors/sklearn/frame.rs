//! A batch's columns as blocks: which column is which feature, and its values as numbers.

use std::{collections::HashSet, ops::Range};

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, RecordBatch, StringArray},
    datatypes::{DataType, Schema},
};

use super::{
    SklearnCore,
    base::{NONE, Symbols},
};
use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::common::features::{absent, by_name, mismatch, wrong_count},
    kernels::{
        block::{Block, Kind},
        columns::{Column, doubles},
    },
    score::MISSING,
};

/// A column of a batch that has to be converted.
pub(super) enum Input {
    Numbers(Column),
    /// With the number that stands for a null.
    Texts(StringArray, f64),
    /// A column that is absent and not needed.
    Absent,
}

/// The texts of each column of texts, by number of the feature; up to the last of them.
pub(super) fn texts(inputs: &[(usize, Input)]) -> Vec<Option<StringArray>> {
    let mut all = Vec::new();
    for (at, input) in inputs {
        if let Input::Texts(texts, _) = input {
            all.resize(*at, None);
            all.push(Some(texts.clone()));
        }
    }
    all
}

/// The kind of column that pandas makes of an Arrow type; `None` for types that no estimator takes.
pub(super) fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Boolean => Kind::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => Kind::Short,
        DataType::Int32 | DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Kind::Int,
        DataType::Float16 | DataType::Float32 => Kind::Single,
        DataType::Float64 | DataType::Null => Kind::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Symbol,
        _ => return None,
    })
}

/// The batch's column for each feature; `None` where one is not needed.
pub(super) fn places(model: &SklearnCore, schema: &Schema) -> Result<Vec<Option<usize>>> {
    let frame = model.part.frame();
    let count = schema.fields().len();
    let names = match &frame.names {
        Some(names) if !model.by_position => names,
        _ => match frame.count {
            Some(wanted) if wanted != count => {
                let message = format!("X has {count} features, but {} is expecting {wanted} features as input", model.class);
                return Err(wrong_count(message, wanted, count));
            }
            _ => return Ok((0..count).map(Some).collect()),
        },
    };
    let by_name = by_name(schema.fields().iter().map(|field| &**field).enumerate())?;
    let find = |name: &String| by_name.get(name.as_str()).copied();
    if let Some(needed) = &frame.needed {
        let mut places: Vec<Option<usize>> = names.iter().map(find).collect();
        for &feature in needed.iter() {
            if places[feature].is_none() {
                return Err(absent(&names[feature]));
            }
        }
        // A column that is not needed may have any type. `needed` is sorted.
        (0..names.len()).filter(|feature| needed.binary_search(feature).is_err()).for_each(|feature| places[feature] = None);
        return Ok(places);
    }
    if let Some(name) = names.iter().find(|name| find(name).is_none()) {
        return Err(absent(name));
    }
    let fitted: HashSet<&str> = names.iter().map(String::as_str).collect();
    if let Some(field) = schema.fields().iter().find(|field| !fitted.contains(field.name().as_str())) {
        return Err(mismatch("the model was not fitted with this column").column(field.name()));
    }
    if let Some((name, field)) = names.iter().zip(schema.fields()).find(|(name, field)| *name != field.name()) {
        return Err(mismatch("feature names must be in the same order as they were in fit").expected(name).found(field.name()));
    }
    Ok((0..count).map(Some).collect())
}

/// The columns of a batch that have to be converted, each with the number of its feature. Sets the kinds of the block's columns
/// and lends it all other columns; the memory for the converted ones is not yet allocated.
pub(super) fn begin(
    places: &[Option<usize>],
    nulls_are_none: bool,
    batch: &RecordBatch,
    block: &mut Block,
) -> Result<Vec<(usize, Input)>> {
    block.reset(0, places.len(), Kind::Double);
    let mut inputs = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let Some(place) = *place else {
            inputs.push((at, Input::Absent));
            continue;
        };
        let array = batch.column(place);
        block.set_source(at, at);
        if let Some(values) = doubles(array) {
            block.lend(at, values.clone());
            continue;
        }
        let null = match batch.schema_ref().field(place).metadata().get(MISSING).map(String::as_str) {
            Some("none") => NONE,
            Some("nan") => f64::NAN,
            _ if nulls_are_none => NONE,
            _ => f64::NAN,
        };
        let read = input(array, at, null, block);
        inputs.push((at, read.map_err(|error| error.column(batch.schema_ref().field(place).name()))?));
    }
    Ok(inputs)
}

/// A column that has to be converted; a null among its texts is this number.
fn input(array: &ArrayRef, at: usize, null: f64, block: &mut Block) -> Result<Input> {
    if let Some(column) = Column::new(array) {
        block.set_kind(
            at,
            match array.data_type() {
                DataType::Boolean if array.null_count() > 0 => Kind::Object,
                DataType::Null if null == NONE => Kind::Object,
                _ => column.kind(),
            },
        );
        return Ok(Input::Numbers(column));
    }
    match kind(array.data_type()) {
        Some(_) => {
            block.set_kind(at, Kind::Symbol);
            let array = arrow::compute::cast(array, &DataType::Utf8)?;
            Ok(Input::Texts(array.as_string::<i32>().clone(), null))
        }
        None => Err(Error::new(
            ErrorKind::InvalidArgument,
            "TYPE_MISMATCH",
            "scikit-learn's kernels take numbers, truth values and text",
        )
        .expected("a number or text")
        .found(array.data_type())
        .remedy("cast the column, or load the model with engine=\"python\"")),
    }
}

/// The one column of an unnamed tensor, its items as columns.
pub(super) fn unpacked(batch: &RecordBatch) -> Result<Option<RecordBatch>> {
    let [column] = batch.columns() else { return Ok(None) };
    let width = match column.data_type() {
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value_length(),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let width = if list.is_empty() { 0 } else { list.value_length(0) };
            if list.offsets().lengths().any(|length| length as i32 != width) {
                return Err(mismatch("the rows of the tensor are not of one length"));
            }
            width
        }
        _ => return Ok(None),
    };
    let (DataType::FixedSizeList(item, _) | DataType::List(item)) = column.data_type() else { return Ok(None) };
    if column.null_count() > 0 {
        return Err(Error::new(ErrorKind::InvalidArgument, "NULL_TENSOR", "the tensor has nulls"));
    }
    let values = match column.data_type() {
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let start = list.value_offsets()[0] as usize;
            list.values().slice(start, list.len() * width as usize)
        }
        _ => {
            let list: &FixedSizeListArray = column.as_fixed_size_list();
            list.values().slice(list.value_offset(0) as usize, list.len() * width as usize)
        }
    };
    let (rows, width) = (column.len() as u32, width as u32);
    let mut columns = Vec::with_capacity(width as usize);
    for at in 0..width {
        let indices = arrow::array::UInt32Array::from_iter_values((0..rows).map(|row| row * width + at));
        columns.push((at.to_string(), arrow::compute::take(&values, &indices, None)?, item.is_nullable()));
    }
    Ok(Some(RecordBatch::try_from_iter_with_nullable(columns)?))
}

/// Fills the block with the values of some rows.
pub(super) fn fill(inputs: &[(usize, Input)], symbols: &Symbols, rows: Range<usize>, block: &mut Block) {
    block.advance(rows.clone());
    for &(at, ref input) in inputs {
        match input {
            Input::Numbers(column) => column.fill(rows.clone(), block.column_mut(at)),
            Input::Texts(texts, null) => {
                let texts = texts.slice(rows.start, rows.len());
                for (number, text) in block.column_mut(at).iter_mut().zip(&texts) {
                    *number = text.map_or(*null, |text| symbols.number(text));
                }
            }
            Input::Absent => block.column_mut(at).fill(f64::NAN),
        }
    }
}
