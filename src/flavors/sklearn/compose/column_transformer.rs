//! `ColumnTransformer`

use std::{collections::HashMap, sync::Arc};

use crate::{
    flavors::sklearn::{
        base::{Estimator, Frame, Made, Method, View, frame, python},
        pipeline::{
            steps::passes,
            union::{Branch, Union, weight},
        },
        registry::build,
    },
    formats::objects::Value,
};

/// `ColumnTransformer`
pub fn column_transformer(view: View<'_>) -> Made<Estimator> {
    let mut frame = frame(view);
    let Some(width) = frame.count else { return python("ColumnTransformer has no attribute 'n_features_in_'") };
    let indices = view.find("_transformer_to_input_indices");
    let mut branches = Vec::new();
    for entry in view.get("transformers_")?.items() {
        let [name, transformer, columns] = entry.items()[..] else { return entry.wrong("a transformer") };
        if transformer.text() == Some("drop") {
            continue;
        }
        let known = indices.and_then(|indices| indices.find(name.text().unwrap_or_default()));
        let spec = columns;
        let columns = positions(known.unwrap_or(spec), &frame, width)?;
        if columns.is_empty() {
            continue;
        }
        let open = view.loader.documents.get();
        let part = if passes(transformer) { None } else { Some(build(transformer)?) };
        if part.as_ref().is_some_and(|part| !part.has(Method::Transform)) {
            return python(format!("ColumnTransformer: {} is no transformer here", transformer.name()));
        }
        // A single name or number selects a pandas Series, a list a DataFrame.
        if part.as_ref().is_some_and(|part| part.takes_documents()) && (spec.text().is_some() || spec.int().is_some()) {
            view.loader.documents.set(open);
        }
        branches.push(Branch { columns: Some(columns), part, weight: weight(view, name) });
    }
    if frame.names.is_some() {
        let mut needed: Vec<usize> = branches.iter().filter_map(|branch| branch.columns.as_ref()).flatten().copied().collect();
        needed.sort_unstable();
        needed.dedup();
        frame.needed = Some(needed.into());
    }
    Ok(Arc::new(Union { branches, frame }))
}

/// The columns a transformer was given: by number, name, slice or mask.
fn positions(view: View<'_>, frame: &Frame, width: usize) -> Made<Vec<usize>> {
    let names = frame.names.as_deref().unwrap_or_default();
    // In reverse, so that the first of several columns with the same name is found.
    let places: HashMap<&str, usize> = names.iter().enumerate().rev().map(|(at, name)| (name.as_str(), at)).collect();
    let named = |text: &str| places.get(text).copied();
    if view.class() == "builtins.slice" {
        return python("ColumnTransformer: columns by slice");
    }
    // The columns of the remainder are a list inside an object of their own class.
    let view = view.find("data").unwrap_or(view);
    let found: Option<Vec<usize>> = if let Some(text) = view.text() {
        named(text).map(|at| vec![at])
    } else if let Some(texts) = view.texts().filter(|texts| !texts.is_empty()) {
        texts.iter().map(|text| named(text)).collect()
    } else {
        let place = |number: i64| match number {
            0.. => usize::try_from(number).ok(),
            _ => width.checked_sub(number.unsigned_abs() as usize),
        };
        let array = view.array().ok().and_then(|array| array.ints());
        let numbers = match array {
            Some(numbers) => numbers,
            None => {
                let items = view.items();
                if items.iter().any(|item| matches!(item.value(), Value::Bool(_))) {
                    return python("ColumnTransformer: columns by mask");
                }
                items.into_iter().filter_map(View::int).collect()
            }
        };
        numbers.into_iter().map(place).collect()
    };
    match found.filter(|found| found.iter().all(|&at| at < width)) {
        Some(found) => Ok(found),
        None => view.wrong("columns"),
    }
}
