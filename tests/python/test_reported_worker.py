"""Reported faults of what Python models are given: nulls, whole numbers, maps, records, lists of lists."""

from __future__ import annotations

import base64
import datetime as dt
import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.models import ModelSignature
from mlflow.types import schema as s
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

import mlflight
from mlflight import _native
from mlflight.spark import _body, udf
from mlflight.spark._mark import Mark

BIG = 2**60 + 1

#: Says what is in the first column of each row.
SOURCE = """
import numpy as np

def tell(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype.kind}{value.shape} {[tell(item) for item in value]}"
    if isinstance(value, dict):
        return str({key: tell(item) for key, item in value.items()})
    return f"{type(value).__name__} {value}"

class Model:
    def predict(self, frame):
        return [tell(value) for value in frame.iloc[:, 0]]

def _load_pyfunc(path):
    return Model()
"""


def saved(directory: Path, inputs: s.Schema | None) -> mlflight.Model:
    source = directory / "telling_model.py"
    source.write_text(SOURCE)
    signature = ModelSignature(inputs=inputs, outputs=s.Schema([s.ColSpec("string")]))
    options = {"code_paths": [str(source)], "pip_requirements": [], "signature": signature}
    mlflow.pyfunc.save_model(directory / "model", loader_module="telling_model", **options)
    return mlflight.load_model(directory / "model")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> mlflight.Model:
    """Return a model whose columns may each be there alone."""
    record = s.Object([s.Property("b", s.DataType.boolean), s.Property("k", s.DataType.long, required=False)])
    kinds = {
        "map": s.Map(s.DataType.long),
        "lists": s.Map(s.Array("double")),
        "record": record,
        "records": s.Array(record),
        "words": s.Array(s.Array("string")),
        "matrix": s.Array(s.Array("double")),
        "whole": s.Array("long"),
        "long": "long",
        "time": "datetime",
        "text": "string",
        "bytes": "binary",
        "double": "double",
    }
    schema = s.Schema([s.ColSpec(kind, name, required=False) for name, kind in kinds.items()])
    return saved(tmp_path_factory.mktemp("declared"), schema)


@pytest.fixture(scope="module")
def undeclared(tmp_path_factory: pytest.TempPathFactory) -> mlflight.Model:
    return saved(tmp_path_factory.mktemp("undeclared"), None)


def frame(name: str, values: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype=object)})


SQUARE = np.array([[1.5, 2.5], [3.5, 4.5]])

SEEN = [
    ("map", [{"a": BIG}, {"b": 2}, {}, None], [f"{{'a': 'int64 {BIG}'}}", "{'b': 'int64 2'}", "{}", "NoneType None"]),
    ("map", [{}, None], ["{}", "NoneType None"]),
    ("map", [{"a": None}, {"b": BIG}], ["{'a': 'NoneType None'}", f"{{'b': 'int64 {BIG}'}}"]),
    ("lists", [{"a": [1.5]}, {}], ["{'a': \"f(1,) ['float64 1.5']\"}", "{}"]),
    (
        "record",
        [{"b": True, "k": BIG}, {"b": False}],
        [f"{{'b': 'bool True', 'k': 'int64 {BIG}'}}", "{'b': 'bool False', 'k': 'NoneType None'}"],
    ),
    ("record", [{"b": np.True_}], ["{'b': 'bool True'}"]),
    ("records", [[{"b": True}], []], ["O(1,) [\"{'b': 'bool True'}\"]", "f(0,) []"]),
    (
        "words",
        [[["a", "b"], ["c"]], [["d"]]],
        ["O(2,) [\"U(2,) ['str_ a', 'str_ b']\", \"U(1,) ['str_ c']\"]", "U(1, 1) [\"U(1,) ['str_ d']\"]"],
    ),
    (
        "matrix",
        [SQUARE, SQUARE[:1]],
        [
            "f(2, 2) [\"f(2,) ['float64 1.5', 'float64 2.5']\", \"f(2,) ['float64 3.5', 'float64 4.5']\"]",
            "f(1, 2) [\"f(2,) ['float64 1.5', 'float64 2.5']\"]",
        ],
    ),
    ("whole", [np.array([BIG, 1], dtype=np.int64), [2]], [f"i(2,) ['int64 {BIG}', 'int64 1']", "i(1,) ['int64 2']"]),
    ("time", ["2020-07-01 12:00", None], ["Timestamp 2020-07-01 12:00:00", "NaTType NaT"]),
    ("time", [dt.date(2020, 7, 1)], ["Timestamp 2020-07-01 00:00:00"]),
    ("text", ["a", None], ["str a", "NoneType None"]),
    ("text", ["a", float("nan")], ["str a", "float nan"]),
    ("bytes", [b"a", None], ["bytes b'a'", "NoneType None"]),
    ("long", [7, None], ["float 7.0", "float nan"]),
    ("double", [1, 2.5], ["float 1.0", "float 2.5"]),
]


@pytest.mark.parametrize(("name", "values", "seen"), SEEN, ids=lambda value: value if isinstance(value, str) else "")
def test_a_frame_reaches_the_model_as_the_signature_says(declared, name, values, seen):
    assert list(declared.predict(frame(name, values))) == seen


REFUSED = [
    ("map", [{1: 2}], "column 'map'", "the keys of a map are text"),
    ("map", [{"a": 1}, 5], "column 'map'", "expected a dict, found int"),
    ("map", [{"a": 0.5}], "column 'map{}'", "the value would change"),
    ("record", [{"b": True, "z": 1}], "column 'record'", "['z']"),
    ("record", [{"b": True}, {"k": 1}], "column 'record'", "has no ['b']"),
    ("words", ["abc"], "column 'words'", "expected a list"),
    ("whole", [[BIG, None]], "column 'whole[]'", "cannot hold a null"),
    ("whole", [[1], ["x"]], "column 'whole[]'", "long"),
    ("long", [BIG, None], "column 'long'", "would round"),
    ("time", ["soon"], "column 'time'", "datetime"),
]


@pytest.mark.parametrize(("name", "values", "where", "why"), REFUSED)
def test_what_the_signature_refuses_names_its_column(declared, name, values, where, why):
    with pytest.raises(mlflight.MlflightError) as caught:
        declared.predict(frame(name, values))
    assert caught.value.kind == "INVALID_ARGUMENT"
    assert where in str(caught.value)
    assert why in str(caught.value)


def test_columns_without_a_signature_keep_what_they_hold(undeclared):
    matrix = ["f(2, 2) [\"f(2,) ['float64 1.5', 'float64 2.5']\", \"f(2,) ['float64 3.5', 'float64 4.5']\"]"]
    made = undeclared.predict(frame("a", [SQUARE]))
    assert list(made) == matrix
    assert list(undeclared.predict(frame("a", [{"p": BIG}, {"q": 2}, {}]))) == [f"{{'p': 'int {BIG}'}}", "{'q': 'int 2'}", "{}"]
    mixed = frame("a", [{"p": 1, "q": "x"}, {"p": 2}]).assign(b=1.5)
    assert list(undeclared.predict(mixed)) == ["{'p': 'int 1', 'q': 'str x'}", "{'p': 'int 2', 'q': 'NoneType None'}"]
    text = pd.DataFrame({"a": ["x", None]})
    held = "float nan" if int(pd.__version__.split(".")[0]) >= 3 else "NoneType None"
    assert list(undeclared.predict(text)) == ["str x", held]
    # Arrow's null becomes what pandas has for it, as under MLflow.
    assert undeclared.predict(pa.table({"a": ["x", None]})).to_pylist() == ["str x", held]
    table = pa.table({"a": pa.array([[BIG, None]], pa.list_(pa.int64()))})
    assert undeclared.predict(table).to_pylist() == [f"O(2,) ['int {BIG}', 'NoneType None']"]


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_none_is_none_for_an_imputer_of_none(tmp_path, strategy):
    values = np.array(["a", "b", None, "c", None, "a"] * 5, dtype=object).reshape(-1, 1)
    fill = {"fill_value": "b"} if strategy == "constant" else {}
    imputer = SimpleImputer(missing_values=None, strategy=strategy, **fill)
    pipeline = make_pipeline(imputer, OrdinalEncoder(), DecisionTreeClassifier(random_state=0))
    pipeline.fit(values, [1, 2, 10, 3, 10, 1] * 5)
    mlflow.sklearn.save_model(pipeline, tmp_path / "model", pip_requirements=[], serialization_format="cloudpickle")
    expected = pipeline.predict(np.array(["a", None, "b"], dtype=object).reshape(-1, 1))
    python = mlflight.load_model(tmp_path / "model", engine="python")
    assert python.predict(pa.table({"x": ["a", None, "b"]})).to_pylist() == expected.tolist()
    assert python.predict(frame("x", ["a", None, "b"])).tolist() == expected.tolist()


def test_the_pandas_body_of_older_spark_takes_maps_and_records_from_the_signature(declared):
    spec = _native.make_spec(declared._native.uri, python=sys.executable)
    mark = Mark(
        version=_native.__version__,
        spec=base64.b64encode(spec.to_bytes()).decode(),
        uri=declared._native.uri,
        digest="",
        engine="python",
        mode=None,
        server=None,
        inputs=spec.input_names,
        required=spec.required_count,
        result='"string"',
        fallback=True,
        whole=udf._whole_columns(spec),
        nested=udf._nested_columns(spec),
    )
    body = _body.make(mark.text(), "score")
    maps = pd.Series([{"a": BIG}, {"b": 2}, {}])
    assert list(body(map=maps)) == [f"{{'a': 'int64 {BIG}'}}", "{'b': 'int64 2'}", "{}"]
    # Spark 3.5 has made a double of it before anybody else sees it.
    with pytest.raises(ValueError, match="nulls beside whole numbers"):
        body(records=pd.Series([np.array([{"b": True, "k": float(BIG)}, {"b": True, "k": None}])]))
