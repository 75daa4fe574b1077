//! Every flag of `mlflight batch-score` that says how to score, with models that MLflow saved.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Float64Type, Int32Type, Int64Type},
};

use crate::{
    batch::{names, read},
    support,
};

/// Scores a test model's rows with these flags.
fn score(model: &str, flags: &[&str], to: &Path) -> Output {
    let model = support::model(model);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlflight"));
    command.env_remove("VIRTUAL_ENV").args(["batch-score", "--model", &model.uri(), "--python"]).arg(support::python());
    command.arg("--input").arg(model.input()).arg("--output").arg(to).args(flags).output().unwrap()
}

/// The table it writes.
fn scored(model: &str, flags: &[&str]) -> RecordBatch {
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join("out.parquet");
    let done = score(model, flags, &to);
    assert!(done.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&done.stderr));
    read(&to)
}

/// Exit code and message of a run that must fail and leave nothing.
fn refused(model: &str, flags: &[&str]) -> (i32, String) {
    let root = tempfile::tempdir().unwrap();
    let done = score(model, flags, &root.path().join("out.parquet"));
    assert!(names(root.path()).is_empty(), "{:?}", names(root.path()));
    (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
}

fn doubles(table: &RecordBatch, column: &str) -> Vec<f64> {
    table.column_by_name(column).unwrap().as_primitive::<Float64Type>().values().to_vec()
}

/// What pyfunc_custom predicts by these values of its param and its config.
fn custom(table: &RecordBatch, scale: f64, offset: f64) -> Vec<f64> {
    let words = table.column_by_name("word").unwrap().as_string::<i32>();
    let sums = doubles(table, "a").into_iter().zip(doubles(table, "b")).map(|(a, b)| a + b);
    sums.zip(words).map(|(sum, word)| sum * scale + offset + word.unwrap().len() as f64).collect()
}

#[test]
fn params_and_model_config_reach_the_model() {
    let plain = scored("pyfunc_custom", &[]);
    assert_eq!(doubles(&plain, "prediction"), custom(&plain, 1.0, 0.5));
    // A decimal that serde_json alone would read one bit off.
    let exact = scored("pyfunc_custom", &["--params", r#"{"scale": 0.03414859085493387}"#]);
    assert_eq!(doubles(&exact, "prediction"), custom(&exact, 0.03414859085493387, 0.5));
    let config = scored("pyfunc_custom", &["--model-config", r#"{"offset": -122.41629403378658}"#]);
    assert_eq!(doubles(&config, "prediction"), custom(&config, 1.0, -122.41629403378658));
    for flags in [["--params", r#"{"scale": NaN}"#], ["--model-config", r#"{"offset": NaN}"#]] {
        assert!(doubles(&scored("pyfunc_custom", &flags), "prediction").iter().all(|value| value.is_nan()), "{flags:?}");
    }
    for flags in [["--params", r#"{"scale": "much"}"#], ["--params", "[1]"], ["--model-config", "{"]] {
        let (code, text) = refused("pyfunc_custom", &flags);
        assert!(code == 2 && text.contains(if flags[1].contains("much") { "'scale'" } else { flags[0] }), "{code} {text}");
    }
}

#[test]
fn columns_are_taken_in_the_order_given() {
    let table = scored("whole_numbers", &["--columns", "age,count,ratio", "--prediction-column", "score"]);
    let age = table.column_by_name("age").unwrap().as_primitive::<Int32Type>();
    let count = table.column_by_name("count").unwrap().as_primitive::<Int64Type>();
    let (ratio, score) = (doubles(&table, "ratio"), doubles(&table, "score"));
    assert_eq!(table.schema().fields().len(), 4);
    for row in 0..table.num_rows() {
        // The model is 0.25 count + 3 age - ratio, fitted.
        let expected = f64::from(age.value(row)) * 0.25 + count.value(row) as f64 * 3.0 - ratio[row];
        assert!((score[row] - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{row}: {} {expected}", score[row]);
    }
    let (code, text) = refused("whole_numbers", &["--columns", "age,counts,ratio"]);
    assert!(code == 2 && text.contains("counts"), "{code} {text}");
}

#[test]
fn compat_mlflow_refuses_what_mlflow_refuses() {
    assert!(scored("whole_numbers", &["--compat", "exact"]).num_rows() > 0);
    let (code, text) = refused("whole_numbers", &["--compat", "mlflow"]);
    assert!(code == 2 && text.contains("count"), "{code} {text}");
}

#[test]
fn result_types_are_what_was_asked_for() {
    let kinds = [
        ("string", DataType::Utf8),
        ("float", DataType::Float32),
        ("array<double>", DataType::new_list(DataType::Float64, true)),
    ];
    for (name, kind) in kinds {
        let table = scored("linreg20", &["--result-type", name]);
        let found = table.column_by_name("prediction").unwrap().data_type().clone();
        let same = match (&found, &kind) {
            (DataType::List(found), DataType::List(kind)) => found.data_type() == kind.data_type(),
            (found, kind) => found == kind,
        };
        assert!(same, "{name}: {found}");
    }
}

#[test]
fn engines_and_environments_that_cannot_be_say_so() {
    let (code, text) = refused("pyfunc_custom", &["--engine", "native"]);
    assert!(code == 11 && text.contains("cannot be scored natively"), "{code} {text}");
    let (code, text) = refused("pyfunc_custom", &["--no-code-execution"]);
    assert!(code == 7 && text.contains("runs its own Python code"), "{code} {text}");
    assert!(scored("xgb_reg", &["--no-code-execution", "--engine", "native"]).num_rows() > 0, "native models run none");
    let model = support::model("pyfunc_custom");
    let root = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_mlflight"))
        .env_remove("CONDA_EXE")
        .env("PATH", root.path())
        .args(["batch-score", "--env-manager", "conda", "--model", &model.uri(), "--input"])
        .arg(model.input())
        .arg("--output")
        .arg(root.path().join("out.parquet"))
        .output()
        .unwrap();
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(6) && text.contains("there is no conda on PATH"), "{text}");
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_format_is_given_where_the_name_tells_none() {
    let model = support::model("xgb_reg");
    let root = tempfile::tempdir().unwrap();
    let (input, output) = (root.path().join("table"), root.path().join("scored"));
    let program = "import sys, pandas; pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient='records', lines=True, double_precision=15)";
    assert!(Command::new(support::python()).args(["-c", program]).arg(model.input()).arg(&input).status().unwrap().success());
    let run = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlflight"));
        command.args(["batch-score", "--model", &model.uri(), "--input"]).arg(&input).arg("--output").arg(&output).args(flags);
        command.output().unwrap()
    };
    assert_eq!(run(&[]).status.code(), Some(2));
    let done = run(&["--format", "json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(names(&output), ["table.json"]);
    let lines = fs::read_to_string(output.join("table.json")).unwrap().lines().count();
    assert_eq!(lines, read(&model.input()).num_rows());
}

/// Runs a command whose standard error is a terminal of 100 columns, and shows what that terminal saw.
const TERMINAL: &str = "
import fcntl, os, pty, struct, subprocess, sys, termios
seen, tty = pty.openpty()
fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
child = subprocess.Popen(sys.argv[1:], stderr=tty, stdin=subprocess.DEVNULL)
os.close(tty)
while True:
    try:
        piece = os.read(seen, 4096)
    except OSError:
        break
    if not piece:
        break
    sys.stdout.buffer.write(piece)
sys.exit(child.wait())
";

#[test]
fn a_terminal_sees_rows_rate_and_time_left() {
    let model = support::model("pyfunc_custom");
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new(support::python());
    command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_mlflight"), "batch-score", "--model", &model.uri(), "--python"]);
    command.arg(support::python()).arg("--input").arg(model.input()).arg("--output").arg(root.path().join("out.parquet"));
    let done = command.env("TERM", "xterm").output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}");
    let rows = read(&model.input()).num_rows();
    for word in [format!("/{} rows, ", thousands(rows)), "/s, ".into(), " left".into()] {
        assert!(text.contains(&word), "'{word}' is not in {text}");
    }
}

fn thousands(rows: usize) -> String {
    if rows < 1000 { rows.to_string() } else { format!("{},{:03}", rows / 1000, rows % 1000) }
}

/// A model that MLflow saved, in an environment of its own made by uv: its packages are not those of the test's interpreter.
#[test]
fn a_real_model_runs_in_the_environment_made_from_its_files() {
    let model = support::model("pyfunc_custom");
    let root = tempfile::tempdir().unwrap();
    let (copy, environments, output) = (root.path().join("model"), root.path().join("envs"), root.path().join("out.parquet"));
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(model.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    // What the model was saved with, but for the parts of MLflow that scoring does not need.
    fs::write(copy.join("requirements.txt"), "mlflow-skinny==3.17.2\npandas==3.1.1\ncloudpickle==3.1.2\n").unwrap();
    let home = support::python().parent().unwrap().parent().unwrap().to_owned();
    let done = Command::new(env!("CARGO_BIN_EXE_mlflight"))
        // Where uv is found; the environment is another.
        .env("VIRTUAL_ENV", &home)
        .env("MLFLIGHT_ENV_DIR", &environments)
        .args(["batch-score", "--env-manager", "uv", "--model"])
        .arg(&copy)
        .arg("--input")
        .arg(model.input())
        .arg("--output")
        .arg(&output)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let table = read(&output);
    assert_eq!(doubles(&table, "prediction"), custom(&table, 1.0, 0.5));
    let made = names(&environments).into_iter().map(|name| environments.join(name).join("bin/python"));
    let made: Vec<_> = made.filter(|python| python.exists()).collect();
    let [python] = made.as_slice() else { panic!("{made:?}") };
    let said = Command::new(python).args(["-c", "import sys, mlflow; print(*sys.version_info[:2], sep='.')"]).output().unwrap();
    let env = fs::read_to_string(copy.join("python_env.yaml")).unwrap();
    let minor = String::from_utf8(said.stdout).unwrap();
    assert!(env.contains(&format!("python: {}.", minor.trim())), "{env} {minor}");
}
