//! Whether a null among texts is `None` or NaN for a model; scikit-learn treats them differently.
//!
//! Arrow has one null. pandas before 3 makes `None` of it in a column of text, pandas 3 NaN. So it is `None` to a model whose
//! requirements name an older pandas, and to a model that was fitted on columns with `None`; it is NaN to any other.

use crate::formats::{
    npy::Data,
    objects::{Graph, Id, Value},
};

/// The first major version of pandas whose columns of text have NaN for what is missing.
const FIRST_WITH_NAN: u64 = 3;

/// Whether a null among texts is `None` to a model, given its requirements as far as it has any.
pub(super) fn are_none(graph: &Graph, requirements: Option<&str>) -> bool {
    requirements.is_some_and(has_old_pandas) || graph.values().any(|value| knows_none(graph, value))
}

/// Whether a dict holds attributes of an estimator that was fitted with `None`.
fn knows_none(graph: &Graph, value: &Value) -> bool {
    let Value::Dict(entries) = value else { return false };
    entries.iter().any(|&(key, value)| match graph.get(key) {
        Value::Text(key) if key == "missing_values" => *graph.get(value) == Value::None,
        Value::Text(key) if key == "categories_" => items(graph, value).iter().any(|&column| holds_none(graph, column)),
        _ => false,
    })
}

fn holds_none(graph: &Graph, column: Id) -> bool {
    items(graph, column).iter().any(|&item| *graph.get(item) == Value::None)
}

fn items(graph: &Graph, id: Id) -> &[Id] {
    match graph.get(id) {
        Value::List(items) | Value::Tuple(items) => items,
        Value::Array(array) => match &array.data {
            Data::Objects(items) => items,
            _ => &[],
        },
        _ => &[],
    }
}

/// Whether a list of requirements, of pip or of conda, names a pandas before [`FIRST_WITH_NAN`].
fn has_old_pandas(requirements: &str) -> bool {
    requirements.lines().any(|line| {
        let line = line.trim().trim_start_matches("- ").trim_matches(['\'', '"', ' ']);
        let Some(rest) = line.strip_prefix("pandas") else { return false };
        let rest = rest.trim_start();
        let number = rest.trim_start_matches(['=', '<', '~', ' ']);
        let digits = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let Ok(major) = digits.parse::<u64>() else { return false };
        match rest.as_bytes() {
            [b'=' | b'~', ..] => major < FIRST_WITH_NAN,
            [b'<', ..] => major <= FIRST_WITH_NAN,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_say_what_pandas_there_is() {
        for old in [
            "mlflow==3.1\npandas==2.2.3\n",
            "pandas<3",
            "dependencies:\n- pip:\n  - pandas==1.5.3",
            "- pandas=2.0",
            "pandas ~= 2.1",
        ] {
            assert!(has_old_pandas(old), "{old}");
        }
        for other in
            ["pandas==3.1.1", "pandas", "pandas>=2", "pandas-stubs==2.0", "geopandas==1.0", "numpy==1.26", "pandas<4", ""]
        {
            assert!(!has_old_pandas(other), "{other}");
        }
    }
}
