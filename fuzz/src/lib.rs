//! What the targets share: a model's directory around one file, and rows to score.

use std::{
    cell::OnceCell,
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, ListArray, NullArray, RecordBatch, RunArray, StringArray,
        StringViewArray,
    },
    datatypes::{DataType, Field, Float64Type, Int32Type, Schema},
    ipc::{
        CompressionType,
        writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions},
    },
};
use arrow_flight::FlightData;
use mlflight::{
    flavors::{Engine, LoadOptions, load},
    mlmodel::MlModel,
    score::{Context, SessionOptions},
};

/// Numbers of columns that the seeds' models take.
const WIDTHS: [usize; 6] = [1, 2, 4, 5, 6, 28];

/// Loads a model whose one file holds `bytes`, natively, and scores a few rows: whatever the file says, that ends without a panic.
pub fn load_and_score(flavor: &str, file: &str, keys: &str, bytes: &[u8]) {
    thread_local! {
        static DIRECTORY: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    DIRECTORY.with(|directory| {
        let directory = directory.get_or_init(|| tempfile::tempdir().expect("a directory")).path();
        fs::write(directory.join(file), bytes).expect("a file");
        let mlmodel = MlModel::parse(&format!("flavors:\n  {flavor}:\n{keys}")).expect("an MLmodel file");
        score(&mlmodel, directory);
    });
}

fn score(mlmodel: &MlModel, directory: &Path) {
    let options = LoadOptions { engine: Engine::Native, forbid_code: true, ..LoadOptions::default() };
    let Ok(loaded) = load(mlmodel, directory, &options) else { return };
    let model = loaded.model;
    let _ = (model.memory(), model.output());
    for width in WIDTHS {
        let Ok(mut session) = model.session(&SessionOptions::default()) else { continue };
        let _ = session.score(&rows(width), &Context::default());
    }
}

/// Three rows of doubles: small numbers, zeros, and nulls.
fn rows(width: usize) -> RecordBatch {
    let values = [Some(1.5), Some(0.0), None];
    let fields: Vec<Field> = (0..width).map(|at| Field::new(format!("f{at}"), DataType::Float64, true)).collect();
    let columns = (0..width).map(|_| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

/// A zip archive of stored files, as skops writes them.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = out.len() as u32;
        let mut facts = Vec::new();
        // Flags, method, time and date, checksum, both sizes, length of the name, of extra fields.
        facts.extend([0; 8]);
        facts.extend(crc32fast::hash(bytes).to_le_bytes());
        facts.extend([bytes.len() as u32; 2].map(u32::to_le_bytes).concat());
        facts.extend((name.len() as u16).to_le_bytes());
        facts.extend([0; 2]);
        out.extend([b"PK\x03\x04".as_slice(), &[20, 0], &facts, name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02".as_slice(), &[20, 0, 20, 0], &facts, &[0; 10], &offset.to_le_bytes()].concat());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (out.len() as u32, files.len() as u16);
    out.extend(&directory);
    out.extend([b"PK\x05\x06".as_slice(), &[0; 4], &[count; 2].map(u16::to_le_bytes).concat()].concat());
    out.extend([(directory.len() as u32).to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0; 2]);
    out
}

/// A message of these parts.
pub fn flight_data(header: Vec<u8>, body: Vec<u8>) -> FlightData {
    FlightData { data_header: header.into(), data_body: body.into(), ..FlightData::default() }
}

/// Streams of one batch each: the message that opens them and those that follow, of every layout and codec.
pub fn messages() -> &'static [(FlightData, Vec<FlightData>)] {
    static MESSAGES: LazyLock<Vec<(FlightData, Vec<FlightData>)>> = LazyLock::new(|| {
        let codecs = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
        batches().iter().flat_map(|batch| codecs.map(|codec| encoded(batch, codec))).collect()
    });
    &MESSAGES
}

fn encoded(batch: &RecordBatch, codec: Option<CompressionType>) -> (FlightData, Vec<FlightData>) {
    let options = IpcWriteOptions::default().try_with_compression(codec).expect("a codec");
    let (generator, mut tracker) = (IpcDataGenerator::default(), DictionaryTracker::new(false));
    let opening = generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    let (dictionaries, record) =
        generator.encode(batch, &mut tracker, &options, &mut Default::default()).expect("a batch that can be encoded");
    let records = dictionaries.into_iter().chain([record]);
    let message = |data: arrow::ipc::writer::EncodedData| flight_data(data.ipc_message, data.arrow_data);
    (message(opening), records.map(message).collect())
}

fn batches() -> Vec<RecordBatch> {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), None]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("numbers", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
        ("texts", Arc::new(StringArray::from(vec![Some("x"), None, Some("a text that repeats repeats repeats repeats")]))),
        ("truths", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("lists", Arc::new(lists)),
        ("nulls", Arc::new(NullArray::new(3))),
        ("views", Arc::new(StringViewArray::from(vec![Some("x"), None, Some("longer than twelve bytes")]))),
        ("words", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("u"), None, Some("w")]))),
        ("runs", Arc::new(RunArray::<Int32Type>::from_iter([Some("u"), Some("u"), Some("w")]))),
    ];
    let batch = |columns: Vec<(&str, ArrayRef)>| {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .expect("columns of one length")
    };
    let mut all: Vec<RecordBatch> = columns.iter().map(|(name, column)| batch(vec![(name, column.clone())])).collect();
    all.push(batch(columns));
    all
}
