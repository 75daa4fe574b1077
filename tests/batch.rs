//! Batch scoring of real files of every format, with a model small enough to check by hand.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray},
    datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef},
};
use mlflight::{
    batch::{self, Job, Output, Quiet, Subject},
    error::{Error, Kind, Result},
    flavors::Engine,
    mlmodel::{ColumnSpec, ColumnType, SchemaSpec, Signature},
    score::{CancelFlag, Context, Model, ScoreOptions, Scorer, Session, SessionOptions},
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::properties::WriterProperties,
};

/// Predicts x + 10 y, or {sum, text} of it. Asked for a row where x is 13, it fails.
pub struct Ten {
    pub several: bool,
    pub named: bool,
}

impl Model for Ten {
    fn input(&self) -> Option<SchemaRef> {
        let field = |name: &str| Field::new(name, DataType::Float64, true);
        self.named.then(|| Arc::new(Schema::new(vec![field("x"), field("y")])))
    }

    fn output(&self) -> Option<DataType> {
        Some(if self.several { DataType::Struct(fields()) } else { DataType::Float64 })
    }

    fn memory(&self) -> usize {
        0
    }

    fn session(&self, _options: &SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(TenSession { several: self.several }))
    }
}

fn fields() -> arrow::datatypes::Fields {
    vec![Field::new("sum", DataType::Float64, true), Field::new("text", DataType::Utf8, true)].into()
}

struct TenSession {
    several: bool,
}

impl Session for TenSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        context.check()?;
        let column = |at: usize| arrow::compute::cast(batch.column(at), &DataType::Float64).unwrap();
        let (x, y) = (column(0), column(1));
        let (x, y) = (x.as_primitive::<Float64Type>(), y.as_primitive::<Float64Type>());
        if let Some(row) = x.iter().position(|x| x == Some(13.0)) {
            return Err(Error::new(Kind::ModelFailed, "UNLUCKY", "the model failed").row(row as u64));
        }
        let sums: Float64Array = x.iter().zip(y).map(|(x, y)| Some(x? + 10.0 * y?)).collect();
        let column: ArrayRef = if self.several {
            let text: StringArray = sums.iter().map(|sum| sum.map(|sum| format!("<{sum}>"))).collect();
            Arc::new(StructArray::new(fields(), vec![Arc::new(sums), Arc::new(text)], None))
        } else {
            Arc::new(sums)
        };
        Ok(RecordBatch::try_from_iter([("0", column)])?)
    }
}

pub fn subject(several: bool, signature: bool) -> Subject {
    let column = |name: &str| ColumnSpec { name: Some(name.into()), kind: ColumnType::Double, required: true };
    let inputs = signature.then(|| SchemaSpec::Columns(vec![column("x"), column("y")]));
    let signature = Arc::new(Signature { inputs, outputs: None, params: None });
    let model = Arc::new(Ten { several, named: signature.inputs.is_some() });
    let scorer = Scorer::new(model, signature.clone(), ScoreOptions::default()).unwrap();
    Subject { scorer, signature, engine: Engine::Native, reason: "a test".into() }
}

pub fn job(input: &[&Path], output: &Path) -> Job {
    let input = input.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    Job { workers: Some(3), ..Job::new(subject(false, true), input, Output::Path(output.to_owned())) }
}

pub fn run(job: &Job) -> Result<u64> {
    batch::run(job, &CancelFlag::default(), &Quiet).map(|summary| summary.rows)
}

/// Names in a directory, hidden ones too.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Rows id, x, y, word (a dictionary) with some nulls, in row groups of `group`.
pub fn table(rows: std::ops::Range<i64>) -> RecordBatch {
    let ids: Int64Array = rows.clone().collect();
    let x: Float64Array = rows.clone().map(|row| (row % 7 != 3).then_some(row as f64 + 0.5)).collect();
    let y: Float64Array = rows.clone().map(|row| Some((row % 5) as f64)).collect();
    let word: DictionaryArray<Int32Type> =
        rows.map(|row| if row % 3 == 0 { None } else { Some(["a,b", "c\"d"][row as usize % 2]) }).collect();
    let columns: [(&str, ArrayRef, bool); 4] =
        [("id", Arc::new(ids), true), ("x", Arc::new(x), true), ("y", Arc::new(y), true), ("word", Arc::new(word), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub fn write(path: &Path, batch: &RecordBatch, group: usize) {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

pub fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// What the model predicts for [`table`]'s rows.
fn expected(rows: std::ops::Range<i64>) -> Vec<Option<f64>> {
    rows.map(|row| (row % 7 != 3).then_some(row as f64 + 0.5 + 10.0 * (row % 5) as f64)).collect()
}

pub fn doubles(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
}

pub struct Desk {
    pub root: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }
}

#[test]
fn parquet_keeps_every_column_and_the_order_of_rows() {
    let desk = Desk::new();
    let (input, output) = (desk.at("in.parquet"), desk.at("out.parquet"));
    let table = table(0..10_000);
    write(&input, &table, 300);
    assert_eq!(run(&job(&[&input], &output)).unwrap(), 10_000);
    let scored = read(&output);
    assert_eq!(scored.num_columns(), 5);
    for (at, column) in table.columns().iter().enumerate() {
        assert_eq!(scored.column(at), column, "column {at}");
    }
    assert_eq!(doubles(&scored, "prediction"), expected(0..10_000));
    // The input's row groups, statistics and page index come along.
    let groups = |path: &Path| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        builder
            .metadata()
            .row_groups()
            .iter()
            .map(|group| (group.num_rows(), group.column(0).statistics().cloned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(groups(&input), groups(&output));
    assert_eq!(groups(&output).len(), 34);
    assert_eq!(names(desk.root.path()), ["in.parquet", "out.parquet"]);
}

#[test]
fn files_without_a_page_index_are_copied_too() {
    let desk = Desk::new();
    let properties = WriterProperties::builder()
        .set_offset_index_disabled(true)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::Chunk)
        .build();
    let input = desk.at("in/a.parquet");
    fs::create_dir(desk.at("in")).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&input).unwrap(), table(0..0).schema(), Some(properties)).unwrap();
    writer.write(&table(0..500)).unwrap();
    writer.close().unwrap();
    // Beside one that has an index.
    write(&desk.at("in/b.parquet"), &table(500..900), 100);
    run(&job(&[&desk.at("in")], &desk.at("out.parquet"))).unwrap();
    assert_eq!(doubles(&read(&desk.at("out.parquet")), "prediction"), expected(0..900));
}

#[test]
fn directories_give_one_file_for_each_file() {
    let desk = Desk::new();
    fs::create_dir_all(desk.at("in/k=1")).unwrap();
    write(&desk.at("in/b.parquet"), &table(0..1000), 100);
    write(&desk.at("in/a.parquet"), &table(1000..1500), 1000);
    write(&desk.at("in/k=1/empty.parquet"), &table(0..0), 10);
    fs::write(desk.at("in/_SUCCESS"), "").unwrap();
    assert_eq!(run(&job(&[&desk.at("in")], &desk.at("out"))).unwrap(), 1500);
    assert_eq!(names(&desk.at("out")), ["a.parquet", "b.parquet", "k=1"]);
    assert_eq!(doubles(&read(&desk.at("out/a.parquet")), "prediction"), expected(1000..1500));
    assert_eq!(doubles(&read(&desk.at("out/b.parquet")), "prediction"), expected(0..1000));
    let empty = read(&desk.at("out/k=1/empty.parquet"));
    assert_eq!((empty.num_rows(), empty.num_columns()), (0, 5));
    // The same rows as one file: a before b, whatever finished first.
    let one = desk.at("one.parquet");
    run(&job(&[&desk.at("in")], &one)).unwrap();
    let expected: Vec<_> = expected(1000..1500).into_iter().chain(expected(0..1000)).collect();
    assert_eq!(doubles(&read(&one), "prediction"), expected);
    // A glob finds the two files of the first level.
    let job = Job { input: vec![desk.at("in/*.parquet").to_str().unwrap().into()], ..job(&[], &desk.at("globbed.csv")) };
    assert_eq!(run(&job).unwrap(), 1500);
}

#[test]
fn formats_turn_into_each_other() {
    let desk = Desk::new();
    let input = desk.at("in.parquet");
    write(&input, &table(0..2000), 512);
    let mut from = input.clone();
    for (at, name) in ["1.csv", "2.json", "3.parquet", "4.json", "5.csv", "6.parquet"].into_iter().enumerate() {
        let to = desk.at(name);
        // Each run adds a column of its own: nothing read is lost on the way.
        run(&Job { prediction: format!("p{at}"), ..job(&[&from], &to) }).unwrap();
        from = to;
    }
    let last = read(&from);
    for at in 0..6 {
        assert_eq!(doubles(&last, &format!("p{at}")), expected(0..2000), "p{at}");
    }
    assert_eq!(
        last.column_by_name("id").unwrap().as_primitive::<Int64Type>(),
        table(0..2000).column(0).as_primitive::<Int64Type>()
    );
    let words = arrow::compute::cast(table(0..2000).column(3), &DataType::Utf8).unwrap();
    assert_eq!(last.column_by_name("word").unwrap(), &words);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_text_is_read_as_the_text() {
    let desk = Desk::new();
    let rows = |from: i64, to: i64| (from..to).map(|row| format!("{row},{}\n", row % 5)).collect::<String>();
    fs::create_dir(desk.at("in")).unwrap();
    // Two members, as `cat a.gz b.gz` makes them; the second file has its columns in another order.
    let members = [gzip(format!("x,y\n{}", rows(100, 40_000)).as_bytes()), gzip(rows(40_000, 50_000).as_bytes())].concat();
    fs::write(desk.at("in/a.csv.gz"), members).unwrap();
    let other = "y,x\n1,50000\n2,50001\n";
    fs::write(desk.at("in/b.csv.zst"), zstd::encode_all(other.as_bytes(), 19).unwrap()).unwrap();
    desk.put("in/c.csv", "x,y\n50002,3\n");
    let expected: Vec<Option<f64>> = (100..50_000)
        .map(|row| Some(f64::from(row) + 10.0 * f64::from(row % 5)))
        .chain([50_010.0, 50_021.0, 50_032.0].map(Some))
        .collect();
    run(&job(&[&desk.at("in")], &desk.at("one.parquet"))).unwrap();
    assert_eq!(doubles(&read(&desk.at("one.parquet")), "prediction"), expected);
    run(&job(&[&desk.at("in")], &desk.at("out"))).unwrap();
    assert_eq!(names(&desk.at("out")), ["a.csv", "b.csv", "c.csv"]);
    assert_eq!(desk.text("out/b.csv"), "y,x,prediction\n1,50000,50010.0\n2,50001,50021.0\n");
    let sql = Some("SELECT predict(x, y) AS p FROM input WHERE x > 49999 ORDER BY x".into());
    run(&Job { sql, ..job(&[&desk.at("in")], &desk.at("sql.parquet")) }).unwrap();
    assert_eq!(doubles(&read(&desk.at("sql.parquet")), "p"), expected[expected.len() - 3..]);
    let lines = desk.at("l.jsonl.gz");
    fs::write(&lines, gzip(b"{\"x\": 1, \"y\": 2}\n{\"x\": 3, \"y\": null}\n")).unwrap();
    run(&job(&[&lines], &desk.at("l.json"))).unwrap();
    assert_eq!(desk.text("l.json").lines().next(), Some("{\"x\": 1, \"y\": 2,\"prediction\":21.0}"));
}

#[test]
fn a_compressed_file_that_is_none_or_was_cut_is_refused() {
    let desk = Desk::new();
    let text = (0..50_000).map(|row| format!("{row},{}\n", row * 7919 % 10_007)).collect::<String>();
    let text = format!("x,y\n{text}");
    let refused = |name: &str, bytes: &[u8]| {
        fs::write(desk.at(name), bytes).unwrap();
        let error = run(&job(&[&desk.at(name)], &desk.at("out.parquet"))).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "COMPRESSED_FILE"), "{name}: {error}");
        assert!(error.to_string().contains(name) && !desk.at("out.parquet").exists(), "{error}");
    };
    let (gz, zst) = (gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 3).unwrap());
    refused("plain.csv.gz", text.as_bytes());
    refused("plain.csv.zst", text.as_bytes());
    refused("cut.csv.gz", &gz[..gz.len() / 2]);
    refused("cut.csv.zst", &zst[..zst.len() / 2]);
    let mut damaged = gz.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    refused("damaged.csv.gz", &damaged);
    fs::write(desk.at("good.csv.gz"), &gz).unwrap();
    let error = run(&job(&[&desk.at("good.csv.gz")], &desk.at("out.csv.gz"))).unwrap_err();
    assert_eq!(error.code(), "COMPRESSED_OUTPUT");
}

#[test]
fn text_is_carried_as_it_is_written() {
    let desk = Desk::new();
    let csv = desk.put("in.csv", "id,x,y,note\r\n007,1.50,2,\"a, \"\"b\"\"\nc\"\r\n\n008,NA,1e0,\n009, 3 ,-0,  z\n");
    run(&job(&[&csv], &desk.at("out.csv"))).unwrap();
    let expected = "id,x,y,note,prediction\n007,1.50,2,\"a, \"\"b\"\"\nc\",21.5\n008,NA,1e0,,\n009, 3 ,-0,  z,3.0\n";
    assert_eq!(desk.text("out.csv"), expected);
    let json = desk.put(
        "in.json",
        "{\"big\": 123456789012345678901234567890, \"x\": 1, \"y\": 2.5}\n\n {\"y\":null}\n{\"x\":\"4\",\"y\":0,\"z\":[{}]}",
    );
    run(&job(&[&json], &desk.at("out.json"))).unwrap();
    let expected = "{\"big\": 123456789012345678901234567890, \"x\": 1, \"y\": 2.5,\"prediction\":26.0}\n{\"y\":null,\"prediction\":null}\n{\"x\":\"4\",\"y\":0,\"z\":[{}],\"prediction\":4.0}\n";
    assert_eq!(desk.text("out.json"), expected);
}

#[test]
fn several_outputs_are_a_struct_or_columns() {
    let desk = Desk::new();
    let input = desk.at("in.parquet");
    write(&input, &table(0..40), 10);
    let several = |output: &str| Job { subject: subject(true, true), ..job(&[&input], &desk.at(output)) };
    run(&several("out.parquet")).unwrap();
    let scored = read(&desk.at("out.parquet"));
    let whole = scored.column_by_name("prediction").unwrap().as_struct();
    assert_eq!(whole.column(0).as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), expected(0..40));
    run(&several("out.csv")).unwrap();
    assert!(desk.text("out.csv").starts_with("id,x,y,word,prediction.sum,prediction.text\n0,0.5,0.0,,0.5,<0.5>\n"));
    run(&several("out.json")).unwrap();
    assert!(desk.text("out.json").contains("\"prediction.sum\":11.5,\"prediction.text\":\"<11.5>\"}"));
}

#[test]
fn columns_feed_the_model_by_position() {
    let desk = Desk::new();
    let csv = desk.put("in.csv", "b,a\n1,2\n3,4\n");
    let with = |columns: &[&str]| Job {
        columns: Some(columns.iter().map(|name| (*name).to_owned()).collect()),
        ..job(&[&csv], &desk.at("o.csv"))
    };
    run(&with(&["a", "b"])).unwrap();
    assert_eq!(desk.text("o.csv"), "b,a,prediction\n1,2,12.0\n3,4,34.0\n");
    let error = run(&Job { overwrite: true, ..with(&["a", "c"]) }).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("c")));
    let error = run(&Job { overwrite: true, ..with(&["a", "b", "a"]) }).unwrap_err();
    assert_eq!(error.code(), "TOO_MANY_COLUMNS");
    assert_eq!(desk.text("o.csv"), "b,a,prediction\n1,2,12.0\n3,4,34.0\n", "a failed run replaces nothing");
}

#[test]
fn without_a_signature_types_are_agreed_over_all_files() {
    let desk = Desk::new();
    desk.put("in/a.csv", "x,y\n1,2\n3,4\n");
    desk.put("in/b.csv", "x,y\n1.5,\n");
    desk.put("in/c.csv", "x,y\n");
    let bare = |output: &str| Job { subject: subject(false, false), ..job(&[&desk.at("in")], &desk.at(output)) };
    assert_eq!(run(&bare("out.parquet")).unwrap(), 3);
    let scored = read(&desk.at("out.parquet"));
    assert_eq!(scored.schema().field(0).data_type(), &DataType::Float64);
    assert_eq!(scored.schema().field(1).data_type(), &DataType::Int64);
    assert_eq!(doubles(&scored, "prediction"), [Some(21.0), Some(43.0), None]);
    desk.put("in/d.csv", "x,y\nfour,5\n");
    let error = run(&bare("never.parquet")).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("TYPES_DIFFER", Some("x")));
    assert!(error.to_string().contains("a.csv") && error.to_string().contains("d.csv"), "{error}");
    assert_eq!(names(desk.root.path()), ["in", "out.parquet"]);
}

#[test]
fn an_existing_output_is_kept_unless_told() {
    let desk = Desk::new();
    let csv = desk.put("in.csv", "x,y\n1,2\n");
    desk.put("out.csv", "mine");
    let error = run(&job(&[&csv], &desk.at("out.csv"))).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::AlreadyExists, "OUTPUT_EXISTS"));
    assert!(error.to_string().contains("--overwrite"), "{error}");
    assert_eq!(desk.text("out.csv"), "mine");
    run(&Job { overwrite: true, ..job(&[&csv], &desk.at("out.csv")) }).unwrap();
    assert_eq!(desk.text("out.csv"), "x,y,prediction\n1,2,21.0\n");
    // A file may be scored onto itself: it is replaced only when all of it was read.
    run(&Job { overwrite: true, ..job(&[&csv], &csv) }).unwrap();
    assert_eq!(desk.text("in.csv"), "x,y,prediction\n1,2,21.0\n");
}

#[test]
fn an_unlucky_row_is_named_and_nothing_is_left() {
    let desk = Desk::new();
    let mut text = String::from("x,y\n");
    for row in 0..20_000 {
        text.push_str(&format!("{},1\n", if row == 15_000 { 13 } else { 1 }));
    }
    let csv = desk.put("in.csv", &text);
    for output in ["out.csv", "out.parquet", "out"] {
        let error = run(&job(&[&csv], &desk.at(output))).unwrap_err();
        assert_eq!(error.kind(), Kind::ModelFailed);
        assert!(error.to_string().contains("in.csv, line 15002"), "{error}");
        assert_eq!(names(desk.root.path()), ["in.csv"]);
    }
    let mut rows = table(0..1000).columns().to_vec();
    rows[1] = Arc::new((0..1000).map(|row| Some(if row == 777 { 13.0 } else { 0.0 })).collect::<Float64Array>());
    write(&desk.at("in.parquet"), &RecordBatch::try_new(table(0..0).schema(), rows).unwrap(), 100);
    let error = run(&job(&[&desk.at("in.parquet")], &desk.at("out.parquet"))).unwrap_err();
    assert_eq!(error.row_number(), Some(777), "{error}");
    assert_eq!(names(desk.root.path()), ["in.csv", "in.parquet"]);
}

#[test]
fn bad_input_gets_one_clear_error() {
    let desk = Desk::new();
    let good = table(0..10);
    write(&desk.at("good.parquet"), &good, 10);
    let bytes = fs::read(desk.at("good.parquet")).unwrap();
    fs::write(desk.at("short.parquet"), &bytes[..bytes.len() - 9]).unwrap();
    write(&desk.at("no-y.parquet"), &good.project(&[0, 1]).unwrap(), 10);
    let taken = good.project(&[1, 2, 1]).unwrap();
    let taken = RecordBatch::try_from_iter(["x", "y", "prediction"].into_iter().zip(taken.columns().to_vec())).unwrap();
    write(&desk.at("taken.parquet"), &taken, 10);
    desk.put("cell.csv", "x,y\n1,2\n\"3\",\"four\nfive\"\n");
    desk.put("ragged.csv", "x,y\n1,2\n1\n");
    desk.put("twice.csv", "x,x\n1,2\n");
    desk.put("empty.csv", "");
    desk.put("taken.csv", "x,y,prediction\n1,2,3\n");
    desk.put("taken.json", "{\"x\":1,\"y\":1}\n{\"x\":1,\"y\":1,\"prediction\":0}\n");
    desk.put("cell.json", "{\"x\":1,\"y\":1}\n{\"x\":[1],\"y\":1}\n");
    desk.put("array.json", "[\n{\"x\":1,\"y\":1}]\n");
    desk.put("no-y.json", "{\"x\":1}\n");
    let before = names(desk.root.path());
    let cases = [
        ("good.parquet.gone", Kind::NotFound, "NO_INPUT", "good.parquet.gone"),
        ("short.parquet", Kind::InvalidArgument, "UNREADABLE_PARQUET", "short.parquet"),
        ("no-y.parquet", Kind::InvalidArgument, "MISSING_COLUMN", "column 'y'"),
        ("taken.parquet", Kind::InvalidArgument, "COLUMN_EXISTS", "--prediction-column"),
        ("cell.csv", Kind::InvalidArgument, "BAD_CELL", "column 'y': "),
        (
            "cell.csv",
            Kind::InvalidArgument,
            "BAD_CELL",
            "cell.csv, line 3: the cell does not parse: expected double, found 'four\nfive'",
        ),
        ("ragged.csv", Kind::InvalidArgument, "RAGGED_CSV", "ragged.csv, line 3"),
        ("twice.csv", Kind::InvalidArgument, "DUPLICATE_COLUMN", "column 'x'"),
        ("empty.csv", Kind::InvalidArgument, "NO_HEADER", "empty.csv"),
        ("taken.csv", Kind::InvalidArgument, "COLUMN_EXISTS", "--prediction-column"),
        ("taken.json", Kind::InvalidArgument, "COLUMN_EXISTS", "--prediction-column"),
        ("cell.json", Kind::InvalidArgument, "BAD_CELL", "cell.json, line 2"),
        ("array.json", Kind::InvalidArgument, "BAD_JSON", "array.json, line 1"),
        ("no-y.json", Kind::InvalidArgument, "MISSING_COLUMN", "column 'y'"),
    ];
    for (input, kind, code, text) in cases {
        for output in ["out.csv", "out.parquet", "out"] {
            let error = run(&job(&[&desk.at(input)], &desk.at(output))).unwrap_err();
            assert_eq!((error.kind(), error.code()), (kind, code), "{input}: {error}");
            assert!(error.to_string().contains(text), "{input}: {error}");
        }
    }
    assert_eq!(names(desk.root.path()), before);
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let desk = Desk::new();
    let input = desk.at("in.parquet");
    write(&input, &table(0..1000), 10);
    let cancel = CancelFlag::default();
    cancel.cancel();
    let error = batch::run(&job(&[&input], &desk.at("out.parquet")), &cancel, &Quiet).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(names(desk.root.path()), ["in.parquet"]);
}

#[test]
fn json_doubles_are_read_to_the_last_bit() {
    let root = tempfile::tempdir().unwrap();
    let (input, output) = (root.path().join("in.json"), root.path().join("out.parquet"));
    let texts = ["0.03414859085493387", "122.416294033786585", "-1.7976931348623157e308", "5e-324"];
    let lines: String = texts.iter().map(|text| format!("{{\"x\": {text}, \"y\": 0}}\n")).collect();
    fs::write(&input, lines).unwrap();
    run(&job(&[&input], &output)).unwrap();
    let expected: Vec<Option<f64>> = texts.iter().map(|text| text.parse().ok()).collect();
    assert_eq!(doubles(&read(&output), "x"), expected);
}
