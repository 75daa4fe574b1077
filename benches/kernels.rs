//! What `kernels.py` measures: a model and a table are loaded once, then each line of standard input asks for one run.
//!
//! The first line out is `ready`, or why the model has no kernel. `BATCH ROWS THREADS` scores that many rows in slices of `BATCH`, on
//! each thread with a session of its own, and answers `CPU WALL` in nanoseconds; `save PATH` writes the predictions of all rows as
//! double floats.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    fs::{self, File},
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
use mlflight::{
    flavors::{Engine, LoadOptions},
    models::LoadedModel,
    score::{Context, ScoreOptions, Scorer, ScorerSession},
};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of scoring some rows.
fn run(session: &mut ScorerSession, table: &RecordBatch, batch: usize, rows: usize) -> u64 {
    let slices: Vec<RecordBatch> = (0..rows.div_ceil(batch))
        .map(|at| {
            let start = at * batch % table.num_rows();
            table.slice(start, batch.min(table.num_rows() - start))
        })
        .collect();
    let context = Context::default();
    let before = cpu();
    for slice in &slices {
        std::hint::black_box(session.score(slice, &context).unwrap());
    }
    cpu() - before
}

fn runs(scorer: &Scorer, table: &RecordBatch, [batch, rows, threads]: [usize; 3]) -> (u64, u64) {
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
fn numbers(column: &ArrayRef) -> Vec<f64> {
    match column.data_type() {
        DataType::List(_) => numbers(column.as_list::<i32>().values()),
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
    let model = match LoadedModel::load(&model, &options) {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    let scorer = model.scorer(ScoreOptions::default()).unwrap();
    let reader = FileReader::try_new(File::open(table).unwrap(), None).unwrap();
    let schema = reader.schema();
    let table = concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        if let Some(path) = line.strip_prefix("save ") {
            let answer = scorer.open(&schema).unwrap().score(&table, &Context::default()).unwrap();
            fs::write(path, numbers(answer.column(0)).into_iter().flat_map(f64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
            println!("saved");
        } else {
            let numbers: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            let (cpu, wall) = runs(&scorer, &table, numbers.try_into().unwrap());
            println!("{cpu} {wall}");
        }
    }
}
