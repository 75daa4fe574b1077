//! `--memory-limit`: half a gigabyte of Parquet goes through a process that never holds 128 MB.

use std::{fs::File, path::Path, process::Command, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, RecordBatch},
    datatypes::{DataType, Field, Float64Type, Schema},
};
use mlflight::{batch::Job, error::Kind};
use parquet::{arrow::ArrowWriter, arrow::arrow_reader::ParquetRecordBatchReaderBuilder, file::properties::WriterProperties};

use crate::batch::{job, run};

const COLUMNS: usize = 20;
const ROWS: usize = 65_536;
const LIMIT: usize = 128 << 20;

/// The variable that makes [`scored_in_a_process_of_its_own`] do its work.
const CHILD: &str = "MLFLIGHT_TEST_MEMORY";

fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}

/// Runs in the child that [`score`] starts, where no other test adds to the memory.
#[test]
fn scored_in_a_process_of_its_own() {
    let Some(task) = std::env::var_os(CHILD) else { return };
    let task = task.into_string().unwrap();
    let (input, output) = task.split_once('>').unwrap();
    let job = Job {
        memory_limit: Some(LIMIT),
        prediction: output.rsplit('/').next().unwrap().into(),
        ..job(&[input.as_ref()], output.as_ref())
    };
    assert!(run(&job).unwrap() > 0);
    let peak = peak();
    assert!(peak < LIMIT, "the peak was {} MB", peak >> 20);
}

/// Writes rows x, y, c2 to c19 of doubles that do not compress, in two row groups.
fn write(path: &Path, batches: usize) {
    let name = |at: usize| match at {
        0 => "x".to_owned(),
        1 => "y".to_owned(),
        at => format!("c{at}"),
    };
    let fields: Vec<_> = (0..COLUMNS).map(|at| Field::new(name(at), DataType::Float64, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties =
        WriterProperties::builder().set_dictionary_enabled(false).set_max_row_group_row_count(Some(ROWS * batches / 2)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema.clone(), Some(properties)).unwrap();
    let mut state = 1_u64;
    for _ in 0..batches {
        let mut column = || {
            let next = |_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 11) as f64 / (1_u64 << 53) as f64
            };
            Arc::new((0..ROWS).map(next).collect::<Float64Array>()) as ArrayRef
        };
        writer.write(&RecordBatch::try_new(schema.clone(), (0..COLUMNS).map(|_| column()).collect()).unwrap()).unwrap();
    }
    writer.close().unwrap();
}

/// Scores in a child, which asserts its peak; the prediction is called after the output.
fn score(from: &Path, to: &Path) {
    let task = format!("{}>{}", from.display(), to.display());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "batch_memory::scored_in_a_process_of_its_own", "--nocapture"]).env(CHILD, task);
    let done = child.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && text.contains("1 passed"), "{}: {text}", to.display());
}

#[test]
fn half_a_gigabyte_fits_128_megabytes() {
    let root = tempfile::tempdir().unwrap();
    let (input, output) = (root.path().join("in.parquet"), root.path().join("out.parquet"));
    write(&input, 52);
    assert!(input.metadata().unwrap().len() > 512 << 20);
    score(&input, &output);
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&output).unwrap()).unwrap();
    let mut rows = 0;
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        rows += batch.num_rows();
        let column = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().clone();
        for ((x, y), sum) in column("x").iter().zip(&column("y")).zip(&column("out.parquet")) {
            assert_eq!(*sum, x + 10.0 * y);
        }
    }
    assert_eq!(rows, 52 * ROWS);
}

#[test]
fn text_larger_than_the_limit_fits_too() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    write(&at("in.parquet"), 6);
    score(&at("in.parquet"), &at("out.csv"));
    assert!(at("out.csv").metadata().unwrap().len() > LIMIT as u64);
    // And back, with every column encoded anew.
    score(&at("out.csv"), &at("back.parquet"));
}

#[test]
fn a_limit_below_what_the_process_holds_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let input = root.path().join("in.csv");
    std::fs::write(&input, "x,y\n1,2\n").unwrap();
    let job = Job { memory_limit: Some(1 << 20), ..job(&[&input], &root.path().join("out.csv")) };
    let error = run(&job).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::ResourceExhausted, "MEMORY_LIMIT"));
    assert_eq!(crate::batch::names(root.path()), ["in.csv"]);
}
