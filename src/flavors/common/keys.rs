//! What a flavor's keys in the MLmodel say.

use serde_yaml::Value;

use crate::{flavors::LoadOptions, mlmodel::MlModel};

/// Name of the flavor that tells Python how to load a model of any flavor.
pub const PYTHON_FUNCTION: &str = "python_function";

/// The text of a flavor's key.
pub fn text<'a>(mlmodel: &'a MlModel, flavor: &str, key: &str) -> Option<&'a str> {
    mlmodel.flavor(flavor).and_then(|keys| keys.get(key)).and_then(Value::as_str)
}

/// The method asked for: by the load options, else by the python_function flavor, else `predict`.
pub fn predict_fn<'a>(mlmodel: &'a MlModel, options: &'a LoadOptions) -> &'a str {
    let asked = options.predict_fn.as_deref();
    asked.or_else(|| text(mlmodel, PYTHON_FUNCTION, "predict_fn")).unwrap_or("predict")
}

/// The first three numbers of a version such as `3.5.0-dev`; 0 for what is no number.
pub fn version(text: &str) -> [i64; 3] {
    let mut parts = text.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| &part[..end]);
        digits.parse().unwrap_or(0)
    });
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_form() {
        assert_eq!(version("3.4.1"), [3, 4, 1]);
        assert_eq!(version("3.5.0-dev"), [3, 5, 0]);
        assert_eq!(version("2.1"), [2, 1, 0]);
        assert_eq!(version(""), [0, 0, 0]);
    }
}
