//! What `kernels.py` measures: a model and a table are loaded once, then each line of standard input asks for one run.
//!
//! The first line out is `ready LOAD`, the CPU nanoseconds that loading took, or why the model has no kernel. Then
//!
//! - `score BATCH ROWS THREADS` scores that many rows in slices of `BATCH`, on each thread with a session of its own, and answers
//!   `CPU WALL` in nanoseconds;
//! - `read BATCH ROWS` only reads the numbers of as many rows, and answers `CPU`: what memory allows;
//! - `memory BATCH` scores one batch and answers `CALLS PEAK INPUT OUTPUT`: how often memory was asked for, the most bytes held
//!   beside the input, the answer among them, and the bytes of the batch and of its answer;
//! - `save PATH` writes the predictions of all rows as double floats.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod counters;

use std::{
    fs::{self, File},
    hint::black_box,
    io::BufRead,
    thread,
    time::Instant,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type},
    ipc::reader::FileReader,
};
use counters::{counted, cpu};
use mlflight::{
    flavors::{Engine, LoadOptions},
    models::LoadedModel,
    score::{Context, ScoreOptions, Scorer, ScorerSession},
};

#[global_allocator]
static ALLOCATOR: counters::Counting = counters::Counting;

/// CPU time of doing something with each of some rows, over and over the table, in slices.
///
/// Only a few slices are made at a time, while the clock stands: a batch that has just come is in the cache, as these are.
fn timed(table: &RecordBatch, batch: usize, rows: usize, mut each: impl FnMut(&[RecordBatch])) -> u64 {
    const SLICES: usize = 16;
    let starts: Vec<usize> = (0..rows.div_ceil(batch)).map(|at| at * batch % table.num_rows()).collect();
    let few = |starts: &[usize]| {
        let slice = |&start: &usize| table.slice(start, batch.min(table.num_rows() - start));
        let slices: Vec<RecordBatch> = starts.iter().map(slice).collect();
        let before = cpu();
        each(&slices);
        cpu() - before
    };
    starts.chunks(SLICES).map(few).sum()
}

/// CPU time of scoring some rows.
fn run(session: &mut ScorerSession, table: &RecordBatch, batch: usize, rows: usize) -> u64 {
    timed(table, batch, rows, |slices| score(session, slices))
}

/// What `callgrind` counts, by this name.
#[inline(never)]
fn score(session: &mut ScorerSession, slices: &[RecordBatch]) {
    let context = Context::default();
    for slice in slices {
        black_box(session.score(slice, &context).unwrap());
    }
}

/// CPU time of looking once at every number of some rows.
fn read(table: &RecordBatch, batch: usize, rows: usize) -> u64 {
    timed(table, batch, rows, |slices| {
        for column in slices.iter().flat_map(RecordBatch::columns) {
            let values = column.as_primitive::<Float64Type>().values();
            black_box(values.iter().fold(0, |any, value| any | value.to_bits()));
        }
    })
}

/// Bytes of the rows of a batch, whatever larger buffers they lie in.
fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap()).sum()
}

fn memory(scorer: &Scorer, table: &RecordBatch, batch: usize) -> String {
    let mut session = scorer.open(&table.schema()).unwrap();
    let (slice, context) = (table.slice(0, batch), Context::default());
    // What a session keeps from one batch to the next is no batch's.
    session.score(&table.slice(0, batch.min(1000)), &context).unwrap();
    let (answer, counted) = counted(|| session.score(&slice, &context).unwrap());
    format!("{} {} {} {}", counted.calls, counted.peak, bytes(&slice), bytes(&answer))
}

fn runs(scorer: &Scorer, table: &RecordBatch, batch: usize, rows: usize, threads: usize) -> (u64, u64) {
    let mut sessions: Vec<ScorerSession> = (0..threads).map(|_| scorer.open(&table.schema()).unwrap()).collect();
    // What a session keeps from one batch to the next is there before the clock starts.
    for session in &mut sessions {
        run(session, table, batch, batch);
    }
    let start = Instant::now();
    let cpu = match &mut sessions[..] {
        [session] => run(session, table, batch, rows),
        sessions => thread::scope(|scope| {
            let threads: Vec<_> =
                sessions.iter_mut().map(|session| scope.spawn(|| run(session, table, batch, rows / threads))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        }),
    };
    (cpu, start.elapsed().as_nanos() as u64)
}

/// A column of predictions as numbers, those of lists one after another.
fn values(column: &ArrayRef) -> Vec<f64> {
    match column.data_type() {
        DataType::List(_) => values(column.as_list::<i32>().values()),
        _ => cast(column, &DataType::Float64).unwrap().as_primitive::<Float64Type>().values().to_vec(),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(model), Some(table), Some(method)) = (arguments.next(), arguments.next(), arguments.next()) else {
        println!("usage: kernels MODEL TABLE.arrow METHOD (see kernels.py)");
        return;
    };
    let options = LoadOptions { engine: Engine::Native, predict_fn: Some(method), ..Default::default() };
    let before = cpu();
    let model = match LoadedModel::load(&model, &options) {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    let load = cpu() - before;
    let scorer = model.scorer(ScoreOptions::default()).unwrap();
    let reader = FileReader::try_new(File::open(table).unwrap(), None).unwrap();
    let schema = reader.schema();
    let table = concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
    println!("ready {load}");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (command, rest) = line.split_once(' ').unwrap();
        let numbers: Vec<usize> = rest.split(' ').filter_map(|word| word.parse().ok()).collect();
        match (command, &numbers[..]) {
            ("score", &[batch, rows, threads]) => {
                let (cpu, wall) = runs(&scorer, &table, batch, rows, threads);
                println!("{cpu} {wall}");
            }
            ("read", &[batch, rows]) => println!("{}", read(&table, batch, rows)),
            ("memory", &[batch]) => println!("{}", memory(&scorer, &table, batch)),
            ("save", _) => {
                let answer = scorer.open(&schema).unwrap().score(&table, &Context::default()).unwrap();
                fs::write(rest, values(answer.column(0)).into_iter().flat_map(f64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
                println!("saved");
            }
            _ => println!("no such command: {line}"),
        }
    }
}
