//! What `kernels.py` measures: a model and a table are loaded once, then each line of standard input asks for one run.
//!
//! `BATCH ROWS` scores that many rows in slices of `BATCH` and answers `CPU WALL` in nanoseconds; `save PATH` writes the
//! predictions of all rows as single floats.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    fs::{self, File},
    io::BufRead,
    path::Path,
    time::Instant,
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Float32Type,
    ipc::reader::FileReader,
};
use mlflight::{
    flavors::{Engine, LoadOptions},
    models::LoadedModel,
    score::{Context, Session, SessionOptions},
};

/// CPU time of this thread in nanoseconds, where the system tells.
fn cpu() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

fn run(session: &mut dyn Session, table: &RecordBatch, batch: usize, rows: usize) -> (u64, u64) {
    let slices: Vec<RecordBatch> = (0..rows.div_ceil(batch))
        .map(|at| {
            let start = at * batch % table.num_rows();
            table.slice(start, batch.min(table.num_rows() - start))
        })
        .collect();
    let context = Context::default();
    let (before, start) = (cpu(), Instant::now());
    for slice in &slices {
        std::hint::black_box(session.score(slice, &context).unwrap());
    }
    let wall = start.elapsed().as_nanos() as u64;
    (cpu().zip(before).map_or(wall, |(after, before)| after - before), wall)
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(model), Some(table)) = (arguments.next(), arguments.next()) else {
        println!("usage: kernels MODEL TABLE.arrow (see kernels.py)");
        return;
    };
    let options = LoadOptions { engine: Engine::Native, ..Default::default() };
    let model = LoadedModel::load(&model, &options).unwrap();
    let reader = FileReader::try_new(File::open(table).unwrap(), None).unwrap();
    let schema = reader.schema();
    let table = concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap()).unwrap();
    let mut session = model.loaded.model.session(&SessionOptions::default()).unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (first, second) = line.split_once(' ').unwrap();
        if first == "save" {
            let answer = session.score(&table, &Context::default()).unwrap();
            let values = answer.column(0).as_primitive::<Float32Type>().values();
            fs::write(Path::new(second), values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
            println!("saved");
        } else {
            let (cpu, wall) = run(&mut *session, &table, first.parse().unwrap(), second.parse().unwrap());
            println!("{cpu} {wall}");
        }
    }
}
