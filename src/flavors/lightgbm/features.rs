//! A batch's columns as features. LightGBM takes the columns of a table by position and ignores their names.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch},
    compute::{cast, take},
    datatypes::DataType,
};
use foldhash::HashMap;

use crate::{
    error::{Error, Result},
    flavors::common::features::{self, is_text, wrong_count},
    kernels::{block::Kind, columns::Column},
};

/// The number of each category of a text column.
pub(super) type Codes = HashMap<String, f32>;

/// Numbers the categories in their order.
pub(super) fn codes(names: Vec<String>) -> Codes {
    names.into_iter().enumerate().map(|(code, name)| (name, code as f32)).collect()
}

/// A batch's columns as numbers.
pub(super) struct Features {
    pub(super) columns: Vec<Column>,
    kinds: Vec<Kind>,
}

impl Features {
    /// The n-th text column of the batch is the n-th category column of the training data.
    pub(super) fn new(batch: &RecordBatch, count: usize, categories: &[Codes]) -> Result<Self> {
        if batch.num_columns() != count {
            return Err(wrong_count("wrong number of columns", count, batch.num_columns()));
        }
        let texts = batch.columns().iter().filter(|column| is_text(column.data_type())).count();
        if texts != categories.len() {
            let message = "the columns of text are not as many as the category columns in the training data";
            return Err(wrong_count(message, categories.len(), texts));
        }
        let mut features = Self { columns: Vec::with_capacity(count), kinds: Vec::with_capacity(count) };
        let mut categories = categories.iter();
        for (array, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
            let codes = if is_text(array.data_type()) { categories.next() } else { None };
            let (column, kind) = match codes {
                Some(codes) => {
                    let numbers = coded(codes, array)?;
                    // pandas' codes of a column are int8, or double precision where one is missing.
                    (Column::new(&numbers), Some(if numbers.null_count() > 0 { Kind::Double } else { Kind::Short }))
                }
                None => (Column::new(array), None),
            };
            let column = column.ok_or_else(|| not_a_number(array).column(field.name()))?;
            features.kinds.push(kind.unwrap_or_else(|| column.kind()));
            features.columns.push(column);
        }
        Ok(features)
    }

    /// Whether LightGBM 2.3 to 3.3 rounds the table to single precision. It does unless pandas makes a matrix of floats of the
    /// columns; with truth values and numbers among them, pandas makes a matrix of objects.
    pub(super) fn were_rounded(&self) -> bool {
        let floats = self.kinds.iter().any(|kind| matches!(kind, Kind::Single | Kind::Double));
        let flags = self.kinds.iter().filter(|kind| **kind == Kind::Bool).count();
        !floats || (flags > 0 && flags < self.kinds.len())
    }
}

/// The numbers of a text column's categories; null for what was not in the training data.
fn coded(codes: &Codes, array: &ArrayRef) -> Result<ArrayRef> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        return Ok(take(&coded(codes, dictionary.values())?, dictionary.keys(), None)?);
    }
    let texts = cast(array, &DataType::LargeUtf8)?;
    let code = |text: Option<&str>| text.and_then(|text| codes.get(text).copied());
    Ok(Arc::new(texts.as_string::<i64>().iter().map(code).collect::<Float32Array>()))
}

fn not_a_number(array: &ArrayRef) -> Error {
    features::not_a_number("LightGBM takes numbers, truth values and text categories", array.data_type())
}
