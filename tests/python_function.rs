//! The python_function flavor: what models take, what they return, how they are loaded.

use std::{fs, sync::Arc};

use arrow::{
    array::RecordBatch,
    compute::concat_batches,
    datatypes::{DataType, Field, Fields},
};
use mlflight::{
    error::Kind,
    flavors::{Engine, LoadOptions, PythonRuntime},
    models::LoadedModel,
    python::{Environment, Pool, PoolOptions, Program, Tensor},
    score::{Context, Model, ScoreOptions, SessionOptions},
};
use serde_json::{Map, Value, json};

use crate::support::{
    self,
    python::{PyModel, first_text, json, request, rows, score},
};

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

fn structure(fields: &[(&str, DataType)]) -> DataType {
    DataType::Struct(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Fields>())
}

fn map(value: DataType) -> DataType {
    let entries = structure(&[("keys", DataType::Utf8), ("values", value)]);
    let DataType::Struct(fields) = entries else { unreachable!() };
    let fields: Fields = vec![fields[0].as_ref().clone().with_nullable(false), fields[1].as_ref().clone()].into();
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
}

fn params(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A model whose `predict` returns the value of the Python expression in param `give`.
const GIVES: &str = "
import datetime, decimal, sys
import numpy as np, pandas as pd
class Model:
    def predict(self, df, params=None):
        return eval(params['give'], globals(), {'df': df})
def _load_pyfunc(path):
    return Model()
";

#[test]
fn every_kind_of_answer_becomes_columns() {
    let (double, text) = (DataType::Float64, DataType::Utf8);
    let source = PyModel::new(GIVES);
    let model = source.load(&PyModel::options());
    let cases: &[(&str, Option<DataType>, &str)] = &[
        ("df", None, r#"[{"a":1.0,"s":"x"},{"a":2.0},{"a":3.0,"s":"z"}]"#),
        ("df['a']", None, r#"[{"a":1.0},{"a":2.0},{"a":3.0}]"#),
        ("pd.Series([1, 2, 3])", None, r#"[{"0":1},{"0":2},{"0":3}]"#),
        ("df['a'].to_numpy()", None, r#"[{"0":1.0},{"0":2.0},{"0":3.0}]"#),
        ("df[['a', 'a']].to_numpy()", None, r#"[{"0":1.0,"1":1.0},{"0":2.0,"1":2.0},{"0":3.0,"1":3.0}]"#),
        (
            "np.arange(12, dtype='int32').reshape(3, 2, 2)",
            None,
            r#"[{"0":[[0,1],[2,3]]},{"0":[[4,5],[6,7]]},{"0":[[8,9],[10,11]]}]"#,
        ),
        ("[[[1], [2, 3]], [[4]], []]", Some(list(list(double.clone()))), r#"[{"0":[[1.0],[2.0,3.0]]},{"0":[[4.0]]},{"0":[]}]"#),
        ("[True, False, True]", None, r#"[{"0":true},{"0":false},{"0":true}]"#),
        ("['a', 'b', None]", None, r#"[{"0":"a"},{"0":"b"},{}]"#),
        ("[1, 'a', None]", Some(text.clone()), r#"[{"0":"1"},{"0":"a"},{}]"#),
        ("np.array([1.0, 2.5, np.nan])", Some(text.clone()), r#"[{"0":"1.0"},{"0":"2.5"},{"0":"nan"}]"#),
        ("[True] * 3", Some(text.clone()), r#"[{"0":"True"},{"0":"True"},{"0":"True"}]"#),
        ("[{'x': 1, 'y': 'q'}, {'x': 2}, {}]", None, r#"[{"0":{"x":1,"y":"q"}},{"0":{"x":2}},{"0":{}}]"#),
        ("[2**60 + 1, None, 3]", None, r#"[{"0":1152921504606846977},{},{"0":3}]"#),
        ("[['a', 'b'], ['c'], None]", None, r#"[{"0":["a","b"]},{"0":["c"]},{}]"#),
        ("[('a', 1)] * 3", None, r#"[{"0":"a","1":1},{"0":"a","1":1},{"0":"a","1":1}]"#),
        ("{'p': [1, 2, 3], 'q': np.array([.1, .2, .3])}", None, r#"[{"p":1,"q":0.1},{"p":2,"q":0.2},{"p":3,"q":0.3}]"#),
        ("[{'x': 1.5}, {}, {'y': 2.0}]", Some(map(double.clone())), r#"[{"0":{"x":1.5}},{"0":{}},{"0":{"y":2.0}}]"#),
        ("1.5", None, r#"[{"0":1.5}]"#),
        ("'word'", None, r#"[{"0":"word"}]"#),
        ("np.array(['a', 'b', 'c'])", None, r#"[{"0":"a"},{"0":"b"},{"0":"c"}]"#),
        ("pd.Series([1, 2, None], dtype='Int64')", None, r#"[{"0":1},{"0":2},{}]"#),
        ("pd.Series(['a', 'b', 'a'], dtype='category')", None, r#"[{"0":"a"},{"0":"b"},{"0":"a"}]"#),
        ("[np.array([1.0, 2.0])] * 3", None, r#"[{"0":[1.0,2.0]},{"0":[1.0,2.0]},{"0":[1.0,2.0]}]"#),
        ("pd.Series([np.array([1.0, 2.0]), np.array([3.0]), None])", Some(list(double)), r#"[{"0":[1.0,2.0]},{"0":[3.0]},{}]"#),
        (
            "pd.DataFrame({'e': [np.ones((1, 2))] * 3, 'f': [1, 2, 3]})",
            Some(structure(&[("e", list(list(DataType::Float32))), ("f", DataType::Int64)])),
            r#"[{"e":[[1.0,1.0]],"f":1},{"e":[[1.0,1.0]],"f":2},{"e":[[1.0,1.0]],"f":3}]"#,
        ),
        ("pd.DataFrame({'s': [None] * 3})", Some(structure(&[("s", text)])), "[{},{},{}]"),
        ("[datetime.date(2020, 1, 2)] * 3", None, r#"[{"0":"2020-01-02"},{"0":"2020-01-02"},{"0":"2020-01-02"}]"#),
        ("[decimal.Decimal('1.50')] * 3", None, r#"[{"0":1.50},{"0":1.50},{"0":1.50}]"#),
        ("np.array([1, 2, 3], dtype='float16')", None, r#"[{"0":1.0},{"0":2.0},{"0":3.0}]"#),
    ];
    for (give, result, expected) in cases {
        let options =
            SessionOptions { params: params(json!({ "give": give })), result: result.clone(), ..SessionOptions::default() };
        let answer = score(&mut *model.session(&options).unwrap()).unwrap_or_else(|error| panic!("{give}: {error:?}"));
        assert_eq!(json(&answer), *expected, "{give}");
    }
}

#[test]
fn an_answer_that_is_none_is_refused() {
    let source = PyModel::new(GIVES);
    let model = source.load(&PyModel::options());
    for (give, code) in [("None", "NO_ANSWER"), ("[1, 'a', object()]", "MIXED_ANSWER")] {
        let options = SessionOptions { params: params(json!({ "give": give })), ..SessionOptions::default() };
        let error = score(&mut *model.session(&options).unwrap()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::ModelFailed, code), "{give}");
    }
}

#[test]
fn columns_come_with_the_types_a_spark_udf_would_see() {
    let model = PyModel::new(
        "
class Model:
    def predict(self, df):
        def kind(value):
            return type(value).__name__ + (':' + str(value.dtype) if hasattr(value, 'dtype') else '')
        cells = {name: kind(df[name].iloc[0]) for name in df.columns}
        return [' '.join(f'{name}={df.dtypes[name]}/{cells[name]}' for name in df.columns if name != 's')] * len(df)
def _load_pyfunc(path):
    return Model()
",
    );
    let program = "import pyarrow as pa, datetime as d
t = pa.table({'b': pa.array([True, False]), 'bn': pa.array([True, None]), 'i': pa.array([1, 2], pa.int32()), 'l': [1, 2],
  'ln': [1, None], 'f': pa.array([1, 2], pa.float32()), 'dn': [1.5, None], 'y': [b'x', None],
  't': pa.array([d.datetime(2020, 1, 1)] * 2, pa.timestamp('us')), 'D': [d.date(2020, 1, 1)] * 2,
  'A': [[1.0, 2.0], None], 'M': pa.array([[('k', 1)], []], pa.map_(pa.string(), pa.int64())), 'O': [{'x': 1}, None]})
import sys
with pa.OSFile(sys.argv[1], 'wb') as f, pa.ipc.new_file(f, t.schema) as w: w.write_table(t)";
    let batch = support::arrow_from(program);
    let answer = model.session().score(&batch, &Context::default()).unwrap();
    let seen = first_text(&answer, "0");
    let expected = "b=bool/bool:bool bn=object/bool i=int32/int32:int32 l=int64/int64:int64 ln=float64/float64:float64 \
                    f=float32/float32:float32 dn=float64/float64:float64 y=object/bytes t=datetime64[us]/Timestamp D=object/date \
                    A=object/ndarray:float64 M=object/dict O=object/dict";
    let shown = |text: &str| text.replace("bool_", "bool").replace("[ns]", "[us]");
    assert_eq!(shown(&seen), expected);
}

#[test]
fn params_reach_a_predict_that_takes_them_and_no_other() {
    let takes = "
class Model:
    def predict(self, df, params=None):
        return [repr(sorted(params.items()))] * len(df)
def _load_pyfunc(path):
    return Model()
";
    let options =
        SessionOptions { params: params(json!({ "k": 3, "names": ["a", "b"], "f": 0.5 })), ..SessionOptions::default() };
    let model = PyModel::new(takes);
    let answer = score(&mut *model.load(&PyModel::options()).session(&options).unwrap()).unwrap();
    assert_eq!(first_text(&answer, "0"), "[('f', 0.5), ('k', 3), ('names', ['a', 'b'])]");

    let without = takes.replace(", params=None", ", **params").replace("repr(sorted(params.items()))", "str(len(params))");
    let model = PyModel::new(&without);
    let answer = score(&mut *model.load(&PyModel::options()).session(&options).unwrap()).unwrap();
    assert_eq!(first_text(&answer, "0"), "0");
}

#[test]
fn data_config_and_predict_fn_follow_the_flavor() {
    let source = "
class Model:
    def __init__(self, path, config):
        self.text, self.config = open(path).read(), config
    def predict(self, df):
        raise RuntimeError('not this one')
    def tell(self, df):
        return [f'{self.text} {sorted(self.config.items())}'] * len(df)
def _load_pyfunc(path, model_config=None):
    return Model(path, model_config)
";
    let model = PyModel::with_keys(source, "data: some/file.txt\npredict_fn: tell\nconfig: {size: 1, name: n}");
    fs::create_dir(model.path().join("some")).unwrap();
    fs::write(model.path().join("some/file.txt"), "hello").unwrap();
    let mut options = PyModel::options();
    options.model_config = Some(params(json!({ "size": 2, "unknown": true })));
    let answer = score(&mut *model.load(&options).session(&SessionOptions::default()).unwrap()).unwrap();
    assert_eq!(first_text(&answer, "0"), "hello [('name', 'n'), ('size', 2)]");
}

#[test]
fn the_seed_loader_and_modules_sent_along_work() {
    let helpers = tempfile::tempdir().unwrap();
    fs::write(helpers.path().join("sent_along.py"), "WORD = 'helper'").unwrap();
    let source = "
import os, own, sent_along
class Model:
    def predict(self, df):
        return [f'{own.WORD} {sent_along.WORD} {os.environ[\"MODEL_MODE\"]}'] * len(df)
def load_pyfunc(path):
    return Model()
";
    let model = PyModel::new(source);
    fs::write(model.path().join("code/own.py"), "WORD = 'own'").unwrap();
    fs::write(helpers.path().join("own.py"), "WORD = 'shadowed'").unwrap();
    let mut options = PyModel::options();
    options.python.path = vec![helpers.path().to_owned()];
    options.python.env = vec![("MODEL_MODE".into(), "quiet".into())];
    let answer = score(&mut *model.load(&options).session(&SessionOptions::default()).unwrap()).unwrap();
    assert_eq!(first_text(&answer, "0"), "own helper quiet");
}

#[test]
fn paths_that_leave_the_model_are_refused() {
    for keys in ["data: ../other", "data: /etc/passwd"] {
        let model = PyModel::with_keys("", keys);
        let mlmodel = mlflight::mlmodel::MlModel::load(model.path()).unwrap();
        let loaded = mlflight::flavors::python_function::PythonFunction::load(&mlmodel, model.path(), &PyModel::options());
        let error = loaded.err().unwrap();
        assert_eq!(error.kind(), Kind::InvalidModel, "{keys}");
        assert!(error.to_string().contains("leaves the model's directory"), "{error}");
    }
}

#[test]
fn forbidden_code_is_not_run() {
    let model = PyModel::new("raise SystemExit");
    let options = LoadOptions { forbid_code: true, ..PyModel::options() };
    let error = LoadedModel::load(model.path().to_str().unwrap(), &options).err().unwrap();
    assert_eq!((error.kind(), error.code()), (Kind::PermissionDenied, "CODE_FORBIDDEN"));
}

#[test]
fn real_models_score_as_mlflow_scores_them() {
    let python = PythonRuntime { executable: Some(support::python()), workers: Some(1), ..PythonRuntime::default() };
    for name in ["linreg20", "logreg_pipe", "xgb_reg", "pyfunc_custom", "whole_numbers"] {
        let model = support::model(name);
        let options = LoadOptions { engine: Engine::Python, python: python.clone(), ..LoadOptions::default() };
        let loaded = LoadedModel::load(&model.uri(), &options).unwrap();
        assert_eq!(loaded.engine, Engine::Python);
        let result = match name {
            "logreg_pipe" => DataType::Int64,
            "xgb_reg" => DataType::Float32,
            _ => DataType::Float64,
        };
        let scorer = loaded.scorer(ScoreOptions { result: Some(result), ..ScoreOptions::default() }).unwrap();
        let input = support::read_parquet(&model.input());
        let mut session = scorer.open(&input[0].schema()).unwrap();
        let answers: Vec<RecordBatch> = input.iter().map(|batch| session.score(batch, &Context::default()).unwrap()).collect();
        let expected = support::read_parquet(&model.expected());
        let expected = concat_batches(&expected[0].schema(), &expected).unwrap();
        let answers = concat_batches(&answers[0].schema(), &answers).unwrap();
        assert_eq!(answers.column(0), expected.column(0), "{name}");
    }
}

#[test]
fn a_batch_of_plain_doubles_and_one_with_nulls_agree() {
    let source = "
class Model:
    def predict(self, df):
        return df.sum(axis=1).to_numpy() + len(df.columns)
def _load_pyfunc(path):
    return Model()
";
    let model = PyModel::new(source);
    let mut session = model.session();
    let column = |values: Vec<Option<f64>>| Arc::new(arrow::array::Float64Array::from(values)) as _;
    let plain = |x: f64| vec![Some(x), Some(x + 1.0), Some(x + 2.0)];
    let full = RecordBatch::try_from_iter([("a", column(plain(1.0))), ("b", column(plain(2.0))), ("c", column(plain(3.0)))]);
    let full = full.unwrap();
    let context = Context::default();
    assert_eq!(json(&session.score(&full, &context).unwrap()), r#"[{"0":9.0},{"0":12.0},{"0":15.0}]"#);
    assert_eq!(json(&session.score(&full.slice(1, 2), &context).unwrap()), r#"[{"0":12.0},{"0":15.0}]"#);
    let holes = column(vec![None, Some(1.0), Some(1.0)]);
    let holed = RecordBatch::try_from_iter([("a", column(plain(1.0))), ("b", holes), ("c", column(plain(3.0)))]).unwrap();
    assert_eq!(json(&session.score(&holed, &context).unwrap()), r#"[{"0":7.0},{"0":10.0},{"0":12.0}]"#);
    assert_eq!(json(&session.score(&rows().slice(0, 1).project(&[0]).unwrap(), &context).unwrap()), r#"[{"0":2.0}]"#);
}

#[test]
fn declared_tensors_arrays_and_unnamed_columns_come_as_mlflow_enforces_them() {
    let source = "
import numpy as np
def tell(value):
    if isinstance(value, dict):
        return ' '.join(f'{name}:{tell(item)}' for name, item in value.items())
    if isinstance(value, np.ndarray):
        return f'{value.dtype.str}{value.shape}{value.tolist()}'
    return str(list(value.columns)) + ' ' + ' '.join(tell(value[name].iloc[1]) for name in value.columns)
class Model:
    def predict(self, data):
        return [tell(data)] * 2
def _load_pyfunc(path):
    return Model()
";
    let model = PyModel::new(source);
    let ask = |program: Program, columns: &str| {
        let text = format!(
            "import sys, pyarrow as pa\nt = pa.table({columns})\n\
             with pa.OSFile(sys.argv[1], 'wb') as f, pa.ipc.new_file(f, t.schema) as w: w.write_table(t)"
        );
        let environment = Environment::Local(Some(support::python()));
        let pool = Pool::new(environment, &program, Vec::new(), PoolOptions { workers: 1, ..PoolOptions::default() }).unwrap();
        let answer = pool.score(&request(), &support::arrow_from(&text), &Context::default());
        answer.map(|answer| first_text(&answer, "0"))
    };
    let tensor = |name: Option<&str>, dtype: &str, shape: &[i64]| Tensor {
        name: name.map(str::to_owned),
        dtype: dtype.into(),
        shape: shape.to_vec(),
    };
    let with = |tensors: Vec<Tensor>| Program { tensors: Some(tensors), ..model.program() };

    let named = with(vec![tensor(Some("x"), "float32", &[-1, 2, 2]), tensor(Some("n"), "int64", &[-1])]);
    let columns = "{'x': pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.float32())), 'n': [1, 2]}";
    let expected = "x:<f4(2, 2, 2)[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]] n:<i8(2,)[1, 2]";
    assert_eq!(ask(named.clone(), columns).unwrap(), expected);
    let error = ask(named.clone(), "{'x': [[1.0], [2.0]], 'n': [1, 2]}").unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "TENSOR_SHAPE"));
    let error = ask(named, "{'x': [None, [1.0, 2.0, 3.0, 4.0]], 'n': [1, 2]}").unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "NULL_TENSOR"));

    let whole = with(vec![tensor(Some("n"), "int64", &[-1])]);
    let error = ask(whole, "{'n': pa.array([1, None], pa.int64())}").unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "NULL_TENSOR"));

    let unnamed = with(vec![tensor(None, "float64", &[-1, 2])]);
    assert_eq!(ask(unnamed.clone(), "{'0': [1.5, 2.5], '1': [3.0, 4.0]}").unwrap(), "<f8(2, 2)[[1.5, 3.0], [2.5, 4.0]]");
    assert_eq!(ask(unnamed, "{'0': [[1.5, 3.0], [2.5, 4.0]]}").unwrap(), "<f8(2, 2)[[1.5, 3.0], [2.5, 4.0]]");

    let columns = json!([
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "double"}}},
    ]);
    let declared = Program { columns: Some(columns), unnamed: true, ..model.program() };
    let columns = "{'0': [['a'], ['b', 'cc']], '1': [[[1.0]], [[1.0, 2.0], [3.0, 4.0]]]}";
    assert_eq!(ask(declared, columns).unwrap(), "[0, 1] <U2(2,)['b', 'cc'] <f8(2, 2)[[1.0, 2.0], [3.0, 4.0]]");
}
