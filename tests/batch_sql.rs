//! `--sql`: a query over the input, with `predict` as a function.

use std::{
    fs,
    path::{Path, PathBuf},
};

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type},
};
use mlflight::{batch::Job, error::Kind};

use crate::batch::{job, names, read, run, subject, table, write};

struct Desk {
    root: tempfile::TempDir,
    input: PathBuf,
}

impl Desk {
    /// A thousand rows id, x, y, word in ten row groups.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let input = root.path().join("in.parquet");
        write(&input, &table(0..1000), 100);
        Self { root, input }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn query(&self, sql: &str, output: &str) -> Job {
        Job { sql: Some(sql.into()), overwrite: true, ..job(&[&self.input], &self.at(output)) }
    }

    fn csv(&self, sql: &str) -> String {
        run(&self.query(sql, "out.csv")).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        fs::read_to_string(self.at("out.csv")).unwrap()
    }
}

fn score(path: &Path, sql: &str, to: &Path) -> String {
    run(&Job { sql: Some(sql.into()), overwrite: true, ..job(&[path], to) }).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    fs::read_to_string(to).unwrap()
}

#[test]
fn a_query_without_predict_gets_a_column() {
    let desk = Desk::new();
    let sql = "SELECT id, x, y FROM input WHERE id >= 500 AND x IS NOT NULL";
    let rows = run(&desk.query(sql, "out.parquet")).unwrap();
    let scored = read(&desk.at("out.parquet"));
    assert_eq!(scored.num_rows() as u64, rows);
    let ids = scored.column(0).as_primitive::<Int64Type>();
    assert!(ids.values().is_sorted() && ids.value(0) == 501, "rows keep the order of the input");
    for (id, predicted) in ids.values().iter().zip(scored.column_by_name("prediction").unwrap().as_primitive::<Float64Type>()) {
        assert_eq!(predicted, Some(*id as f64 + 0.5 + 10.0 * (id % 5) as f64));
    }
    run(&desk.query(sql, "out")).unwrap();
    assert_eq!(names(&desk.at("out")), ["part-00000.parquet"]);
}

#[test]
fn predict_takes_columns_a_struct_or_nothing() {
    let desk = Desk::new();
    let wanted = "p\n0.5\n11.5\n22.5\n";
    for call in ["predict(x, y)", "predict()", "predict(named_struct('y', y, 'x', x))", "PREDICT(x, y)", "predict(x, y + 0)"] {
        assert_eq!(desk.csv(&format!("SELECT {call} AS p FROM input WHERE id < 3")), wanted, "{call}");
    }
    assert_eq!(desk.csv("SELECT predict(y, x) AS p FROM input LIMIT 2"), "p\n5.0\n16.0\n");
}

#[test]
fn predict_works_where_queries_use_it() {
    let desk = Desk::new();
    assert_eq!(desk.csv("SELECT id FROM input WHERE predict() > 1020 ORDER BY id"), "id\n984\n989\n993\n994\n998\n999\n");
    assert_eq!(
        desk.csv("SELECT id, predict() AS p FROM input WHERE x IS NOT NULL ORDER BY p DESC LIMIT 1"),
        "id,p\n999,1039.5\n"
    );
    assert_eq!(desk.csv("SELECT max(predict()) AS m FROM input"), "m\n1039.5\n");
    let nested = "SELECT y, count(*) AS n, max(p) AS m FROM (SELECT y, predict() AS p FROM input) GROUP BY y ORDER BY y LIMIT 1";
    assert_eq!(desk.csv(nested), "y,n,m\n0.0,200,995.5\n");
    let several =
        Job { subject: subject(true, true), ..desk.query("SELECT predict()['text'] AS t FROM input LIMIT 1", "out.csv") };
    run(&several).unwrap();
    assert_eq!(fs::read_to_string(desk.at("out.csv")).unwrap(), "t\n<0.5>\n");
}

#[test]
fn text_files_are_tables_too() {
    let desk = Desk::new();
    let csv = desk.at("a.csv");
    fs::write(&csv, "x,y,day\n1,2,2024-01-02\n3,4,2024-02-02\n").unwrap();
    let sql = "SELECT day, predict() AS p FROM input WHERE day > '2024-01-31'";
    assert_eq!(score(&csv, sql, &desk.at("out.csv")), "day,p\n2024-02-02,43.0\n");
    let json = desk.at("a.json");
    fs::write(&json, "{\"x\":1,\"y\":2,\"deep\":{\"z\":5}}\n").unwrap();
    let sql = "SELECT deep['z'] AS z, x, y FROM input";
    assert_eq!(score(&json, sql, &desk.at("out.json")), "{\"z\":5,\"x\":1.0,\"y\":2.0,\"prediction\":21.0}\n");
    fs::write(&csv, "x,y,day\n1,2,2024-01-02\n3,bad,2024-02-02\n").unwrap();
    let job = Job { sql: Some("SELECT predict() FROM input".into()), ..job(&[&csv], &desk.at("never.csv")) };
    let error = run(&job).unwrap_err();
    assert_eq!((error.code(), error.column_name()), ("BAD_CELL", Some("y")), "{error}");
    assert!(error.to_string().contains("a.csv, line 3"), "{error}");
    assert!(!desk.at("never.csv").exists());
}

#[test]
fn what_a_query_cannot_do_is_said() {
    let desk = Desk::new();
    let before = names(desk.root.path());
    let cases = [
        ("SELECT", Kind::InvalidArgument, "SQL", "SELECT"),
        ("SELECT nope FROM input", Kind::InvalidArgument, "SQL", "nope"),
        ("DROP TABLE input", Kind::InvalidArgument, "NOT_A_QUERY", "FROM input"),
        ("SELECT x FROM input", Kind::InvalidArgument, "MISSING_COLUMN", "'y'"),
        ("SELECT x, y, 1 AS prediction FROM input", Kind::InvalidArgument, "COLUMN_EXISTS", "--prediction-column"),
        ("SELECT predict(x, y, x) FROM input", Kind::InvalidArgument, "TOO_MANY_COLUMNS", "takes 2"),
        ("SELECT predict(x) FROM input", Kind::InvalidArgument, "MISSING_COLUMN", "'y'"),
        ("SELECT predict(), count(*) FROM input GROUP BY predict()", Kind::Unimplemented, "PREDICT_HERE", "subquery"),
        ("SELECT predict(13, y) FROM input", Kind::ModelFailed, "UNLUCKY", "the model failed"),
    ];
    for (sql, kind, code, text) in cases {
        let error = run(&desk.query(sql, "out.parquet")).unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{sql}: {error:?}");
        assert!(error.to_string().contains(text), "{sql}: {error}");
    }
    let unnamed = Job { subject: subject(false, false), ..desk.query("SELECT predict() FROM input", "out.csv") };
    assert_eq!(run(&unnamed).unwrap_err().code(), "PREDICT_ARGUMENTS");
    assert_eq!(names(desk.root.path()), before);
}
