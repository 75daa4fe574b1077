//! `mlflight batch-score` and `mlflight predict` as processes, with models that MLflow saved.

use std::{
    fs,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use arrow::{array::AsArray, datatypes::Float64Type};

use crate::{
    batch::{names, read},
    support::{self, TestModel},
};

fn mlflight() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlflight"));
    command.env_remove("VIRTUAL_ENV");
    command
}

fn batch_score(model: &TestModel, input: &Path, output: &Path) -> Command {
    let mut command = mlflight();
    command.args(["batch-score", "--engine", "python", "--model", &model.uri(), "--python"]).arg(support::python());
    command.arg("--input").arg(input).arg("--output").arg(output);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn predictions(path: &Path, column: usize) -> Vec<f64> {
    read(path).column(column).as_primitive::<Float64Type>().values().to_vec()
}

#[test]
fn batch_score_agrees_with_mlflow() {
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out.parquet");
    let done = batch_score(&model, &model.input(), &output).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    let last = read(&output).num_columns() - 1;
    assert_eq!(predictions(&output, last), predictions(&model.expected(), 0));
    assert!(done.stdout.is_empty());
    let text = stderr(&done);
    assert!(text.starts_with("scored ") && text.contains("rows/s), Python: ") && text.lines().count() == 1, "{text}");
    // Again: the output is kept.
    let again = batch_score(&model, &model.input(), &output).output().unwrap();
    assert_eq!(again.status.code(), Some(5));
    assert!(stderr(&again).contains("error: the output") && stderr(&again).contains("--overwrite"), "{}", stderr(&again));
    assert_eq!(names(root.path()), ["out.parquet"]);
}

#[test]
fn predict_reads_and_writes_csv() {
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let csv = root.path().join("in.csv");
    // The table as CSV, with the predictions left out.
    let program = "import sys, pandas; pandas.read_parquet(sys.argv[1]).to_csv(sys.argv[2], index=False)";
    assert!(Command::new(support::python()).args(["-c", program]).arg(model.input()).arg(&csv).status().unwrap().success());
    let predict = || {
        let mut command = mlflight();
        command.args(["predict", "-m", &model.uri(), "--engine", "python", "--python"]).arg(support::python());
        command
    };
    let mut child = predict().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&csv).unwrap()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    let text = String::from_utf8(done.stdout).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().parse::<f64>().is_err(), "a header comes first");
    let found: Vec<f64> = lines.map(|line| line.parse().unwrap()).collect();
    assert_eq!(found, predictions(&model.expected(), 0));
    let output = root.path().join("out.csv");
    let done = predict().arg("-i").arg(&csv).arg("-o").arg(&output).output().unwrap();
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(fs::read_to_string(&output).unwrap(), text);
}

#[test]
fn a_full_disk_leaves_nothing() {
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out.csv");
    let score = batch_score(&model, &model.input(), &output);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).arg(score.get_program()).args(score.get_args());
    let done = limited.output().unwrap();
    assert!(!done.status.success());
    assert!(stderr(&done).contains("out.csv") && stderr(&done).contains("free space"), "{}", stderr(&done));
    assert!(names(root.path()).is_empty(), "{:?}", names(root.path()));
}

#[test]
fn a_stopped_run_leaves_nothing_under_the_name() {
    let model = support::model("linreg20");
    for signal in ["TERM", "INT", "HUP", "KILL"] {
        let root = tempfile::tempdir().unwrap();
        let output = root.path().join("out.parquet");
        let score = batch_score(&model, &model.input(), &output);
        // Tests that are run with nohup ignore hangups, which a child would inherit.
        let mut run = Command::new("env");
        run.arg("--default-signal=HUP").arg(score.get_program()).args(score.get_args());
        // With a type that is known, the output's temporary file is made before the first batch is scored: it shows that the run has
        // begun, and a Python worker takes longer to start than a signal.
        let mut child = run.args(["--result-type", "double"]).stderr(Stdio::piped()).spawn().unwrap();
        while names(root.path()).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before it began");
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let done = child.wait_with_output().unwrap();
        assert!(!output.exists());
        if signal == "KILL" {
            assert_eq!(done.status.signal(), Some(9));
        } else {
            assert_eq!(done.status.code(), Some(130), "{}", stderr(&done));
            assert!(names(root.path()).is_empty(), "{:?}", names(root.path()));
        }
    }
}

#[test]
fn mistakes_have_their_exit_codes() {
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out.csv");
    let input = root.path().join("in.csv");
    fs::write(&input, "x\n1\n").unwrap();
    let with = |model: &str, flags: &[&str]| {
        let mut command = mlflight();
        command.args(["batch-score", "--model", model, "--input"]).arg(&input).arg("--output").arg(&output).args(flags);
        let done = command.output().unwrap();
        (done.status.code().unwrap(), stderr(&done))
    };
    let gone = root.path().join("gone");
    let (code, text) = with(gone.to_str().unwrap(), &[]);
    assert!(code == 4 && text.contains("gone"), "{code} {text}");
    let model = support::model("linreg20").uri();
    let (code, text) = with(&model, &["--result-type", "notype"]);
    assert!(code == 2 && text.contains("'notype' is no result type"), "{code} {text}");
    let (code, text) = with(&model, &["--memory-limit", "much"]);
    assert!(code == 2 && text.contains("'much' is no size"), "{code} {text}");
    let (code, text) = with(&model, &["--log", "nonsense"]);
    assert!(code == 2 && text.contains("'nonsense' is no level"), "{code} {text}");
    let (code, text) = with(&model, &["--delimiter", "ab"]);
    assert!(code == 2 && text.contains("give one character"), "{code} {text}");
    assert_eq!(names(root.path()), ["in.csv"]);
}

/// `--help` says what a model is named by.
#[test]
fn the_help_names_models_that_are_taken() {
    for command in ["batch-score", "predict"] {
        let help = String::from_utf8(mlflight().args([command, "--help"]).output().unwrap().stdout).unwrap();
        assert!(help.contains("The model: a directory or a URI"), "{help}");
    }
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out.parquet");
    let mut command = mlflight();
    command.args(["batch-score", "--model", &format!("file://{}", model.uri()), "--input"]).arg(model.input());
    assert!(command.arg("--output").arg(&output).status().unwrap().success());
}

/// A process that was started under nohup goes on after a hangup.
#[test]
fn a_hangup_that_is_ignored_stays_so() {
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out.parquet");
    let score = batch_score(&model, &model.input(), &output);
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(score.get_program()).args(score.get_args());
    let mut child = nohup.stderr(Stdio::piped()).spawn().unwrap();
    while names(root.path()).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it began");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status().unwrap().success());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && output.exists(), "{}", stderr(&done));
}

/// Partitions that pyarrow wrote, and pages with checksums: as they are, and with one byte changed.
#[test]
fn datasets_of_pyarrow() {
    let model = support::model("linreg20");
    let root = tempfile::tempdir().unwrap();
    let program = "import sys, pyarrow as pa, pyarrow.parquet as pq
table, root = pq.read_table(sys.argv[1]).slice(0, 40), sys.argv[2]
pq.write_table(table, root + '/plain.parquet')
pq.write_table(table, root + '/checked.parquet', write_page_checksum=True, compression='none', use_dictionary=False)
name = table.schema.names[0]
rounded = table.set_column(0, name, pa.array([float(i % 3) + 0.5 for i in range(len(table))]))
pq.write_table(rounded, root + '/rounded.parquet')
pq.write_to_dataset(rounded, root + '/parts', partition_cols=[name])
chunk = pq.ParquetFile(root + '/checked.parquet').metadata.row_group(0).column(0)
content = bytearray(open(root + '/checked.parquet', 'rb').read())
content[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 1
open(root + '/broken.parquet', 'wb').write(content)";
    let status = Command::new(support::python()).args(["-c", program]).arg(model.input()).arg(root.path()).status();
    assert!(status.unwrap().success());
    let mut native = Command::new(env!("CARGO_BIN_EXE_mlflight"));
    native.args(["batch-score", "--model", &model.uri()]);
    let score = |name: &str, output: &str| {
        let mut command = Command::new(native.get_program());
        command.args(native.get_args()).arg("--input").arg(root.path().join(name)).arg("-o").arg(root.path().join(output));
        command.output().unwrap()
    };
    for name in ["plain", "checked", "rounded"] {
        let done = score(&format!("{name}.parquet"), &format!("{name}-out.parquet"));
        assert!(done.status.success(), "{}", stderr(&done));
    }
    let last = |name: &str| {
        let rows = read(&root.path().join(name));
        let mut values = rows.column(rows.num_columns() - 1).as_primitive::<Float64Type>().values().to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    assert_eq!(last("checked-out.parquet"), last("plain-out.parquet"));
    let done = score("broken.parquet", "never.parquet");
    assert!(done.status.code() == Some(2) && stderr(&done).contains("broken.parquet"), "{}", stderr(&done));
    let done = score("parts", "parts-out.parquet");
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(last("parts-out.parquet"), last("rounded-out.parquet"));
}
