use super::*;

const MODERN: &str = "\
artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.12.4
  sklearn:
    code: null
    sklearn_version: 1.5.2
mlflow_version: 2.22.1
model_uuid: 12345678901234567890123456789e12
run_id: 1e5
signature:
  inputs: '[{\"type\": \"double\", \"name\": \"x\", \"required\": true}]'
  outputs: null
  params: null
utc_time_created: '2024-11-22 12:00:00.000001'
";

#[test]
fn a_file_is_written_back_in_its_order_with_equal_values() {
    let model = MlModel::parse(MODERN).unwrap();
    assert_eq!(model.run_id().as_deref(), Some("1e5"), "a string in YAML 1.1");
    let python = model.python_function().unwrap().unwrap();
    assert_eq!(python.env, EnvFiles { conda: Some("conda.yaml".into()), virtualenv: Some("python_env.yaml".into()) });
    assert_eq!(python.predict_fn.as_deref(), Some("predict"));
    let text = model.to_yaml().unwrap();
    assert_eq!(MlModel::parse(&text).unwrap(), model);
    let quoted = MODERN
        .replace("run_id: 1e5", "run_id: '1e5'")
        .replace("12345678901234567890123456789e12", "'12345678901234567890123456789e12'");
    assert_eq!(text, quoted);
}

#[test]
fn the_oldest_form_is_read() {
    let text = "time_created: 2018-05-25T17:28:53.35\nflavors:\n  sklearn:\n    sklearn_version: 0.19.1\n    pickled_model: model.pkl\n  \
                python_function:\n    loader_module: mlflow.sklearn\n    data: model.pkl\n    env: mlflow_env.yml\n";
    let model = MlModel::parse(text).unwrap();
    assert_eq!(model.time_created().as_deref(), Some("2018-05-25T17:28:53.35"));
    let python = model.python_function().unwrap().unwrap();
    assert_eq!(python.env.conda.as_deref(), Some("mlflow_env.yml"));
    assert_eq!(python.data.as_deref(), Some("model.pkl"));
    assert!(model.signature.is_empty());
    assert_eq!(model.flavor_names().collect::<Vec<_>>(), ["sklearn", "python_function"]);
    assert!(model.to_yaml().unwrap().starts_with("time_created: !!timestamp '2018-05-25T17:28:53.35'\nflavors:\n"));
}

#[test]
fn strings_that_yaml_reads_as_something_else_are_quoted() {
    for text in [
        "on",
        "Off",
        "yes",
        "NO",
        "y",
        "1_000",
        "1:30",
        "2020-01-02",
        "0o7",
        "0x1f",
        "017",
        "~",
        "null",
        "",
        ".inf",
        ".NaN",
        "1e5",
        "-",
        "- a",
        "a: b",
        "#x",
        "a #b",
        " a",
        "a ",
        "'",
        "\"",
        "&a",
        "*a",
        "!x",
        "%x",
        "@x",
        "`x",
        "---",
        "...",
        "<<",
        "=",
        "true",
        "nan",
        "inf",
        "a\nb",
        "a\tb",
        "é",
        "\u{1f600}",
        "\u{2028}",
        "\u{0}",
        "\u{7f}",
        "\\",
        "?",
        "[a",
        "{a",
        "a,b",
        "|",
        ">",
    ] {
        let mut model = MlModel::new();
        model.add_flavor("f", [(text, text)]);
        let yaml = model.to_yaml().unwrap();
        assert_eq!(MlModel::parse(&yaml).unwrap(), model, "{yaml}");
    }
}

#[test]
fn each_broken_file_names_its_line_and_key() {
    for (text, message) in [
        ("a: 1\nb: [1\nc: 2\n", "line 3: not YAML: "),
        ("a: 1\nb: c: d\n", "line 2: not YAML: "),
        ("\u{1}\0PK\u{3}", "line 1: "),
        ("", "the file is empty"),
        ("- a", "line 1: the file is no map of keys"),
        ("a: 1\na: 2\n", "line 2: key 'a' stands twice"),
        ("run_id: x\n", "key 'flavors': the model has no flavors"),
        ("run_id: x\nflavors: []\n", "line 2: key 'flavors' has the wrong type: expected a map, found a list"),
        ("flavors: {}\n", "line 1: key 'flavors': the model has no flavors"),
        ("flavors:\n  python_function: 3\n", "line 2: key 'flavors.python_function' has the wrong type"),
        ("flavors:\n  python_function:\n    data: x\n", "line 2: key 'flavors.python_function.loader_module' is missing"),
        (
            "flavors:\n  python_function:\n    loader_module: m\n    env: [x]\n",
            "line 4: key 'flavors.python_function.env' has the wrong type: expected a path or a map of paths, found a list",
        ),
        ("flavors: {a: {}}\nsignature: x\n", "line 2: key 'signature' has the wrong type: expected a map, found a string"),
        ("flavors: {a: {}}\nsignature:\n  inputs: 3\n", "line 3: key 'signature.inputs' has the wrong type"),
        ("flavors: {a: {}}\nsignature:\n  inputs: '[{'\n", "line 3: key 'signature.inputs': is no JSON"),
        (
            "flavors: {a: {}}\nsignature:\n  outputs: '[{\"type\": \"x\"}]'\n",
            "line 3: key 'signature.outputs[0].type': is no type",
        ),
        ("flavors: {a: {}}\n---\nb: 1\n", "line 2: a second YAML document begins"),
        ("flavors: {a: !!python/object:x.y {}}\n", "line 1: the tag"),
        ("flavors: {a: *b}\n", "line 1: not YAML"),
        ("flavors: &a {b: *a}\n", "line 1: an alias stands for a value that is not complete"),
    ] {
        let error = MlModel::parse(text).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidModel, "{text}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
}

#[test]
fn nesting_and_aliases_are_bounded() {
    let million = |open: &str| format!("flavors: {}", open.repeat((MAX_BYTES as usize - 20) / open.len()));
    for text in [million("["), million("{a: "), million("- "), million("? "), million("[{"), million("!!map {a: ")] {
        let error = MlModel::parse(&text).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidModel);
    }
    let deep =
        |levels: usize| MlModel::parse(&format!("flavors: {{a: {{}}}}\nb: {}{}\n", "[".repeat(levels), "]".repeat(levels)));
    assert!(deep(99).is_ok());
    let error = deep(100).unwrap_err();
    assert!(error.to_string().contains("line 2: nested deeper than 100 levels"), "{error}");
    let error = MlModel::parse(&"[".repeat(10 << 20)).unwrap_err();
    assert!(error.to_string().contains("larger than 8388608 bytes"), "{error}");
    let mut bomb = String::from("flavors: {a: {}}\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for at in 1..40 {
        let aliases = vec![format!("*a{}", at - 1); 9].join(", ");
        bomb.push_str(&format!("a{at}: &a{at} [{aliases}]\n"));
    }
    let error = MlModel::parse(&bomb).unwrap_err();
    assert!(error.to_string().contains("aliases stand for too much"), "{error}");
    let mut tower = String::from("flavors: {a: {}}\na0: &a0 [x]\n");
    for at in 1..200 {
        tower.push_str(&format!("a{at}: &a{at} [*a{}]\n", at - 1));
    }
    let error = MlModel::parse(&tower).unwrap_err();
    assert!(error.to_string().contains("nested deeper"), "{error}");
}

#[test]
fn aliases_stand_for_their_values() {
    let model = MlModel::parse("flavors: {a: {b: &id001 [1, 2], c: *id001}}\n").unwrap();
    assert_eq!(model.flavor("a").unwrap().get("b"), model.flavor("a").unwrap().get("c"));
}

#[test]
fn save_writes_what_load_reads() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = MlModel::parse(MODERN).unwrap();
    model.add_flavor("xgboost", [("data", "model.ubj")]);
    let inside = directory.path().join("new/model");
    model.save(&inside).unwrap();
    model.save(&inside).unwrap();
    assert_eq!(MlModel::load(&inside).unwrap(), model);
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 1);
    let error = MlModel::load(directory.path()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::NotFound, "MLMODEL_NOT_FOUND"));
    std::fs::write(inside.join(MLMODEL), b"flavors:\n  a: \xff\n").unwrap();
    let error = MlModel::load(&inside).unwrap_err().to_string();
    assert!(error.contains("MLmodel: line 2: the file is not UTF-8 text"), "{error}");
}
