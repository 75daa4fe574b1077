use std::{collections::BTreeSet, sync::Arc};

use arrow::array::{ArrayRef, BinaryArray, Float64Array, StringArray};

use super::*;
use crate::error::Kind;

fn model() -> MlModel {
    let mut model = MlModel::created_now();
    model.add_flavor("mine", [("data", "data")]);
    model
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_directory_is_there_whole_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("deep/model");
    let directory = ModelDirectory::create(&target).unwrap();
    fs::write(directory.path().join("weights"), [0; 100]).unwrap();
    assert!(!target.exists());
    drop(directory);
    assert!(names(&root.path().join("deep")).is_empty(), "a save that was given up leaves nothing");

    let directory = ModelDirectory::create(&target).unwrap();
    fs::write(directory.path().join("weights"), [0; 100]).unwrap();
    let environment = PythonEnvironment {
        python: "3.12.4".into(),
        build: vec!["pip==24.0".into(), "setuptools".into()],
        requirements: vec!["numpy==2.1.0".into()],
        constraints: vec!["scipy<2".into()],
        conda: None,
    };
    directory.write_environment(&environment).unwrap();
    let mut model = model();
    assert_eq!(directory.commit(&mut model).unwrap(), target);
    let expected = ["MLmodel", "conda.yaml", "constraints.txt", "python_env.yaml", "requirements.txt", "weights"];
    assert_eq!(names(&target), expected.map(str::to_owned).into());
    assert_eq!(names(&root.path().join("deep")).len(), 1);
    assert_eq!(MlModel::load(&target).unwrap(), model);
    assert_eq!(model.model_size_bytes(), Some(100));
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    assert_eq!(read("requirements.txt"), "numpy==2.1.0\n-c constraints.txt");
    assert_eq!(
        read("conda.yaml"),
        "channels:\n- conda-forge\ndependencies:\n- 'python=3.12.4'\n- 'pip<=24.0'\n- pip:\n  - 'numpy==2.1.0'\n  - '-c constraints.txt'\nname: mlflow-env\n"
    );
    assert_eq!(
        read("python_env.yaml"),
        "python: 3.12.4\nbuild_dependencies:\n- 'pip==24.0'\n- setuptools\ndependencies:\n- '-r requirements.txt'\n"
    );
}

#[test]
fn what_is_there_is_never_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("model");
    let refused = |target: &Path| {
        let error = ModelDirectory::create(target).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::AlreadyExists, "ALREADY_EXISTS"));
        assert!(error.to_string().contains("model' exists"), "{error}");
    };
    fs::write(&target, "a file").unwrap();
    refused(&target);
    fs::remove_file(&target).unwrap();
    fs::create_dir(&target).unwrap();
    let first = ModelDirectory::create(&target).unwrap();
    let second = ModelDirectory::create(&target).unwrap();
    first.commit(&mut model()).unwrap();
    refused(&target);
    let error = second.commit(&mut model()).unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyExists);
    assert_eq!(names(root.path()).len(), 1, "the slower of two leaves nothing");
}

#[test]
fn a_model_without_flavors_is_no_model() {
    let root = tempfile::tempdir().unwrap();
    let directory = ModelDirectory::create(&root.path().join("model")).unwrap();
    assert_eq!(directory.commit(&mut MlModel::created_now()).unwrap_err().code(), "NO_FLAVORS");
    assert!(names(root.path()).is_empty());
}

#[test]
fn copies_follow_links_and_stay_inside() {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("source");
    fs::create_dir_all(source.join("package/__pycache__")).unwrap();
    fs::write(source.join("package/__init__.py"), "x = 1\n").unwrap();
    fs::write(source.join("package/__pycache__/x.pyc"), "").unwrap();
    std::os::unix::fs::symlink(source.join("package/__init__.py"), source.join("package/linked.py")).unwrap();
    let directory = ModelDirectory::create(&root.path().join("model")).unwrap();
    directory.copy(&source.join("package"), "code/package").unwrap();
    let copied = directory.path().join("code/package");
    assert_eq!(names(&copied), ["__init__.py", "linked.py"].map(str::to_owned).into());
    assert!(copied.join("linked.py").symlink_metadata().unwrap().is_file());
    for name in ["../out", "/out", "", "a/../../out"] {
        assert_eq!(directory.copy(&source, name).unwrap_err().code(), "PATH_LEAVES_MODEL", "{name}");
    }
    assert_eq!(directory.copy(&source.join("none"), "x").unwrap_err().kind(), Kind::NotFound);
    std::os::unix::fs::symlink(&source, source.join("package/around")).unwrap();
    assert!(directory.copy(&source, "endless").is_err());
}

#[test]
fn examples_are_laid_out_as_mlflow_lays_them() {
    let root = tempfile::tempdir().unwrap();
    let directory = ModelDirectory::create(&root.path().join("model")).unwrap();
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), None]));
    let words: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None]));
    let batch = arrow::array::RecordBatch::try_from_iter([("x", numbers), ("w", words), ("b", bytes)]).unwrap();
    let mut model = model();
    let example = InputExample::from_batch(&batch, true).unwrap().with_params(serde_json::json!({"k": 1}));
    directory.write_example(&mut model, &example).unwrap();
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let data = r#"{"columns": ["x", "w", "b"], "data": [[1.5, "a", "AP8="], [null, null, null]]}"#;
    assert_eq!(read("input_example.json"), format!(r#"{{"inputs": {data}, "params": {{"k": 1}}}}"#));
    assert_eq!(read("serving_input_example.json"), format!(r#"{{"dataframe_split": {data}, "params": {{"k": 1}}}}"#));
    let info = model.rest["saved_input_example_info"].as_mapping().unwrap();
    let texts: Vec<_> = info.iter().map(|(key, value)| (key.as_str().unwrap(), value.as_str().unwrap())).collect();
    assert_eq!(
        texts,
        [
            ("artifact_path", "input_example.json"),
            ("pandas_orient", "split"),
            ("params", "true"),
            ("serving_input_path", "serving_input_example.json"),
            ("type", "dataframe"),
        ]
    );
    assert!(InputExample::from_json("picture", serde_json::Value::Null).is_err());
}
