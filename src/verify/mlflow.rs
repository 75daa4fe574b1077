//! A model that asks MLflow: Python workers score it as they score any other, and its code calls `mlflow.pyfunc.load_model(…).predict`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Kind, Result},
    mlmodel::{Mapping, MlModel, Value},
    store,
};

/// The code of the model.
const CODE: &str = include_str!("mlflow_model.py");

/// Makes a directory below `scratch` whose model stands in for the one in `directory`. It declares the same inputs, so that rows are read
/// with the same types, and runs in the same environment.
pub(super) fn stand_in(mlmodel: &MlModel, directory: &Path, scratch: &Path) -> Result<PathBuf> {
    let Some(python) = mlmodel.flavor("python_function") else {
        return Err(Error::new(
            Kind::Unimplemented,
            "NO_PYTHON_FUNCTION",
            "MLflow scores models with a python_function flavor alone",
        ));
    };
    let Some(target) = directory.to_str() else {
        return Err(Error::new(Kind::InvalidArgument, "NAME_NOT_UTF8", "the model's directory has a name that is not UTF-8"));
    };
    let made = scratch.join("mlflow");
    let write = |name: &str, text: &str| {
        let path = made.join(name);
        let parent = path.parent().unwrap_or(&made);
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(|error| Error::io(&path, error))
    };
    write("code/mlflight_mlflow_model.py", CODE)?;
    write("directory", target)?;
    let mut keys: Mapping = [("loader_module", "mlflight_mlflow_model"), ("data", "directory"), ("code", "code")]
        .into_iter()
        .map(|(key, value)| (Value::from(key), Value::from(value)))
        .collect();
    for key in ["env", "python_version"] {
        keys.extend(python.get(key).map(|value| (Value::from(key), value.clone())));
    }
    let described = mlmodel.python_function()?.unwrap_or_default().env;
    for name in [described.conda, described.virtualenv, Some("requirements.txt".to_owned())].into_iter().flatten() {
        let from = store::within(directory, &name)?;
        let to = store::within(&made, &name)?;
        if from.is_file() {
            fs::copy(&from, &to).map_err(|error| Error::io(&from, error))?;
        }
    }
    let mut model = MlModel::new();
    model.flavors.insert(Value::from("python_function"), Value::Mapping(keys));
    model.signature.inputs.clone_from(&mlmodel.signature.inputs);
    model.signature.params.clone_from(&mlmodel.signature.params);
    model.save(&made)?;
    Ok(made)
}
