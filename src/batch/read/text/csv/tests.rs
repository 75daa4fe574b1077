//! Whatever the text and however it is cut into blocks: the cells that `csv_core` and the slow way of reading a cell give.

use std::{io::Write as _, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::{concat, concat_batches},
    datatypes::{Field, Schema, TimeUnit},
};
use proptest::prelude::*;

use super::cells::tests::expected;
use super::*;
use crate::batch::read::{
    text::blocks::{BlockReader, Records},
    values::ColumnBuilder,
};

fn block(text: &str) -> Block {
    Block { bytes: text.as_bytes().to_vec(), first_line: 2, lines: 0 }
}

const KINDS: [DataType; 8] = [
    DataType::Float64,
    DataType::Float64,
    DataType::Float32,
    DataType::Int64,
    DataType::Utf8,
    DataType::Float32,
    DataType::Int32,
    DataType::Boolean,
];

/// A cell of a column of one of [`KINDS`], now and then one that is none.
fn cell(kind: usize) -> BoxedStrategy<String> {
    let word = prop_oneof![Just(""), Just("NA"), Just("-nan"), Just("null"), Just(" 1"), Just("1.0"), Just("1")];
    let text = match KINDS[kind] {
        DataType::Float64 | DataType::Float32 => prop_oneof![
            any::<f64>().prop_map(|value| format!("{value:?}")),
            any::<f32>().prop_map(|value| format!("{value:?}")),
            (-2e3..2e3).prop_map(|value: f64| value.to_string()),
            "-?[0-9]{1,2}\\.[0-9]{1,19}",
            "-?[0-9]{1,22}\\.[0-9]{1,22}(e-?[0-9]{1,2})?",
        ]
        .boxed(),
        DataType::Int64 => any::<i64>().prop_map(|value| value.to_string()).boxed(),
        DataType::Int32 => any::<i32>().prop_map(|value| value.to_string()).boxed(),
        DataType::Utf8 => "[a-zé\"\n\r, ]{0,8}".boxed(),
        _ => prop_oneof![Just("true"), Just("False"), Just("0")].prop_map(str::to_owned).boxed(),
    };
    prop_oneof![
        300 => text,
        60 => word.prop_map(str::to_owned),
        1 => "[a-z.,]{1,3}",
    ]
    .boxed()
}

/// A row as a file may have it: cells in quotes where they must be, and where they need not; any end of a line; blank lines.
fn row() -> impl Strategy<Value = String> {
    let cells: Vec<_> = (0..KINDS.len()).map(|kind| (cell(kind), prop::bool::weighted(0.2))).collect();
    let end = prop_oneof![8 => Just("\n"), 4 => Just("\r\n"), 1 => Just("\n\r\n\n"), 1 => Just("\r")];
    (cells, end).prop_map(|(cells, end)| {
        let write = |(cell, quoted): (String, bool)| {
            let must = cell.contains(['"', ',', '\n', '\r']);
            if quoted || must { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
        };
        cells.into_iter().map(write).collect::<Vec<_>>().join(",") + end
    })
}

/// Columns and the text of every record; or the error.
type Table = std::result::Result<(Vec<ArrayRef>, Vec<String>), String>;

fn names() -> Vec<String> {
    (0..KINDS.len()).map(|index| format!("c{index}")).collect()
}

/// The table read block by block.
fn in_blocks(text: &str, size: usize) -> Table {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut reader = BlockReader::open(file.path(), Records::Csv(b','), 0, 1, size).unwrap();
    let kinds = KINDS.map(Some);
    let (mut pieces, mut records) = (vec![Vec::new(); KINDS.len()], Vec::new());
    while let Some(block) = reader.block().unwrap() {
        let parsed = parse("f", &block, &names(), &kinds, b',').map_err(|error| error.to_string())?;
        pieces.iter_mut().zip(parsed.columns).for_each(|(pieces, column)| pieces.push(column.unwrap()));
        let text = |(start, end): &(u32, u32)| String::from_utf8(block.bytes[*start as usize..*end as usize].to_vec()).unwrap();
        records.extend(parsed.records.iter().map(text));
    }
    let whole = |pieces: &Vec<ArrayRef>| concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
    Ok((pieces.iter().map(whole).collect(), records))
}

/// The table as `csv_core` cuts it, every cell taken as text.
fn cell_by_cell(text: &str) -> Table {
    let mut columns = KINDS.map(|kind| ColumnBuilder::new(&kind, false, 0).unwrap());
    let mut records = Vec::new();
    for (start, end, cells) in expected(text.as_bytes()) {
        for (index, cell) in cells.iter().enumerate() {
            let cell = str::from_utf8(cell).unwrap();
            if !columns[index].push_text(cell) {
                let line = 1 + text[..start].matches('\n').count();
                return Err(
                    bad_cell(&format!("f, line {line}"), &names()[index], Some(&KINDS[index]), &format!("'{cell}'")).to_string()
                );
            }
        }
        records.push(text[start..end].trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok((columns.into_iter().map(|column| column.finish().unwrap()).collect(), records))
}

proptest! {
    #[test]
    fn tables_do_not_depend_on_blocks(rows in prop::collection::vec(row(), 1..12), size in 64_usize..600) {
        let text = rows.concat();
        let expected = cell_by_cell(&text);
        prop_assert_eq!(&in_blocks(&text, size), &expected);
        prop_assert_eq!(&in_blocks(&text, 1 << 20), &expected);
        // Without the last line's end.
        let cut = text.trim_end_matches(['\r', '\n']);
        prop_assert_eq!(in_blocks(cut, size), cell_by_cell(cut));
    }
}

const REFERENCE_KINDS: [DataType; 8] = [
    DataType::Float64,
    DataType::Float32,
    DataType::Int64,
    DataType::Int32,
    DataType::Utf8,
    DataType::Boolean,
    DataType::Date32,
    DataType::Timestamp(TimeUnit::Nanosecond, None),
];

/// A row of [`REFERENCE_KINDS`] that arrow-csv reads, too: without words for missing values, and without integers in the notation of floats.
fn reference_row() -> impl Strategy<Value = String> {
    let float = prop_oneof![
        any::<f64>().prop_filter("a number", |value| value.is_finite()).prop_map(|value| format!("{value:?}")),
        "-?[0-9]{1,12}\\.[0-9]{1,19}",
        Just(String::new()),
    ];
    let text = prop_oneof![4 => "[a-zé\"\n, ]{1,8}", 1 => Just(String::new())].prop_map(|cell: String| match cell.is_empty() {
        true => cell,
        false => format!("\"{}\"", cell.replace('"', "\"\"")),
    });
    let date = (1970..2100, 1..13, 1..29).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
    let time = (date.clone(), 0..24, 0..60).prop_map(|(date, hour, minute)| format!("{date}T{hour:02}:{minute:02}:00.5"));
    let truth = prop_oneof![Just("true".to_owned()), Just("false".to_owned()), Just(String::new())];
    let cells = (float.clone(), "-?[0-9]{1,3}\\.[0-9]{1,9}", any::<i64>(), any::<i32>(), text, truth, date, time);
    cells.prop_map(|(a, b, c, d, e, f, g, h)| format!("{a},{b},{c},{d},{e},{f},{g},{h}\n"))
}

/// The columns as arrow-csv reads them.
fn by_arrow_csv(text: &str) -> RecordBatch {
    let field = |(at, kind): (usize, &DataType)| Field::new(format!("c{at}"), kind.clone(), true);
    let schema = Arc::new(Schema::new(REFERENCE_KINDS.iter().enumerate().map(field).collect::<Vec<_>>()));
    let reader = arrow::csv::ReaderBuilder::new(schema.clone()).with_header(false).build(text.as_bytes()).unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

proptest! {
    #[test]
    fn values_are_those_of_arrow_csv(rows in prop::collection::vec(reference_row(), 1..20)) {
        let text = rows.concat();
        let parsed = parse("f", &block(&text), &names(), &REFERENCE_KINDS.map(Some), b',').unwrap();
        let columns: Vec<ArrayRef> = parsed.columns.into_iter().flatten().collect();
        let expected = by_arrow_csv(&text);
        prop_assert_eq!(columns.as_slice(), expected.columns());
    }
}

#[test]
fn quoted_cells_and_line_numbers() {
    let names = ["a".to_owned(), "b".to_owned()];
    let kinds = [Some(DataType::Utf8), Some(DataType::Int32)];
    let text = "\"x\n,\"\"y\",1\r\n\r\nz,\"2\"\r\n,";
    let parsed = parse("f.csv", &block(text), &names, &kinds, b',').unwrap();
    let words = parsed.columns[0].as_ref().unwrap().as_string::<i32>();
    assert_eq!((words.value(0), words.value(1), words.is_null(2)), ("x\n,\"y", "z", true));
    assert_eq!(parsed.columns[1].as_ref().unwrap().null_count(), 1);
    let lies: Vec<_> = parsed.records.iter().map(|(start, end)| &text[*start as usize..*end as usize]).collect();
    assert_eq!(lies, ["\"x\n,\"\"y\",1", "z,\"2\"", ","]);

    let error = parse("f.csv", &block("\"x\ny\",1\nz,two\n"), &names, &kinds, b',').err().unwrap();
    assert_eq!(error.to_string(), "column 'b': f.csv, line 4: the cell does not parse: expected integer, found 'two'");
    let error = parse("f.csv", &block("x,1\nz\n"), &names, &kinds, b',').err().unwrap();
    assert_eq!((error.code(), error.message().contains("line 3")), ("RAGGED_CSV", true));
}

#[test]
fn headers() {
    let (names, size) = header("f", b"\xef\xbb\xbfa,\"b\nc\"\r\n1,2\n", None).unwrap().unwrap();
    assert_eq!((names, size), (vec!["a".to_owned(), "b\nc".to_owned()], 12));
    assert_eq!(header("f", b"a,b", None).unwrap().unwrap().1, 3);
    assert_eq!(header("f", b"a,b\r1,2\r\n", None).unwrap().unwrap().1, 4);
    assert!(header("f", b"", None).unwrap().is_none());
    assert_eq!(header("f", b"a,a\n", None).unwrap_err().code(), "DUPLICATE_COLUMN");
}
