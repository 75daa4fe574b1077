//! Which column of a batch is which feature, and its values as numbers.

use std::{collections::HashSet, fmt::Display};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Field, Float64Type, Schema},
};

use super::{XgbCore, class::Class};
use crate::{
    error::{Error, Kind, Result},
    flavors::common::features::{self, absent, by_name, is_text, mismatch, wrong_count},
    formats::xgboost::Categories,
    kernels::columns::Column,
};

/// The column that a ranker takes for the query's id.
pub(super) const QUERY: &str = "qid";

/// The column of each feature; `None` where a Booster may take the feature as missing.
pub(super) fn places(model: &XgbCore, schema: &Schema, validate: bool) -> Result<Vec<Option<usize>>> {
    let fields: Vec<(usize, &Field)> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| (at, &**field))
        .filter(|(_, field)| model.class != Class::Ranker || field.name() != QUERY)
        .collect();
    let by_name = by_name(fields.iter().copied())?;
    if validate && !model.feature_names.is_empty() {
        let known: HashSet<&str> = model.feature_names.iter().map(String::as_str).collect();
        if let Some((_, field)) = fields.iter().find(|(_, field)| !known.contains(field.name().as_str())) {
            return Err(mismatch("the model was not trained with this column").column(field.name()));
        }
        let place = |name: &String| match by_name.get(name.as_str()) {
            Some(&at) => Ok(Some(at)),
            None => Err(absent(name)),
        };
        return model.feature_names.iter().map(place).collect();
    }
    let (have, need) = (fields.len(), model.num_feature);
    if have > need || (have < need && model.class != Class::Booster) {
        return Err(wrong_count("wrong number of columns", need, have));
    }
    Ok((0..need).map(|feature| fields.get(feature).map(|(at, _)| *at)).collect())
}

/// Whether numbers in a column of categories are codes. XGBoost's estimators know categories by name alone; so does a Booster where
/// any column of the table is one of categories.
pub(super) fn takes_codes(model: &XgbCore, batch: &RecordBatch) -> bool {
    let by_name = |column: &ArrayRef| column.data_type().is_string() || matches!(column.data_type(), DataType::Dictionary(..));
    model.class == Class::Booster && !batch.columns().iter().any(by_name)
}

/// The numbers of a feature; `codes` says whether numbers may be the codes of categories.
pub(super) fn column(model: &XgbCore, batch: &RecordBatch, feature: usize, place: usize, codes: bool) -> Result<Column> {
    let array = batch.column(place);
    let name = || batch.schema_ref().field(place).name().clone();
    let dictionary = matches!(array.data_type(), DataType::Dictionary(..));
    if let (Some(Categories::Ints(names)), Some(true)) = (model.categories.get(feature), model.named.get(feature))
        && (dictionary || model.class != Class::Booster)
    {
        return whole_codes(names, array).map_err(|error| error.column(name()));
    }
    if let Some(column) = Column::new(array) {
        let texts = matches!(model.categories.get(feature), Some(Categories::Texts(_)));
        let named = texts || model.named.get(feature) == Some(&true);
        return if named && !codes && !array.data_type().is_null() { Err(unnamed(array).column(name())) } else { Ok(column) };
    }
    if let Some(Categories::Texts(names)) = model.categories.get(feature) {
        return codes_of(names, array).map_err(|error| error.column(name()));
    }
    if let DataType::Dictionary(_, values) = array.data_type()
        && values.is_numeric()
    {
        return Column::new(&arrow::compute::cast(array, values)?).ok_or_else(|| not_a_number(array).column(name()));
    }
    Err(not_a_number(array).column(name()))
}

fn not_a_number(array: &ArrayRef) -> Error {
    features::not_a_number("XGBoost takes numbers and truth values", array.data_type())
}

fn unnamed(array: &ArrayRef) -> Error {
    let message = "the model knows the categories of this column by name, and takes codes only where no column has names";
    Error::new(Kind::InvalidArgument, "TYPE_MISMATCH", message)
        .expected("names of categories")
        .found(array.data_type())
        .remedy("give the names, as text or a dictionary")
}

/// Categories by name become their codes in the training data.
fn codes_of(names: &[String], array: &ArrayRef) -> Result<Column> {
    let code: foldhash::HashMap<&str, f32> = names.iter().enumerate().map(|(code, name)| (name.as_str(), code as f32)).collect();
    if !is_text(array.data_type()) {
        return Err(not_a_number(array));
    }
    let texts = arrow::compute::cast(array, &DataType::LargeUtf8)?;
    let value = |(row, text): (usize, Option<&str>)| match text {
        None => Ok(f32::NAN),
        Some(text) => code.get(text).copied().ok_or_else(|| unknown(text, row)),
    };
    let values = texts.as_string::<i64>().iter().enumerate().map(value).collect::<Result<Vec<f32>>>()?;
    Ok(Column::from_values(values))
}

/// Categories that are whole numbers become their codes in the training data. Doubles hold all of them exactly.
fn whole_codes(names: &[i64], array: &ArrayRef) -> Result<Column> {
    let numeric = match array.data_type() {
        DataType::Dictionary(_, values) => values.is_numeric(),
        other => other.is_numeric() || other.is_null(),
    };
    if !numeric {
        return Err(not_a_number(array));
    }
    let code: foldhash::HashMap<u64, f32> =
        names.iter().enumerate().map(|(code, &name)| ((name as f64).to_bits(), code as f32)).collect();
    let numbers = arrow::compute::cast(array, &DataType::Float64)?;
    let value = |(row, number): (usize, Option<f64>)| match number.filter(|number| !number.is_nan()) {
        None => Ok(f32::NAN),
        // -0.0 is looked up as 0.0.
        Some(number) => code.get(&(number + 0.0).to_bits()).copied().ok_or_else(|| unknown(number, row)),
    };
    let values = numbers.as_primitive::<Float64Type>().iter().enumerate().map(value).collect::<Result<Vec<f32>>>()?;
    Ok(Column::from_values(values))
}

fn unknown(category: impl Display, row: usize) -> Error {
    Error::new(Kind::InvalidArgument, "UNKNOWN_CATEGORY", format!("the category '{category}' was not in the training data"))
        .row(row as u64)
}
