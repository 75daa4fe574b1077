//! MLmodel files through our reader and writer, PyYAML and MLflow, and back.

use std::{fs, path::Path, path::PathBuf, process::Command};

use mlflight::mlmodel::{
    ColumnSpec, ColumnType, Mapping, MlModel, ParamSpec, Property, SchemaSpec, Signature, TensorSpec, Value,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::json;

use crate::support;

/// For each `<n>/MLmodel` in argv[1]: writes `<n>/json`, what PyYAML reads, with types spelled out; and `<n>/back`, what MLflow writes
/// after it has loaded the file.
const READ: &str = r#"
import datetime, json, logging, pathlib, struct, sys, yaml
logging.disable(logging.WARNING)
from mlflow.models import Model
def spell(value):
    match value:
        case None: return ["null"]
        case bool(): return ["bool", value]
        case int(): return ["int", str(value)]
        case float(): return ["float", "nan" if value != value else struct.pack(">d", value).hex()]
        case str(): return ["str", value]
        case bytes(): return ["bytes", value.hex()]
        case datetime.date(): return ["time", value.isoformat()]
        case list(): return ["list", [spell(item) for item in value]]
        case dict(): return ["map", [[spell(key), spell(item)] for key, item in value.items()]]
for path in pathlib.Path(sys.argv[1]).iterdir():
    raw = yaml.safe_load((path / "MLmodel").read_text())
    (path / "json").write_text(json.dumps(spell(raw)))
    model = Model.load(str(path))
    if "utc_time_created" not in raw:
        model.utc_time_created = None  # else it is the time of loading
    (path / "back").write_text(model.to_yaml())
"#;

fn run_python(directory: &Path) {
    let output = Command::new(support::python()).args(["-c", READ]).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What `READ` gives for a value.
fn spell(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => json!(["null"]),
        Value::Bool(flag) => json!(["bool", flag]),
        Value::Number(number) if number.is_f64() => match number.as_f64().unwrap() {
            number if number.is_nan() => json!(["float", "nan"]),
            number => json!(["float", format!("{:016x}", number.to_bits())]),
        },
        Value::Number(number) => json!(["int", number.to_string()]),
        Value::String(text) => json!(["str", text]),
        Value::Sequence(items) => json!(["list", items.iter().map(spell).collect::<Vec<_>>()]),
        Value::Mapping(keys) => json!(["map", keys.iter().map(|(key, value)| [spell(key), spell(value)]).collect::<Vec<_>>()]),
        Value::Tagged(tagged) => panic!("no generated value has a tag: {tagged:?}"),
    }
}

fn real_files() -> Vec<PathBuf> {
    let root = support::root().join("tests/data/mlmodel");
    let mut files = Vec::new();
    for version in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        files.extend(fs::read_dir(version).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

#[test]
fn files_of_every_age_are_read_and_written_back_with_equal_values() {
    let directory = tempfile::tempdir().unwrap();
    let files = real_files();
    assert_eq!(files.len(), 20, "{files:#?}");
    for (at, path) in files.iter().enumerate() {
        let text = fs::read_to_string(path).unwrap();
        let model = MlModel::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let written = model.to_yaml().unwrap();
        assert_eq!(MlModel::parse(&written).unwrap(), model, "{}", path.display());
        fs::create_dir(directory.path().join(format!("{at}a"))).unwrap();
        fs::write(directory.path().join(format!("{at}a/MLmodel")), &text).unwrap();
        model.save(&directory.path().join(format!("{at}b"))).unwrap();
    }
    run_python(directory.path());
    for (at, path) in files.iter().enumerate() {
        let read = |name: &str| fs::read_to_string(directory.path().join(format!("{at}{name}"))).unwrap();
        assert_eq!(read("a/back"), read("b/back"), "MLflow sees two models: {}", path.display());
        // 1.x files say less of a column than those written today: there the signature's text differs.
        if !path.display().to_string().contains("/1.") {
            let original: serde_json::Value = serde_json::from_str(&read("a/json")).unwrap();
            let ours: serde_json::Value = serde_json::from_str(&read("b/json")).unwrap();
            assert_eq!(original, ours, "PyYAML reads other values: {}", path.display());
        }
    }
}

#[test]
fn what_the_versions_declare_is_understood() {
    let load = |name: &str| {
        let path = support::root().join("tests/data/mlmodel").join(format!("{name}.MLmodel"));
        MlModel::parse(&fs::read_to_string(path).unwrap()).unwrap()
    };
    for version in ["2.22.1", "3.6.0", "3.17.2"] {
        let nested = load(&format!("{version}/pyfunc_nested"));
        assert_eq!(nested.mlflow_version().as_deref(), Some(version));
        let params = nested.signature.params.as_ref().unwrap();
        assert_eq!(mlflight::mlmodel::json::dump(&params[1].default), "[1.0, NaN, Infinity]");
        assert_eq!(params[3].default, json!("NaN"));
        assert_eq!(nested.signature.input_names().unwrap(), ["lists", "thing", "things", "any"]);
        assert_eq!(nested.signature.required_count(), Some(3));
        let python = nested.python_function().unwrap().unwrap();
        assert_eq!(python.config.unwrap()["deep"]["e"], Value::from(1e-5));
        let strings = &load(&format!("{version}/pyfunc_types")).rest["metadata"]["strings"];
        let expected = ["on", "1_000", "1:30", "2020-01-02", "1e5", "0o7", "~", "", "null", "é\n\t", "a: b # c", " x "];
        assert_eq!(strings, &Value::from(expected.to_vec()));
    }
    let old = load("1.30.1/sklearn_frame");
    assert_eq!(old.signature.input_names().unwrap(), ["age", "on", "größe"]);
    assert_eq!(old.python_function().unwrap().unwrap().env.conda.as_deref(), Some("conda.yaml"));
    assert_eq!(
        load("0.1-documented".replace("0.1", "hand/0.1").as_str()).time_created().as_deref(),
        Some("2018-05-25T17:28:53.35")
    );
    assert!(load("hand/0.6-mleap").python_function().unwrap().is_none());
}

/// Text that YAML is tempted to read as something else, and text of any kind.
fn text() -> impl Strategy<Value = String> {
    let tempting = prop::sample::select(vec![
        "on",
        "No",
        "yes",
        "y",
        "1_000",
        "1:30",
        "1:30.5",
        "2020-01-02",
        "2020-01-02 03:04:05",
        "0o7",
        "017",
        "0x1F",
        "0b1",
        "~",
        "",
        ".inf",
        "-.INF",
        ".nan",
        "1e5",
        "1.5e3",
        "1.",
        "+1",
        "-",
        "--- a",
        "...",
        "<<",
        "=",
        "null",
        "#",
        "a #b",
        "a: b",
        "- a",
        "'",
        "\"",
        "\\",
        "[",
        "{}",
        "!!str",
        "&a",
        "*a",
        "%",
        "@",
        "`",
        "|",
        ">",
        "?",
        ": ",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
    ])
    .prop_map(str::to_owned);
    let numbers = "[-+]?[0-9][0-9_:.]{0,6}(e[-+]?[0-9]{1,2})?";
    let any = prop::collection::vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect());
    prop_oneof![tempting, numbers, "[a-zA-Z0-9 ./_:#'\"\\[\\]{},&*!|>%@?-]{0,12}", any, "[ -~]{120,200}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let key = prop_oneof![text().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
            prop::collection::vec((key, inner), 0..5).prop_map(|keys| Value::Mapping(keys.into_iter().collect())),
        ]
    })
}

fn kind() -> impl Strategy<Value = ColumnType> {
    use ColumnType::*;
    let leaf = prop::sample::select(vec![Boolean, Integer, Long, Float, Double, String, Binary, Datetime, Any, SparkMlVector]);
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| Array(Box::new(items))),
            // MLflow reads a vector below a map or property in its own way.
            inner.clone().prop_filter("a vector", |kind| *kind != SparkMlVector).prop_map(|values| Map(Box::new(values))),
            prop::collection::btree_map("[a-z\\-é\"]{1,4}", (inner, any::<bool>()), 1..4).prop_map(|properties| {
                let property = |(name, (kind, required))| match kind {
                    SparkMlVector => Property { name, kind: Double, required },
                    kind => Property { name, kind, required },
                };
                Object(properties.into_iter().map(property).collect())
            }),
        ]
    })
}

fn schema() -> impl Strategy<Value = SchemaSpec> {
    let named = prop::collection::vec((text(), kind(), any::<bool>()), 1..5).prop_map(|columns| {
        let column = |(at, (name, kind, required))| ColumnSpec { name: Some(format!("{name}{at}")), kind, required };
        SchemaSpec::Columns(columns.into_iter().enumerate().map(column).collect())
    });
    let unnamed = prop::collection::vec(kind(), 1..5).prop_map(|kinds| {
        SchemaSpec::Columns(kinds.into_iter().map(|kind| ColumnSpec { name: None, kind, required: true }).collect())
    });
    let dtypes = ["bool", "int8", "uint64", "float16", "float64", "str", "object", "datetime64[ns]"].map(str::to_owned);
    let shape = prop::collection::vec(-1_i64..9, 1..4);
    let tensors = prop::collection::vec((prop::sample::select(dtypes.to_vec()), shape), 1..4).prop_map(|tensors| {
        let name = |at: usize| (tensors.len() > 1).then(|| format!("t{at}"));
        let tensor = |(at, (dtype, shape)): (usize, &(String, Vec<i64>))| TensorSpec {
            name: name(at),
            dtype: dtype.clone(),
            shape: shape.clone(),
        };
        SchemaSpec::Tensors(tensors.iter().enumerate().map(tensor).collect())
    });
    prop_oneof![named, unnamed, tensors]
}

fn params() -> impl Strategy<Value = Vec<ParamSpec>> {
    let long = any::<i64>().prop_map(|value| (ColumnType::Long, json!(value), None));
    let double = prop::num::f64::NORMAL.prop_map(|value| (ColumnType::Double, json!(value), None));
    let special =
        prop::sample::select(vec!["NaN", "Infinity", "-Infinity"]).prop_map(|name| mlflight::mlmodel::json::parse(name).unwrap());
    let doubles = special.prop_map(|value| (ColumnType::Double, json!([1.5, value]), Some(vec![-1])));
    let string = text().prop_map(|value| (ColumnType::String, json!(value), None));
    let flag = any::<bool>().prop_map(|value| (ColumnType::Boolean, json!(value), None));
    let none = Just((ColumnType::Long, json!(null), None));
    let one = prop_oneof![long, double, doubles, string, flag, none];
    prop::collection::vec((text(), one), 1..4).prop_map(|params| {
        let param = |(at, (name, (kind, default, shape)))| ParamSpec { name: format!("{name}{at}"), kind, default, shape };
        params.into_iter().enumerate().map(param).collect()
    })
}

fn model() -> impl Strategy<Value = MlModel> {
    let signature = (prop::option::of(schema()), prop::option::of(schema()), prop::option::of(params()))
        .prop_filter("MLflow wants one of inputs and params", |(inputs, _, params)| inputs.is_some() || params.is_some());
    let flavor = prop::collection::vec((text(), value()), 0..4);
    (prop::collection::vec(flavor, 1..3), value(), prop::option::of(signature)).prop_map(|(flavors, metadata, signature)| {
        let mut model = MlModel::new();
        for (at, keys) in flavors.into_iter().enumerate() {
            model.add_flavor(format!("flavor{at}"), keys);
        }
        let metadata: Mapping = [(Value::from("k"), metadata)].into_iter().collect();
        model.rest.insert("metadata".into(), Value::Mapping(metadata));
        if let Some((inputs, outputs, params)) = signature {
            model.signature = Signature { inputs, outputs, params };
        }
        model
    })
}

#[test]
fn generated_models_pass_through_our_writer_pyyaml_and_mlflow() {
    let directory = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let models: Vec<MlModel> = (0..200).map(|_| model().new_tree(&mut runner).unwrap().current()).collect();
    for (at, model) in models.iter().enumerate() {
        let text = model.to_yaml().unwrap();
        let again = MlModel::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_same(model, &again, &text);
        model.save(&directory.path().join(at.to_string())).unwrap();
    }
    run_python(directory.path());
    for (at, model) in models.iter().enumerate() {
        let read = |name: &str| fs::read_to_string(directory.path().join(format!("{at}/{name}"))).unwrap();
        let python: serde_json::Value = serde_json::from_str(&read("json")).unwrap();
        let keys = python[1].as_array().unwrap();
        let part = |name: &str| &keys.iter().find(|pair| pair[0] == json!(["str", name])).unwrap()[1];
        assert_eq!(part("flavors"), &spell(&Value::Mapping(model.flavors.clone())), "{}", read("MLmodel"));
        assert_eq!(part("metadata"), &spell(&model.rest["metadata"]), "{}", read("MLmodel"));
        let back = MlModel::parse(&read("back")).unwrap_or_else(|error| panic!("{error}\n{}", read("back")));
        assert_same(model, &back, &read("back"));
    }
}

/// Equal, with NaN equal to itself, and keys in whatever order: MLflow sorts them.
fn assert_same(a: &MlModel, b: &MlModel, text: &str) {
    assert_eq!(a.signature, b.signature, "{text}");
    let sorted = |keys: &Mapping| sort(&spell(&Value::Mapping(keys.clone()))).to_string();
    assert_eq!(sorted(&a.flavors), sorted(&b.flavors), "{text}");
    assert_eq!(sort(&spell(&a.rest["metadata"])), sort(&spell(&b.rest["metadata"])), "{text}");
}

fn sort(spelled: &serde_json::Value) -> serde_json::Value {
    match (spelled[0].as_str(), spelled[1].as_array()) {
        (Some("map"), Some(pairs)) => {
            let mut pairs: Vec<_> = pairs.iter().map(|pair| json!([pair[0], sort(&pair[1])])).collect();
            pairs.sort_by_key(ToString::to_string);
            json!(["map", pairs])
        }
        (Some("list"), Some(items)) => json!(["list", items.iter().map(sort).collect::<Vec<_>>()]),
        _ => spelled.clone(),
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "(flavors:|signature:|inputs:|[-?:,\\[\\]{}#&*!|>'\"%@` \n\ta-c0-9é]){0,60}") {
        let _ = MlModel::parse(&text);
    }

    #[test]
    fn no_signature_text_panics_the_parser(text in "[\\[\\]{}:,\" a-z0-9NaInfity\\\\-]{0,60}") {
        let _ = Signature::from_parts(Some(&text), Some(&text), Some(&text));
    }
}

mod inspect {
    use super::*;

    fn inspect(arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_mlflight")).arg("inspect").args(arguments).output().unwrap()
    }

    fn model(root: &Path) -> String {
        let source = support::root().join("tests/data/mlmodel/3.17.2/pyfunc_nested.MLmodel");
        fs::copy(source, root.join("MLmodel")).unwrap();
        fs::write(root.join("conda.yaml"), "name: x\n").unwrap();
        fs::write(root.join("requirements.txt"), "mlflow==3.17.2\n").unwrap();
        fs::write(root.join("python_model.pkl"), "").unwrap();
        root.to_str().unwrap().to_owned()
    }

    #[test]
    fn prints_what_a_model_says_of_itself() {
        let root = tempfile::tempdir().unwrap();
        let output = inspect(&[&model(root.path())]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        for line in [
            "flavors      python_function\n",
            "engine       python: ",
            "mlflow       3.17.2\n",
            "environment  Python 3.12.1; conda.yaml, requirements.txt\n",
            "bytes in 4 files\n",
            "  thing: object<a?: double, b: array<string>>\n",
            "  things: map<object<a?: double, b: array<string>>> (optional)\n",
            "  limits: float[] = [1.0,\"NaN\",\"Infinity\"]\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn json_holds_the_same() {
        let root = tempfile::tempdir().unwrap();
        let output = inspect(&["--json", &model(root.path())]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["engine"], "python");
        assert_eq!(report["digest"].as_str().unwrap().len(), 64);
        assert_eq!(report["environment"]["files"], json!(["conda.yaml", "requirements.txt"]));
        assert_eq!(report["signature"]["inputs"][3], json!({"name": "any", "type": "any", "required": true}));
        assert_eq!(report["signature"]["outputs"], json!([{"name": null, "type": "string", "required": true}]));
    }

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

    /// A model of these flavors, with these files.
    fn of(flavors: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("MLmodel"), format!("flavors:\n{flavors}")).unwrap();
        for (name, text) in files {
            fs::write(root.path().join(name), text).unwrap();
        }
        root
    }

    const FUNCTION: &str =
        "  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n    python_version: 3.12.1\n";

    #[test]
    fn files_left_in_git_lfs_are_said_to_be_pointers() {
        for (flavors, file) in [
            ("  sklearn:\n    pickled_model: model.pkl\n", "model.pkl"),
            ("  sklearn:\n    pickled_model: model.skops\n    serialization_format: skops\n", "model.skops"),
            ("  xgboost:\n    data: model.ubj\n    xgb_version: 3.0.0\n", "model.ubj"),
            ("  lightgbm:\n    data: model.lgb\n    lgb_version: 4.0.0\n", "model.lgb"),
            (
                "  lightgbm:\n    data: model.pkl\n    lgb_version: 4.0.0\n    model_class: lightgbm.sklearn.LGBMModel\n",
                "model.pkl",
            ),
            (FUNCTION, "model.pkl"),
        ] {
            let model = of(flavors, &[(file, POINTER)]);
            let output = inspect(&[model.path().to_str().unwrap()]);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{flavors}: {text}");
            assert!(text.contains(file) && text.contains("Git LFS pointer") && text.contains("git lfs pull"), "{text}");
            assert!(String::from_utf8(output.stdout).unwrap().contains("engine       none: "));
        }
        let model = of("", &[("MLmodel", POINTER)]);
        let text = String::from_utf8(inspect(&[model.path().to_str().unwrap()]).stderr).unwrap();
        assert!(text.contains("Git LFS pointer"), "{text}");
    }

    #[test]
    fn a_model_file_that_is_missing_is_what_the_exit_code_says() {
        for (flavors, file) in [
            ("  sklearn:\n    pickled_model: model.pkl\n", "model.pkl"),
            ("  xgboost:\n    data: model.ubj\n    xgb_version: 3.0.0\n", "model.ubj"),
            ("  lightgbm:\n    data: model.lgb\n    lgb_version: 4.0.0\n", "model.lgb"),
            ("  python_function:\n    loader_module: mlflow.sklearn\n    data: data/model\n", "data/model"),
            (FUNCTION, "model.pkl"),
        ] {
            let model = of(flavors, &[]);
            let output = inspect(&["--json", model.path().to_str().unwrap()]);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(4), "{flavors}: {text}");
            assert!(text.contains(file), "{text}");
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["engine"], "none");
        }
    }

    #[test]
    fn a_model_that_nothing_tells_python_how_to_load_says_what_is_missing() {
        let flavors = "  sklearn:\n    pickled_model: model.pkl\n";
        // An object of a class without a kernel.
        let model = of(flavors, &[]);
        fs::write(model.path().join("model.pkl"), b"\x80\x02cmine\nModel\n)\x81.").unwrap();
        let output = inspect(&[model.path().to_str().unwrap()]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("has no flavor python_function") && text.contains("mine.Model"), "{text}");
        for engine in ["auto", "native", "python"] {
            let input = model.path().join("rows.csv");
            fs::write(&input, "a\n1\n").unwrap();
            let arguments = ["--engine", engine, "--model", model.path().to_str().unwrap()];
            let output = Command::new(env!("CARGO_BIN_EXE_mlflight"))
                .args(["batch-score", "--input", input.to_str().unwrap(), "--output", "out.csv"])
                .args(arguments)
                .current_dir(model.path())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && text.contains("python_function"), "{engine}: {text}");
            assert!(!text.contains("engine=\"auto\"") && !text.contains("engine=\"python\""), "{engine}: {text}");
        }
    }

    #[test]
    fn bad_models_exit_with_the_code_of_their_kind() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        assert_eq!(inspect(&[&format!("{path}/none")]).status.code(), Some(4));
        assert_eq!(inspect(&[path]).status.code(), Some(4), "no MLmodel file");
        fs::write(root.path().join("MLmodel"), "a: [\n").unwrap();
        assert_eq!(inspect(&[path]).status.code(), Some(3));
    }
}
