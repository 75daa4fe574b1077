//! Several files as one table: types that differ, columns in another order, directories that are columns, separators, names twice.

use std::{fs, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, NullArray,
        RecordBatch, StringArray, StructArray,
    },
    datatypes::{DataType, Int32Type, Schema},
};
use mlflight::batch::Job;

use crate::batch::{Desk, doubles, job, read, run, subject, write};

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, column)| (*name, column.clone(), true))).unwrap()
}

fn put(desk: &Desk, name: &str, columns: &[(&str, ArrayRef)]) {
    fs::create_dir_all(desk.at(name).parent().unwrap()).unwrap();
    write(&desk.at(name), &batch(columns), 100);
}

fn int(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn long(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn double(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn words(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A job of a model with a signature, and one of a model that takes whatever comes.
fn jobs(desk: &Desk, input: &str, output: &str) -> [Job; 2] {
    let job = |signed| Job { subject: subject(false, signed), overwrite: true, ..job(&[&desk.at(input)], &desk.at(output)) };
    [job(true), job(false)]
}

#[test]
fn a_column_of_several_types_is_one() {
    let desk = Desk::new();
    let dictionary: DictionaryArray<Int32Type> = vec!["d", "e"].into_iter().collect();
    put(&desk, "in/a.parquet", &[("x", int(&[1, 2])), ("y", int(&[1, 1])), ("note", Arc::new(dictionary))]);
    put(&desk, "in/b.parquet", &[("note", words(&["b"])), ("y", long(&[2])), ("x", long(&[3]))]);
    put(&desk, "in/c.parquet", &[("x", Arc::new(NullArray::new(1))), ("y", long(&[5])), ("note", Arc::new(NullArray::new(1)))]);
    put(&desk, "in/d.parquet", &[("y", double(&[0.5])), ("x", Arc::new(Float32Array::from(vec![1.5]))), ("note", words(&["z"]))]);
    let expected = [Some(11.0), Some(12.0), Some(23.0), None, Some(6.5)];
    for job in jobs(&desk, "in", "out.parquet") {
        assert_eq!(run(&job).unwrap(), 5);
        let scored = read(&desk.at("out.parquet"));
        assert_eq!(doubles(&scored, "prediction"), expected);
        assert_eq!(doubles(&scored, "x"), [Some(1.0), Some(2.0), Some(3.0), None, Some(1.5)]);
        let note = scored.column_by_name("note").unwrap();
        assert_eq!((note.data_type(), note.null_count()), (&DataType::Utf8, 1));
    }
    // In a directory every file keeps its own columns.
    for job in jobs(&desk, "in", "out") {
        run(&job).unwrap();
        let scored = ["a", "b", "c", "d"].map(|name| read(&desk.at(&format!("out/{name}.parquet"))));
        assert_eq!(scored[0].schema().field(0).data_type(), &DataType::Int32);
        assert_eq!(scored[1].schema().field(0).name(), "note");
        assert_eq!(scored.iter().flat_map(|scored| doubles(scored, "prediction")).collect::<Vec<_>>(), expected);
    }
    for job in jobs(&desk, "in", "out.csv") {
        run(&job).unwrap();
        assert_eq!(desk.text("out.csv").lines().nth(3), Some("3.0,2.0,b,23.0"));
        let sql = "SELECT note, predict(x, y) AS p FROM input WHERE y < 5 ORDER BY p DESC".to_owned();
        run(&Job { sql: Some(sql), ..job }).unwrap();
        assert_eq!(desk.text("out.csv"), "note,p\nb,23.0\ne,12.0\nd,11.0\nz,6.5\n");
    }
}

#[test]
fn only_what_has_no_common_type_is_refused() {
    let desk = Desk::new();
    put(&desk, "in/a.parquet", &[("x", int(&[1])), ("y", int(&[1])), ("note", int(&[1]))]);
    put(&desk, "in/b.parquet", &[("x", int(&[1])), ("y", words(&["one"])), ("note", int(&[1]))]);
    for output in ["out.parquet", "out"] {
        for job in jobs(&desk, "in", output) {
            let error = run(&job).unwrap_err();
            assert_eq!((error.code(), error.column_name()), ("TYPES_DIFFER", Some("y")));
            let text = error.to_string();
            assert!(text.contains("a.parquet") && text.contains("b.parquet"), "{text}");
            assert!(text.contains("integer") && text.contains("string"), "{text}");
        }
    }
    // Columns that the model does not read matter where they are written as one.
    put(&desk, "in/b.parquet", &[("x", int(&[1])), ("y", long(&[2])), ("note", words(&["two"]))]);
    let [signed, _] = jobs(&desk, "in", "out");
    assert_eq!(run(&signed).unwrap(), 2);
    let [signed, _] = jobs(&desk, "in", "out.parquet");
    assert_eq!(run(&signed).unwrap_err().column_name(), Some("note"));
    // The signature says what truth values and numbers become together.
    put(&desk, "in/b.parquet", &[("x", int(&[1])), ("y", Arc::new(BooleanArray::from(vec![true]))), ("note", int(&[1]))]);
    let [signed, bare] = jobs(&desk, "in", "out.parquet");
    run(&signed).unwrap();
    assert_eq!(doubles(&read(&desk.at("out.parquet")), "prediction"), [Some(11.0), Some(11.0)]);
    assert_eq!(run(&bare).unwrap_err().code(), "TYPES_DIFFER");
    // A value that the common type does not have is named by its row.
    put(&desk, "in/b.parquet", &[("x", int(&[1, 1])), ("y", long(&[1, (1 << 53) + 1])), ("note", int(&[1, 1]))]);
    put(&desk, "in/a.parquet", &[("x", int(&[1])), ("y", double(&[0.5])), ("note", int(&[1]))]);
    for job in jobs(&desk, "in", "out.parquet") {
        for sql in [None, Some("SELECT y FROM input WHERE predict(x, y) > 0".to_owned())] {
            let error = run(&Job { sql, ..job.clone() }).unwrap_err();
            assert_eq!((error.code(), error.row_number()), ("VALUE_MISMATCH", Some(1)), "{error}");
            assert!(error.to_string().contains("b.parquet"), "{error}");
        }
    }
    // A column that the model reads must be in every file.
    put(&desk, "in/b.parquet", &[("x", int(&[1]))]);
    for job in jobs(&desk, "in", "out.parquet") {
        let error = run(&job).unwrap_err();
        assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("y")));
        assert!(error.to_string().contains("b.parquet lacks") && error.to_string().contains("a.parquet has"), "{error}");
    }
}

#[test]
fn text_files_are_one_table_too() {
    let desk = Desk::new();
    desk.put("in/a.csv", "id,x,y,when\n007,1,2,2024-01-02\n\"a\nb\",1.50,0,\n");
    desk.put("in/b.csv", "y,x,id\n3,4,x9\n");
    let signed = |output: &str| {
        let [signed, _] = jobs(&desk, "in", output);
        signed
    };
    run(&signed("out.csv")).unwrap();
    // Cells stay as they are written, in the order of the first file.
    let expected = "id,x,y,when,prediction\n007,1,2,2024-01-02,21.0\n\"a\nb\",1.50,0,,1.5\nx9,4,3,,34.0\n";
    assert_eq!(desk.text("out.csv"), expected);
    run(&signed("out")).unwrap();
    assert_eq!(desk.text("out/b.csv"), "y,x,id,prediction\n3,4,x9,34.0\n");
    desk.put("in/c.csv", "when,x,y,id\n2024-01-02 03:04:05,0,0,8\n");
    run(&signed("out.parquet")).unwrap();
    let scored = read(&desk.at("out.parquet"));
    assert_eq!(doubles(&scored, "prediction"), [Some(21.0), Some(1.5), Some(34.0), Some(0.0)]);
    assert!(matches!(scored.column_by_name("when").unwrap().data_type(), DataType::Timestamp(..)));
    // Where another file has text, numbers are the text they were.
    assert_eq!(scored.column_by_name("id").unwrap().as_string::<i32>().value(0), "007");
    let sql = Some("SELECT id, predict(x, y) AS p FROM input WHERE \"when\" IS NOT NULL ORDER BY p".to_owned());
    run(&Job { sql, ..signed("out.parquet") }).unwrap();
    assert_eq!(doubles(&read(&desk.at("out.parquet")), "p"), [Some(0.0), Some(21.0)]);
    desk.put("bare/a.csv", "x,y\n1,2\n");
    desk.put("bare/b.csv", "y,x\n3.5,4\n");
    for job in jobs(&desk, "bare", "out.csv") {
        run(&job).unwrap();
        assert_eq!(desk.text("out.csv"), "x,y,prediction\n1,2,21.0\n4,3.5,39.0\n");
    }
    desk.put("lines/a.json", "{\"x\": 1, \"y\": 2, \"l\": [1]}\n");
    desk.put("lines/b.json", "{\"y\": 2.5, \"x\": 3, \"l\": [1.5]}\n");
    for job in jobs(&desk, "lines", "out.parquet") {
        run(&job).unwrap();
        let scored = read(&desk.at("out.parquet"));
        assert_eq!(doubles(&scored, "prediction"), [Some(21.0), Some(28.0)]);
        assert_eq!(scored.column_by_name("l").unwrap().data_type(), &DataType::new_list(DataType::Float64, true));
    }
    desk.put("in/d.csv", "x,id\n1,2\n");
    let [signed, _] = jobs(&desk, "in", "out.csv");
    let error = run(&signed).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("y")));
}

#[test]
fn directories_are_columns() {
    let desk = Desk::new();
    put(&desk, "p/y=2/note=a%20b/x.parquet", &[("x", double(&[1.0, 2.0]))]);
    put(&desk, "p/y=__HIVE_DEFAULT_PARTITION__/note=c/x.parquet", &[("x", double(&[3.0]))]);
    desk.put("c/y=2/note=a%20b/x.csv", "x\n1\n2\n");
    desk.put("c/y=__HIVE_DEFAULT_PARTITION__/note=c/x.csv", "x\n3\n");
    desk.put("j/y=2/note=a%20b/x.json", "{\"x\":1}\n{\"x\":2}\n");
    desk.put("j/y=__HIVE_DEFAULT_PARTITION__/note=c/x.json", "{\"x\":3}\n");
    let expected = [Some(21.0), Some(22.0), None];
    for input in ["p", "c", "j"] {
        for job in jobs(&desk, input, "out.parquet") {
            run(&job).unwrap();
            let scored = read(&desk.at("out.parquet"));
            assert_eq!(doubles(&scored, "prediction"), expected, "{input}");
            let names: Vec<_> = scored.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, ["x", "y", "note", "prediction"]);
            assert_eq!(scored.column(2).as_string::<i32>().value(1), "a b");
            let sql = Some("SELECT note, y, predict() AS p FROM input WHERE y = 2".to_owned());
            let sql = if job.subject.signature.inputs.is_some() { sql } else { None };
            if sql.is_some() {
                run(&Job { sql, ..job }).unwrap();
                assert_eq!(doubles(&read(&desk.at("out.parquet")), "p"), expected[..2]);
            }
        }
        for job in jobs(&desk, input, "out.csv") {
            run(&job).unwrap();
            assert_eq!(desk.text("out.csv").lines().next(), Some("x,y,note,prediction"));
            assert!(desk.text("out.csv").lines().nth(3).unwrap().ends_with(",,c,"), "{}", desk.text("out.csv"));
        }
        // A directory of outputs says it in the same way.
        for job in jobs(&desk, input, "out") {
            run(&job).unwrap();
            let [name, _] = ["parquet", "csv"].map(|extension| format!("out/y=2/note=a%20b/x.{extension}"));
            if input == "p" {
                assert_eq!(read(&desk.at(&name)).num_columns(), 2);
            }
        }
        let [signed, _] = jobs(&desk, input, "out.parquet");
        let error = run(&Job { partition_columns: false, ..signed }).unwrap_err();
        assert_eq!((error.code(), error.column_name()), ("MISSING_COLUMN", Some("y")), "{error}");
    }
    // Types are Spark's where no signature says otherwise.
    desk.put("t/y=2/day=2024-01-02/x.csv", "x\n1\n");
    desk.put("t/y=3/day=2024-01-03/x.csv", "x\n1\n");
    let [signed, bare] = jobs(&desk, "t", "out.parquet");
    for (job, kind) in [(signed, DataType::Float64), (bare, DataType::Int32)] {
        run(&job).unwrap();
        let scored = read(&desk.at("out.parquet"));
        assert_eq!(scored.column_by_name("y").unwrap().data_type(), &kind);
        assert_eq!(scored.column_by_name("day").unwrap().data_type(), &DataType::Date32);
        assert_eq!(doubles(&scored, "prediction"), [Some(21.0), Some(31.0)]);
    }
    // One file, a directory that is one itself, and a pattern: above the input only what the model asks for is a column.
    for (input, header) in
        [("t/y=3", "x,y,day"), ("t/y=3/day=2024-01-03/x.csv", "x,y"), ("t/y=3/*/x.csv", "x,y,day"), ("t/y=*/day=*3/*", "x,y,day")]
    {
        let [signed, _] = jobs(&desk, input, "out.csv");
        run(&signed).unwrap();
        let day = if header.ends_with("day") { ",2024-01-03" } else { "" };
        assert_eq!(desk.text("out.csv"), format!("{header},prediction\n1,3.0{day},31.0\n"));
    }
    // The file's own column is the one that is read.
    desk.put("own/y=2/x.csv", "x,y\n1,7\n");
    let [signed, _] = jobs(&desk, "own", "out.csv");
    run(&signed).unwrap();
    assert_eq!(desk.text("out.csv"), "x,y,prediction\n1,7,71.0\n");
    desk.put("own/y=3/z.csv", "x\n1\n");
    assert_eq!(run(&signed).unwrap_err().code(), "BAD_PARTITION");
}

#[test]
fn separators_and_byte_order_marks() {
    let desk = Desk::new();
    let csv = desk.put("semicolon.csv", "x;y;note\n1,0;2;\"a;b\"\n3.0;4;c,d\n");
    let error = run(&job(&[&csv], &desk.at("out.csv"))).unwrap_err();
    assert_eq!(error.code(), "DELIMITER");
    assert!(error.to_string().contains("';' seems to separate") && error.to_string().contains("--delimiter ';'"), "{error}");
    let with =
        |input: &Path, delimiter| Job { delimiter: Some(delimiter), overwrite: true, ..job(&[input], &desk.at("out.csv")) };
    // A comma is no end of a number where a semicolon is.
    let error = run(&with(&csv, b';')).unwrap_err();
    assert_eq!((error.code(), error.found_text()), ("BAD_CELL", Some("'1,0'")));
    fs::write(&csv, "x;y;note\n1.5;2;\"a;b\"\n3.0;4;c,d\n").unwrap();
    for (subject, x) in [(subject(false, true), "1.5"), (subject(false, false), "1.5")] {
        run(&Job { subject, ..with(&csv, b';') }).unwrap();
        assert_eq!(desk.text("out.csv"), format!("x;y;note;prediction\n{x};2;\"a;b\";21.5\n3.0;4;c,d;43.0\n"));
    }
    for (text, shown, delimiter) in [("x\ty\n1\t2\n", "'tab'", b'\t'), ("x|y\n1|2\n", "'|'", b'|')] {
        let csv = desk.put("other.csv", text);
        assert!(run(&job(&[&csv], &desk.at("never.csv"))).unwrap_err().to_string().contains(shown));
        run(&with(&csv, delimiter)).unwrap();
        assert!(
            desk.text("out.csv")
                .starts_with(&text[..text.len() - 1].replace('\n', &format!("{}prediction\n", delimiter as char)))
        );
    }
    // Other formats' rows are written with it.
    put(&desk, "in.parquet", &[("x", double(&[1.0])), ("y", double(&[2.0])), ("note", words(&["a;b"]))]);
    run(&with(&desk.at("in.parquet"), b';')).unwrap();
    assert_eq!(desk.text("out.csv"), "x;y;note;prediction\n1.0;2.0;\"a;b\";21.0\n");
    // One column may have such a name.
    let one = desk.put("one.csv", "a;b\n1\n");
    assert_eq!(run(&with(&one, b',')).unwrap_err().code(), "MISSING_COLUMN");
    let json = desk.put("mark.json", "\u{feff}{\"x\":1,\"y\":2}\n{\"x\":3,\"y\":4}\n");
    for subject in [subject(false, true), subject(false, false)] {
        run(&Job { subject, overwrite: true, ..job(&[&json], &desk.at("out.json")) }).unwrap();
        assert_eq!(desk.text("out.json"), "{\"x\":1,\"y\":2,\"prediction\":21.0}\n{\"x\":3,\"y\":4,\"prediction\":43.0}\n");
    }
}

#[test]
fn names_that_are_there_twice_are_refused() {
    let desk = Desk::new();
    let field = |name: &str| arrow::datatypes::Field::new(name, DataType::Float64, true);
    let schema = Schema::new(["x", "y", "x"].map(field).to_vec());
    write(&desk.at("in.parquet"), &RecordBatch::try_new(Arc::new(schema), vec![double(&[1.0]); 3]).unwrap(), 100);
    let inner = StructArray::new(vec![field("x"), field("x")].into(), vec![double(&[1.0]); 2], None);
    let record = arrow::datatypes::Field::new("z", inner.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field("x"), field("y"), record]));
    let deep = RecordBatch::try_new(schema, vec![double(&[1.0]), double(&[1.0]), Arc::new(inner)]).unwrap();
    write(&desk.at("deep.parquet"), &deep, 100);
    desk.put("in.json", "{\"x\":1,\"y\":1}\n{\"x\":1,\"y\":1,\"x\":2}\n");
    desk.put("deep.json", "{\"x\":1,\"y\":1,\"z\":[{\"x\":1,\"x\":2}]}\n");
    for input in ["in.parquet", "deep.parquet", "in.json", "deep.json"] {
        for sql in [None, Some("SELECT * FROM input".to_owned())] {
            for job in jobs(&desk, input, "out.csv") {
                let error = run(&Job { sql: sql.clone(), ..job }).unwrap_err();
                assert_eq!((error.code(), error.column_name()), ("DUPLICATE_COLUMN", Some("x")), "{input}: {error}");
                assert!(error.to_string().contains(input), "{error}");
            }
        }
    }
}
