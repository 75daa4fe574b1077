//! Rebuilding lists and maps around converted values, keeping rows and nulls.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, StructArray},
    buffer::OffsetBuffer,
    compute::cast,
    datatypes::{DataType, FieldRef},
    error::ArrowError,
};

/// The row that holds an item, from the bounds of the rows' items.
pub(super) fn row_of(bounds: &[usize], item: usize) -> usize {
    bounds.partition_point(|&bound| bound <= item).saturating_sub(1)
}

/// Applies `convert` to the items of all lists at once; it also gets the bounds of each list's items.
pub(super) fn items<E: From<ArrowError>>(
    array: &ArrayRef,
    field: &FieldRef,
    convert: impl FnOnce(&ArrayRef, &[usize]) -> Result<ArrayRef, E>,
) -> Result<ArrayRef, E> {
    match array.data_type() {
        DataType::List(_) => variable::<i32, E>(array.as_list(), field, convert),
        DataType::LargeList(_) => variable::<i64, E>(array.as_list(), field, convert),
        DataType::ListView(inner) => items(&cast(array, &DataType::List(inner.clone()))?, field, convert),
        DataType::LargeListView(inner) => items(&cast(array, &DataType::LargeList(inner.clone()))?, field, convert),
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let size = list.value_length();
            let bounds: Vec<usize> = (0..=list.len()).map(|row| row * size.max(0) as usize).collect();
            let values = convert(list.values(), &bounds)?;
            Ok(Arc::new(FixedSizeListArray::try_new(field.clone(), size, values, list.nulls().cloned())?))
        }
        other => Err(ArrowError::CastError(format!("{other} is no list")).into()),
    }
}

fn variable<O: OffsetSizeTrait, E: From<ArrowError>>(
    list: &GenericListArray<O>,
    field: &FieldRef,
    convert: impl FnOnce(&ArrayRef, &[usize]) -> Result<ArrayRef, E>,
) -> Result<ArrayRef, E> {
    let offsets = list.value_offsets();
    let first = offsets[0];
    let bounds: Vec<usize> = offsets.iter().map(|&offset| (offset - first).as_usize()).collect();
    let values = list.values().slice(first.as_usize(), bounds[list.len()]);
    let values = convert(&values, &bounds)?;
    let offsets = OffsetBuffer::new(offsets.iter().map(|&offset| offset - first).collect());
    Ok(Arc::new(GenericListArray::<O>::try_new(field.clone(), offsets, values, list.nulls().cloned())?))
}

/// Applies `convert` to the values of all maps at once; `to` is the type of the map that is made.
pub(super) fn entries<E: From<ArrowError>>(
    map: &MapArray,
    to: &DataType,
    convert: impl FnOnce(&ArrayRef, &[usize]) -> Result<ArrayRef, E>,
) -> Result<ArrayRef, E> {
    let DataType::Map(entries, sorted) = to else { return Err(ArrowError::CastError(format!("{to} is no map")).into()) };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::CastError(format!("{to} has no entries")).into());
    };
    let offsets = map.value_offsets();
    let first = offsets[0];
    let bounds: Vec<usize> = offsets.iter().map(|&offset| (offset - first) as usize).collect();
    let cut = |array: &ArrayRef| array.slice(first as usize, bounds[map.len()]);
    let keys = cast(&cut(map.keys()), fields[0].data_type())?;
    let values = convert(&cut(map.values()), &bounds)?;
    let offsets = OffsetBuffer::new(offsets.iter().map(|&offset| offset - first).collect());
    let inner = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, inner, map.nulls().cloned(), *sorted)?))
}
