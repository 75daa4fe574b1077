//! How much memory columns take once each value is written out: a dictionary of one long text, a run, or views of one buffer stand in
//! few bytes for as many values as the batch has rows.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{ArrowNativeType, DataType, Int16Type, Int32Type, Int64Type, RunEndIndexType},
};

use super::decode::children;

/// Whether values of the type may share the bytes they are made of.
pub fn shares(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(..)
        | DataType::RunEndEncoded(..)
        | DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::LargeListView(_) => true,
        nested => children(nested).into_iter().any(|field| shares(field.data_type())),
    }
}

/// Bytes that a batch takes once its shared values are written out, or more.
pub fn bytes(batch: &RecordBatch) -> usize {
    sum(batch.columns().iter().map(|column| column_bytes(column.as_ref())))
}

fn sum(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

fn column_bytes(column: &dyn Array) -> usize {
    match column.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = dictionary.values().as_ref();
            match value_sizes(values) {
                Sizes::Same(size) => size.saturating_mul(column.len()),
                // Without values there is nothing but nulls.
                Sizes::Each(sizes) if sizes.is_empty() => 0,
                Sizes::Each(sizes) => sum(dictionary.normalized_keys().into_iter().map(|key| sizes[key])),
            }
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(column),
            DataType::Int32 => runs::<Int32Type>(column),
            _ => runs::<Int64Type>(column),
        },
        DataType::ListView(_) => {
            let list = column.as_list_view::<i32>();
            listed(list.value_sizes(), list.values().as_ref())
        }
        DataType::LargeListView(_) => {
            let list = column.as_list_view::<i64>();
            listed(list.value_sizes(), list.values().as_ref())
        }
        DataType::Union(fields, _) => sum(fields.iter().map(|(id, _)| column_bytes(column.as_union().child(id).as_ref()))),
        DataType::Utf8View => views(column.as_string_view().views()),
        DataType::BinaryView => views(column.as_binary_view().views()),
        DataType::List(_) => column_bytes(column.as_list::<i32>().values()),
        DataType::LargeList(_) => column_bytes(column.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => column_bytes(column.as_fixed_size_list().values()),
        DataType::Map(..) => sum(column.as_map().entries().columns().iter().map(|child| column_bytes(child.as_ref()))),
        DataType::Struct(_) => sum(column.as_struct().columns().iter().map(|child| column_bytes(child.as_ref()))),
        _ => column.get_buffer_memory_size(),
    }
}

/// A view begins with the length of its value.
fn views(views: &[u128]) -> usize {
    sum(views.iter().map(|view| *view as u32 as usize))
}

fn runs<R: RunEndIndexType>(column: &dyn Array) -> usize {
    let Some(run) = column.as_any().downcast_ref::<arrow::array::RunArray<R>>() else { return 0 };
    match value_sizes(run.values().as_ref()) {
        Sizes::Same(size) => size.saturating_mul(column.len()),
        Sizes::Each(sizes) => {
            let mut start = 0;
            sum(run.run_ends().values().iter().zip(sizes).map(|(end, size)| {
                let length = end.as_usize() - start;
                start = end.as_usize();
                size.saturating_mul(length)
            }))
        }
    }
}

/// Lists that may lie over each other.
fn listed<T: ArrowNativeType>(lengths: &[T], values: &dyn Array) -> usize {
    let items = sum(lengths.iter().map(|length| length.as_usize()));
    if items <= values.len() {
        return column_bytes(values);
    }
    match value_sizes(values) {
        Sizes::Same(size) => size.saturating_mul(items),
        Sizes::Each(sizes) => sizes.into_iter().max().unwrap_or(0).saturating_mul(items),
    }
}

/// Bytes of each value of a dictionary or of runs, with the offset that a text needs.
enum Sizes {
    Same(usize),
    Each(Vec<usize>),
}

fn value_sizes(values: &dyn Array) -> Sizes {
    const OFFSET: usize = 8;
    let each = |size: &dyn Fn(usize) -> usize| Sizes::Each((0..values.len()).map(|at| size(at) + OFFSET).collect());
    match values.data_type() {
        DataType::Utf8 => each(&|at| values.as_string::<i32>().value_length(at) as usize),
        DataType::LargeUtf8 => each(&|at| values.as_string::<i64>().value_length(at) as usize),
        DataType::Binary => each(&|at| values.as_binary::<i32>().value_length(at) as usize),
        DataType::LargeBinary => each(&|at| values.as_binary::<i64>().value_length(at) as usize),
        DataType::Utf8View => each(&|at| values.as_string_view().views()[at] as u32 as usize),
        DataType::BinaryView => each(&|at| values.as_binary_view().views()[at] as u32 as usize),
        DataType::FixedSizeBinary(size) => Sizes::Same(usize::try_from(*size).unwrap_or_default()),
        // Of nested values no more is asked than what all of them take.
        other if other.is_nested() => Sizes::Same(column_bytes(values)),
        other => Sizes::Same(other.primitive_width().unwrap_or(OFFSET)),
    }
}
