"""Types and shapes of answers, as reported: what `PyFuncModel.predict` gives, and in Spark what MLflow's `spark_udf` gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest
from mlflow.models import ModelSignature, infer_signature
from mlflow.types.schema import ColSpec, DataType, Map, Schema
from serving import score, serve, stop
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

import mlflight

ROWS = 4

# The workers that run the models have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def answers(n: int) -> dict[str, Any]:
    """Return answers of every form for n rows."""
    i = np.arange(n)
    return {
        "list of text": [chr(97 + k) for k in i],
        "list of text and None": ["a", None, *["c"] * (n - 2)],
        "array of text": np.array([f"t{k}" for k in i]),
        "array of objects": np.array(["x", None, *["z"] * (n - 2)], dtype=object),
        "frame u, v": pd.DataFrame({"u": i, "v": [f"v{k}" for k in i]}),
        "frame of one column": pd.DataFrame({"y": i * 1.5}),
        "dict of arrays": {"u": i.astype("float32"), "v": [bool(k % 2) for k in i]},
        "array (n, 3)": np.stack([i, i + 1, i + 2], axis=1),
        "array (n, 1)": i.reshape(-1, 1),
        "array (n, 2, 2)": np.arange(n * 4.0).reshape(n, 2, 2),
        "list of large ints": [2**60 + 1 + int(k) for k in i],
        "list of ints and None": [2**60 + 1, None, *[3] * (n - 2)],
        "array of bool": i % 2 == 0,
        "list of bool": [bool(k % 2) for k in i],
        "list of floats and NaN": [0.5, float("nan"), *[2.0] * (n - 2)],
        "array of float32": (i / 3).astype("float32"),
        "array of uint64": i.astype("uint64") + 2**63,
        "series of Int64": pd.Series([2**60 + 1, None, *[1] * (n - 2)], dtype="Int64"),
        "series of category": pd.Series((["a", "b"] * n)[:n]).astype("category"),
        "series of time": pd.Series(pd.date_range("2024-01-01", periods=n, freq="h")),
        "lists of one length": [[int(k), 1] for k in i],
        "ragged lists": [["a"] * int(k) for k in i],
        "list of dicts": [{"p": 2**60 + 1, "q": "x"} for k in i],
        "all None": [None] * n,
    }


class Forms(mlflow.pyfunc.PythonModel):
    """Answers in the form that the input's column ``form`` names."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return answers(len(model_input))[model_input["form"].iloc[0]]


def rows(answer: Any) -> list[Any]:
    """Return an answer row by row as plain Python, missing values as None."""
    if isinstance(answer, dict):
        answer = pd.DataFrame({key: list(value) for key, value in answer.items()})
    if isinstance(answer, pd.DataFrame):
        if [str(i) for i in range(answer.shape[1])] == [str(name) for name in answer.columns]:
            return [[plain(answer.iloc[row, column]) for column in range(answer.shape[1])] for row in range(len(answer))]
        return [{str(name): plain(answer[name].iloc[row]) for name in answer.columns} for row in range(len(answer))]
    made = [plain(value) for value in answer]
    # One column of an array, or of a frame, is a column.
    return [value[0] for value in made] if all(isinstance(value, list) and len(value) == 1 for value in made) else made


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def kinds(value: Any) -> Any:
    """Return a value with the types of what is in it: True is not 1."""
    if isinstance(value, list):
        return [kinds(item) for item in value]
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    return type(value).__name__, value


def theirs(path: Path, frame: pd.DataFrame) -> list[Any]:
    return rows(mlflow.pyfunc.load_model(str(path)).predict(frame))


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forms") / "model"
    mlflow.pyfunc.save_model(path, python_model=Forms(), pip_requirements=["mlflow"])
    return path


@pytest.fixture(scope="module")
def loaded(forms: Path) -> mlflight.Model:
    return mlflight.load_model(forms)


@pytest.fixture(scope="module")
def own(forms: Path) -> Any:
    return mlflow.pyfunc.load_model(str(forms))


def asking(form: str, count: int = ROWS) -> pd.DataFrame:
    return pd.DataFrame({"form": [form] * count})


@pytest.mark.parametrize("form", answers(ROWS))
def test_an_answer_without_signature_is_the_model_s_own(form: str, loaded, own) -> None:
    frame = asking(form)
    frame.index = [7, 5, 3, 1]
    expected, answer = rows(own.predict(frame)), loaded.predict(frame)
    assert answer.index.equals(frame.index)
    if form == "frame of one column":
        expected = [row["y"] for row in expected]
    assert kinds(rows(answer)) == kinds(expected)


def test_types_are_known_by_the_answers_alone(loaded) -> None:
    types = {
        "list of text": pa.string(),
        "list of large ints": pa.int64(),
        "array of bool": pa.bool_(),
        "array of float32": pa.float32(),
        "array of uint64": pa.uint64(),
        "list of floats and NaN": pa.float64(),
        "ragged lists": pa.list_(pa.string()),
        "frame u, v": pa.struct([("u", pa.int64()), ("v", pa.string())]),
        "array (n, 3)": pa.struct([("0", pa.int64()), ("1", pa.int64()), ("2", pa.int64())]),
        "all None": pa.null(),
    }
    assert {form: loaded.predict(pa.table(asking(form))).type for form in types} == types
    assert loaded.output_schema is None
    # Nothing tells the type of no answers.
    assert loaded.predict(pa.table(asking("list of text")).slice(0, 0)).type == pa.float64()
    nan = loaded.predict(asking("list of floats and NaN"))
    assert nan.isna().tolist() == [False, True, False, False]
    assert nan.dtype == float


def test_a_result_type_binds(forms: Path) -> None:
    for asked, expected in [("string", pa.string()), (pa.list_(pa.float64()), pa.list_(pa.float64()))]:
        model = mlflight.load_model(forms, result_type=asked)
        assert model.output_schema.field("prediction").type == expected
        assert model.predict(pa.table(asking("array (n, 3)"))).type == expected
    texts = mlflight.load_model(forms, result_type="string")
    assert texts.predict(pa.table(asking("list of text and None"))).to_pylist() == ["a", None, "c", "c"]
    assert texts.predict(pa.table(asking("list of ints and None"))).to_pylist() == [str(2**60 + 1), None, "3", "3"]
    quirks = mlflight.load_model(forms, result_type="string", compat="mlflow")
    assert quirks.predict(pa.table(asking("array of objects"))).to_pylist()[0] == "x"
    assert quirks.predict(pa.table(asking("array of objects"))).to_pylist()[1] in ("None", "nan")
    whole = mlflight.load_model(forms, result_type="long")
    with pytest.raises(mlflight.MlflightError, match='result_type="float"'):
        whole.predict(pa.table(asking("array of float32")))
    with pytest.raises(mlflight.MlflightError, match="no result type"):
        mlflight.load_model(forms, result_type="much")
    with pytest.raises(mlflight.MlflightError, match=r"pyarrow\.DataType"):
        mlflight.load_model(forms, result_type=3)


BIG = 2**60 + 1
#: What models answer in lists, the result type asked for, and the predictions: values as they are, a missing one is null.
LISTS = {
    "dicts": ([{"a": BIG}, {"a": None}, {"a": 3}], "string", [str(BIG), None, "3"]),
    "dicts of whole numbers": ([{"a": BIG}, {"b": 1}, {"a": 3}], "long", [BIG, None, 3]),
    "whole numbers": ([BIG, None, 3], "long", [BIG, None, 3]),
    "numbers and NaN": ([1.5, float("nan"), None], "double", [1.5, "nan", None]),
    "rows": ([(BIG, None), (1, 2), (None, 3)], "array<long>", [[BIG, None], [1, 2], [None, 3]]),
    "columns": ({"a": [BIG, None, 3], "b": ["x", None, "z"]}, "a long, b string", [(BIG, "x"), (None, None), (3, "z")]),
    "arrays of one text": ([np.array(["x"]), np.array(["y"]), np.array(["z"])], "string", ["x", "y", "z"]),
    "arrays of numbers": ([np.array([1, 7]), np.array([2, 8]), np.array([3, 9])], "string", ["1", "2", "3"]),
    "a matrix": (np.matrix([[1], [2], [3]]), "long", [1, 2, 3]),
    "a set": ({"zeta", "alpha", "beta"}, "string", "a set, which has no order of rows"),
    "no columns": (np.zeros((3, 0)), "double", "returned no columns"),
    "half a surrogate pair": (["a", "\ud800", "c"], "string", "row 1 is a text with a lone surrogate"),
}


def test_lists_keep_their_values_under_a_result_type(tmp_path: Path) -> None:
    class Answers(mlflow.pyfunc.PythonModel):
        def __init__(self, answers):
            self.answers = answers

        def predict(self, context, model_input, params=None):
            return self.answers[model_input["which"].iloc[0]]

    answers = Answers({name: answer for name, (answer, _, _) in LISTS.items()})
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=answers, pip_requirements=["mlflow"])
    for asked in dict.fromkeys(asked for _, asked, _ in LISTS.values()):
        model = mlflight.load_model(tmp_path / "model", result_type=asked)
        for name, (_, _, expected) in {name: case for name, case in LISTS.items() if case[1] == asked}.items():
            table = pa.table({"which": [name] * 3})
            if isinstance(expected, str):
                with pytest.raises(mlflight.MlflightError, match=expected):
                    model.predict(table)
                continue
            values = [tuple(item.values()) if isinstance(item, dict) else item for item in model.predict(table).to_pylist()]
            assert ["nan" if item != item else item for item in values] == expected, name


def test_slices_of_a_table_have_one_type_and_files_that_of_the_first_answer(binary: Path, tmp_path: Path) -> None:
    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            values = model_input["x"]
            return values if values.isna().any() else values.astype("int64")

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Echo(), pip_requirements=["mlflow"])
    model = mlflight.load_model(tmp_path / "model")
    count = 70_000
    table = pa.table({"x": pa.array([1.0] * count + [2.5, None])})
    answer = model.predict(table)
    assert (answer.type, len(answer)) == (pa.float64(), count + 2)
    assert answer.slice(count - 1).to_pylist()[:2] == [1.0, 2.5]
    # In files the first answer tells the type, and half of a number is none of the integers.
    files = tmp_path / "in"
    files.mkdir()
    pq.write_table(table.slice(count - 2, 2), files / "a.parquet")
    pq.write_table(table.slice(count), files / "b.parquet")
    out = tmp_path / "out.parquet"
    command = [binary, "batch-score", "-m", tmp_path / "model", "-i", files, "-o", out]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 2
    assert "--result-type 'double'" in failed.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "model"]
    subprocess.run([*command, "--result-type", "double"], check=True, capture_output=True)
    assert pq.read_table(out).column("prediction").to_pylist()[:3] == [1.0, 1.0, 2.5]


def test_files_and_queries_have_the_model_s_own_type(forms: Path, binary: Path, own, tmp_path: Path) -> None:
    called, added = (f"SELECT {call} AS prediction FROM input" for call in ("predict(form)", "sum(predict(form))"))
    whole = "SELECT form FROM input WHERE true"
    for form, kind, queries in [
        ("list of text and None", pa.string(), [None, called]),
        ("list of large ints", pa.int64(), [None, added]),
        ("frame u, v", pa.struct([("u", pa.int64()), ("v", pa.string())]), [whole]),
    ]:
        frame = asking(form)
        pq.write_table(pa.table(frame), tmp_path / "in.parquet")
        expected = rows(own.predict(frame))
        for query in queries:
            command = [binary, "batch-score", "--overwrite", "-m", forms, "-i", tmp_path / "in.parquet"]
            command += ["-o", tmp_path / "out.parquet", *(["--sql", query] if query else [])]
            subprocess.run(command, check=True, capture_output=True)
            column = pq.read_table(tmp_path / "out.parquet").column("prediction")
            assert (column.type, column.to_pylist()) == (kind, [sum(expected)] if query == added else expected), (form, query)
    frame.to_csv(tmp_path / "in.csv", index=False)
    command = [binary, "predict", "-m", forms, "-i", tmp_path / "in.csv"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert out.splitlines() == ["u,v", "0,v0", "1,v1", "2,v2", "3,v3"]
    command = [binary, "batch-score", "-m", forms, "-i", tmp_path / "in.csv", "-o", tmp_path / "out.json"]
    subprocess.run(command, check=True, capture_output=True)
    first = json.loads((tmp_path / "out.json").read_text().splitlines()[0])
    assert first == {"form": "frame u, v", "prediction.u": 0, "prediction.v": "v0"}


def test_nothing_to_score_is_double_and_nulls_alone_too(forms: Path, binary: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    command = [binary, "batch-score", "--overwrite", "-m", forms, "-i", tmp_path / "in.parquet", "-o", output]
    for count in (0, 3):
        pq.write_table(pa.table({"form": pa.array(["all None"] * count, pa.string())}), tmp_path / "in.parquet")
        subprocess.run(command, check=True, capture_output=True)
        column = pq.read_table(output).column("prediction")
        assert (column.type, column.null_count) == (pa.float64(), count)


def test_maps_are_dicts(tmp_path: Path) -> None:
    class Same(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return list(model_input["m"])

    kind = Map(DataType.long)
    signature = ModelSignature(Schema([ColSpec(kind, "m")]), Schema([ColSpec(kind)]))
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Same(), signature=signature, pip_requirements=["mlflow"])
    maps = [{"a": 2**60 + 1}, {"b": 2}, {}]
    table = pa.table({"m": pa.array([list(one.items()) for one in maps], pa.map_(pa.string(), pa.int64()))})
    model = mlflight.load_model(tmp_path / "model")
    assert model.predict(table).type == pa.map_(pa.string(), pa.int64())
    frame = table.to_pandas(types_mapper={table.schema.field(0).type: pd.ArrowDtype(table.schema.field(0).type)}.get)
    answer = model.predict(frame)
    assert answer.tolist() == maps == mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(pd.DataFrame({"m": maps}))


class TestSklearn:
    """Native and Python alike."""

    x = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})

    @pytest.fixture(scope="class")
    @classmethod
    def saved(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
        x, y = cls.x, np.array([0, 1, 1, 2])
        odd = np.array([0, 1, 0, 1])
        line, classes = LinearRegression().fit(x, y), LogisticRegression().fit(x, odd)
        words = LogisticRegression().fit(x, np.array(["no", "yes", "no", "yes"]))
        several = KNeighborsRegressor(2).fit(x, np.stack([y, odd, y * 0.5], axis=1))
        made = {
            "ints": (line, infer_signature(x, pd.DataFrame({"y": y}))),
            "array of ints": (line, infer_signature(x, y)),
            "array": (line, infer_signature(x, line.predict(x))),
            "boolean": (classes, ModelSignature(infer_signature(x).inputs, Schema([ColSpec("boolean")]))),
            "classes": (classes, None),
            "words": (words, infer_signature(x, words.predict(x))),
            "several": (several, infer_signature(x, several.predict(x))),
        }
        root = tmp_path_factory.mktemp("sklearn")
        for name, (model, signature) in made.items():
            mlflow.sklearn.save_model(model, root / name, signature=signature, pip_requirements=["scikit-learn"])
        return {name: root / name for name in made}

    @pytest.mark.parametrize("engine", ["native", "python"])
    def test_as_mlflow_s_predict(self, saved: dict[str, Path], engine: str) -> None:
        for name, path in saved.items():
            if engine == "python" and name in ("array", "words"):
                continue
            model = mlflight.load_model(path, engine=engine)
            answer = model.predict(self.x)
            expected = theirs(path, self.x)
            got = rows(answer)
            if name == "several" or isinstance(expected[0], float):
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12, err_msg=name)
            else:
                assert kinds(got) == kinds(expected), name

    def test_files(self, saved: dict[str, Path], binary: Path, tmp_path: Path) -> None:
        pq.write_table(pa.table(self.x), tmp_path / "in.parquet")
        for name in ("ints", "array of ints", "boolean"):
            out = tmp_path / f"{name}.parquet"
            subprocess.run(
                [binary, "batch-score", "-m", saved[name], "-i", tmp_path / "in.parquet", "-o", out],
                check=True,
                capture_output=True,
            )
            expected = mlflow.pyfunc.load_model(str(saved[name])).predict(self.x)
            column = pq.read_table(out).column("prediction")
            assert column.type == pa.from_numpy_dtype(expected.dtype)
            np.testing.assert_allclose(column.to_numpy(), expected, rtol=1e-12, atol=1e-12)

    def test_spark_fixes_the_declared_type(self, spark, saved: dict[str, Path]) -> None:
        frame = spark.createDataFrame(self.x).coalesce(1)

        def scored(udf: Any) -> list[Any]:
            return [row[0] for row in frame.select(udf("a", "b")).collect()]

        with pytest.warns(UserWarning, match='result_type="double"'):
            listed = mlflight.spark_udf(spark, saved["array"])
        mlflows = mlflow.pyfunc.spark_udf(spark, str(saved["array"]), env_manager="local")
        np.testing.assert_allclose(scored(listed), scored(mlflows), atol=1e-12)
        np.testing.assert_allclose(
            scored(mlflight.spark_udf(spark, saved["array"], result_type="double")), theirs(saved["array"], self.x), atol=1e-12
        )
        assert scored(mlflight.spark_udf(spark, saved["boolean"])) == [bool(value) for value in theirs(saved["boolean"], self.x)]
        for name, remedy in [("ints", "double"), ("array of ints", "array<double>")]:
            for engine in ("native", "python") if name == "ints" else ("native",):
                with pytest.raises(Exception, match=f'result_type="{remedy}"'):
                    scored(mlflight.spark_udf(spark, saved[name], engine=engine))
            held = [value[0] if remedy != "double" else value for value in scored(mlflight.spark_udf(spark, saved[name], remedy))]
            np.testing.assert_allclose(held, theirs(saved[name], self.x), atol=1e-12)


def test_a_missing_text_is_null_in_spark_and_mlflow_s_text_where_that_is_asked(spark, forms: Path) -> None:
    for form in ("list of text and None", "array of objects"):
        # A model without signature sees the names of a struct's fields.
        frame = spark.createDataFrame(asking(form)).selectExpr("struct(form) AS whole").coalesce(1)
        mlflows = mlflow.pyfunc.spark_udf(spark, str(forms), result_type="string", env_manager="local")
        ours = mlflight.spark_udf(spark, forms, "string")
        quirks = mlflight.spark_udf(spark, forms, "string", compat="mlflow")
        expected, exact, same = ([row[0] for row in frame.select(udf("whole")).collect()] for udf in (mlflows, ours, quirks))
        assert expected[1] in ("None", "nan")
        assert exact == [expected[0], None, *expected[2:]]
        assert same == expected


def test_any_flight_client_gets_the_model_s_own_type(forms: Path) -> None:
    server = serve("--model", f"forms={forms}", "--flight", "127.0.0.1:0")
    try:
        client, named = server.connect(), flight.FlightDescriptor.for_path("forms")
        (info,) = client.list_flights()
        assert info.schema is None or info.schema.names == []
        with pytest.raises(KeyError, match="only the first answer tells"):
            client.get_schema(named)
        for form, kind in [("list of text", pa.string()), ("array of bool", pa.bool_()), ("all None", pa.float64())]:
            (batch,) = pa.table(asking(form)).to_batches()
            assert score(client, [batch, batch.slice(1)], named).column("prediction").type == kind
        mixed = [pa.table(asking(form)).to_batches()[0] for form in ("list of text", "array of bool")]
        with pytest.raises(pa.ArrowInvalid, match="in another type than the rows before"):
            score(client, mixed, named)
    finally:
        stop(server)
