"""What a Python model sees of nulls, whole numbers and nested values: by MLflow's own paths and by mlflight's.

``python tests/python/what_models_see.py`` runs both and writes ``docs/what-models-see.md``; a test runs them again and compares.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.types import schema as s

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "what-models-see.md"

#: The model: it says what each of its columns holds, row by row. No mlflow, so that a worker starts in a moment.
SOURCE = """
import numpy as np

def tell(value):
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {tell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, np.ndarray):
        text = "str" if value.dtype.kind == "U" else value.dtype
        return f"{text}[" + ", ".join(tell(item) if value.dtype == object else str(item) for item in value) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(tell(item) for item in value) + "]"
    if isinstance(value, (np.bool_, np.number)):
        return f"{type(value).__name__.rstrip('_')} {value}"
    return f"{type(value).__name__} {value}"

class Seen:
    def predict(self, frame):
        columns = [[f"{frame.dtypes.iloc[i]}: {tell(v)}" for v in frame.iloc[:, i]] for i in range(frame.shape[1])]
        return ["|".join(row) for row in zip(*columns)]

def _load_pyfunc(path):
    return Seen()
"""

BIG = 2**60 + 1
DAY = dt.date(2020, 7, 1)
NOON = dt.datetime(2020, 7, 1, 12)
LONGS = pa.list_(pa.int64())
RECORD = pa.struct([("k", pa.int64())])


@dataclass(frozen=True)
class Case:
    """One column of two rows, and the type a signature declares for it.

    `why` says why mlflight differs from MLflow under Spark, `refused` that mlflight refuses the column.
    """

    name: str
    kind: pa.DataType
    values: list[Any]
    declared: Any = None
    required: bool = True
    why: str = ""
    refused: bool = False

    @property
    def array(self) -> pa.Array:
        return pa.array(self.values, self.kind)


ITEM = "numpy's text and booleans have no missing value: an array of objects holds `None`"
NULLABLE = "nulls pass where whole numbers stay exact; beside numbers over 2^53 they are refused"
VALUE = "a null is no reason to refuse a record or a map"
RAGGED = "numpy has no ragged arrays; MLflow fails, and takes lists of lists in a frame"

#: A type without and with a null, not declared.
PLAIN = [
    Case("bool", pa.bool_(), [True, False]),
    Case("bool, null", pa.bool_(), [True, None]),
    Case("int32", pa.int32(), [1, 2]),
    Case("int32, null", pa.int32(), [1, None]),
    Case("int64", pa.int64(), [BIG, 2]),
    Case("int64, null", pa.int64(), [7, None]),
    Case("float32, null", pa.float32(), [1.5, None]),
    Case("double, null", pa.float64(), [1.5, None]),
    Case("text", pa.string(), ["a", "b"]),
    Case("text, null", pa.string(), ["a", None]),
    Case("bytes, null", pa.binary(), [b"a", None]),
    Case("date, null", pa.date32(), [DAY, None]),
    Case("timestamp, null", pa.timestamp("us"), [NOON, None]),
    Case("decimal, null", pa.decimal128(10, 2), [Decimal("1.50"), None]),
    Case("list of int64", LONGS, [[BIG, 2], []]),
    Case("list of int64, null in it", LONGS, [[BIG, None], [1]]),
    Case("list of int64, null", LONGS, [[BIG], None]),
    Case("list of double, null in it", pa.list_(pa.float64()), [[1.5, None], [2.5]]),
    Case("list of text, null in it", pa.list_(pa.string()), [["a", None], ["b"]]),
    Case("list of lists, null in it", pa.list_(LONGS), [[[BIG, None], [1]], [[2]]]),
    Case("struct in a list, null in it", pa.list_(RECORD), [[{"k": BIG}, {"k": None}], [{"k": 1}]]),
    Case("map", pa.map_(pa.string(), pa.int64()), [[("a", BIG)], [("b", 2)]]),
    Case("map, null in it", pa.map_(pa.string(), pa.int64()), [[("a", BIG), ("b", None)], None]),
]

#: The same against a signature.
DECLARED = [
    Case("long", pa.int64(), [BIG, 2], "long"),
    Case("long, null", pa.int64(), [7, None], "long", why=NULLABLE),
    Case("long, null and 2^60+1", pa.int64(), [BIG, None], "long", refused=True),
    Case("integer, null", pa.int32(), [7, None], "integer", why=NULLABLE),
    Case("double, null", pa.float64(), [1.5, None], "double"),
    Case("boolean, null", pa.bool_(), [True, None], "boolean"),
    Case("string, null", pa.string(), ["a", None], "string"),
    Case("binary, null", pa.binary(), [b"a", None], "binary"),
    Case("datetime, null", pa.timestamp("us"), [NOON, None], "datetime"),
    Case("Array(long)", LONGS, [[BIG, 2], []], s.Array("long")),
    Case("Array(long), null in it", LONGS, [[BIG, None], [1]], s.Array("long"), refused=True),
    Case("Array(long), null, optional", LONGS, [[BIG], None], s.Array("long"), required=False),
    Case("Array(double), null in it", pa.list_(pa.float64()), [[1.5, None], [2.5]], s.Array("double")),
    Case("Array(boolean), null in it", pa.list_(pa.bool_()), [[True, None], [False]], s.Array("boolean"), why=ITEM),
    Case("Array(string)", pa.list_(pa.string()), [["a", "bb"], ["c"]], s.Array("string")),
    Case("Array(string), null in it", pa.list_(pa.string()), [["a", None], ["b"]], s.Array("string"), why=ITEM),
    Case("Array(Array(long))", pa.list_(LONGS), [[[1, 2], [3, 4]], [[5]]], s.Array(s.Array("long"))),
    Case(
        "Array(Array(string)), ragged",
        pa.list_(pa.list_(pa.string())),
        [[["a", "b"], ["c"]], [["d"]]],
        s.Array(s.Array("string")),
        why=RAGGED,
    ),
    Case(
        "Array(Object), optional long",
        pa.list_(RECORD),
        [[{"k": BIG}, {"k": None}], [{"k": 1}]],
        s.Array(s.Object([s.Property("k", s.DataType.long, required=False)])),
    ),
    Case(
        "Array(Object), long, null in it",
        pa.list_(RECORD),
        [[{"k": BIG}, {"k": None}], [{"k": 1}]],
        s.Array(s.Object([s.Property("k", s.DataType.long)])),
        why=VALUE,
    ),
    Case(
        "Object",
        pa.struct([("b", pa.bool_()), ("d", pa.float64()), ("k", pa.int64()), ("t", pa.string())]),
        [{"b": True, "d": 0.1, "k": BIG, "t": "x"}, {"b": False, "d": 0.5, "k": None, "t": "y"}],
        s.Object([
            s.Property("b", s.DataType.boolean),
            s.Property("d", s.DataType.double),
            s.Property("k", s.DataType.long, required=False),
            s.Property("t", s.DataType.string),
        ]),
    ),
    Case("Map(long)", pa.map_(pa.string(), pa.int64()), [[("a", BIG)], [("b", 2)]], s.Map(s.DataType.long)),
    Case(
        "Map(long), null in it",
        pa.map_(pa.string(), pa.int64()),
        [[("a", BIG), ("b", None)], []],
        s.Map(s.DataType.long),
        why=VALUE,
    ),
    Case("Map(Array(long))", pa.map_(pa.string(), LONGS), [[("a", [BIG, 1])], []], s.Map(s.Array("long"))),
    Case("Any", LONGS, [[BIG, None], [1]], s.AnyType()),
]

#: One row of the table: what the model saw in both rows, by route.
Row = dict[str, str]

MLFLOW = ("MLflow, Spark", "MLflow, frame")
MLFLIGHT = ("Spark", "frame", "Arrow", "batch-score")


def as_frame(cases: list[Case]) -> pd.DataFrame:
    """Return columns as a caller would write them: Python's objects where pandas has no type."""
    columns = {}
    for at, case in enumerate(cases):
        if pa.types.is_map(case.kind):
            columns[f"c{at}"] = pd.Series([None if v is None else dict(v) for v in case.values], dtype=object)
        elif pa.types.is_nested(case.kind) or pa.types.is_string(case.kind):
            columns[f"c{at}"] = pd.Series(case.values, dtype=object)
        else:
            columns[f"c{at}"] = case.array.to_pandas()
    return pd.DataFrame(columns)


def as_table(cases: list[Case]) -> pa.Table:
    """Return the columns of several cases."""
    return pa.table([case.array for case in cases], names=[f"c{at}" for at in range(len(cases))])


def signature(cases: list[Case]) -> ModelSignature:
    """Return what declares them."""
    inputs = None
    if cases[0].declared is not None:
        inputs = s.Schema([s.ColSpec(case.declared, f"c{at}", case.required) for at, case in enumerate(cases)])
    return ModelSignature(inputs=inputs, outputs=s.Schema([s.ColSpec("string")]))


def save(directory: Path, cases: list[Case]) -> Path:
    """Save the model, with a signature where the cases have declared types."""
    directory.mkdir()
    source, model = directory / "seen_model.py", directory / "model"
    source.write_text(SOURCE)
    options = {"code_paths": [str(source)], "pip_requirements": [], "signature": signature(cases)}
    mlflow.pyfunc.save_model(model, loader_module="seen_model", **options)
    return model


def split(answers: list[str], count: int) -> list[str]:
    """Return what was seen in each column, of both rows."""
    rows = [answer.split("|") for answer in answers]
    seen = []
    for at in range(count):
        (dtype, first), (_, second) = (row[at].split(": ", 1) for row in rows)
        seen.append(f"{dtype}: {first}; {second}")
    return seen


def each(cases: list[Case], score: Callable[[list[Case]], list[str]]) -> list[str]:
    """Return what is seen of each case, each scored by itself."""
    seen = []
    for case in cases:
        try:
            seen += split(score([case]), 1)
        except Exception:
            seen.append("refused")
    return seen


def by_mlflow(through_spark: bool) -> Callable[[list[Case]], list[str]]:
    """Return MLflow's own path: enforcement over what Spark's conversion, or a caller, gives it."""
    from pyspark.sql.conversion import ArrowBatchTransformer

    space: dict[str, Any] = {}
    exec(SOURCE, space)

    def score(cases: list[Case]) -> list[str]:
        meta = Model(signature=None if cases[0].declared is None else signature(cases))
        meta.add_flavor("python_function", loader_module="seen_model")
        if through_spark:
            [batch] = as_table(cases).to_batches()
            series = ArrowBatchTransformer.to_pandas(batch, timezone="UTC")
            if len(cases) == 1 and isinstance(series[0], pd.DataFrame):
                frame = series[0]
            else:
                frame = pd.concat(series, axis=1)
                frame.columns = batch.schema.names
        else:
            frame = as_frame(cases)
        return PyFuncModel(model_meta=meta, model_impl=space["Seen"]()).predict(frame)

    return score


def by_mlflight(spark: Any, path: Path, cases: list[Case]) -> dict[str, Callable[[list[Case]], list[str]]]:
    """Return mlflight's routes to a model of these cases."""
    import mlflight

    model, table = mlflight.load_model(path), as_table(cases)

    def through_spark(cases: list[Case]) -> list[str]:
        udf = mlflight.spark_udf(spark, path)
        frame = spark.createDataFrame(table).coalesce(1)
        return [row[0] for row in frame.select(udf(*table.column_names)).collect()]

    def batch(cases: list[Case]) -> list[str]:
        given, made = path.parent / "in.parquet", path.parent / "out.parquet"
        pq.write_table(table, given)
        command = [Path(sys.executable).with_name("mlflight"), "batch-score", "--model", path, "--input", given]
        done = subprocess.run([*command, "--output", made, "--python", sys.executable], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return pq.read_table(made).column("prediction").to_pylist()

    routes = (
        through_spark,
        lambda cases: list(model.predict(as_frame(cases))),
        lambda cases: model.predict(table).to_pylist(),
        batch,
    )
    return dict(zip(MLFLIGHT, routes, strict=True))


def look(spark: Any, directory: Path, cases: list[Case]) -> list[Row]:
    """Return what every route shows of every case."""
    rows: list[Row] = [{} for _ in cases]
    for name, through_spark in zip(MLFLOW, (True, False), strict=True):
        for row, seen in zip(rows, each(cases, by_mlflow(through_spark)), strict=True):
            row[name] = seen
    taken = [case for case in cases if not case.refused]
    for name, route in by_mlflight(spark, save(directory / "all", taken), taken).items():
        seen = iter(split(route(taken), len(taken)))
        for case, row in zip(cases, rows, strict=True):
            if not case.refused:
                row[name] = next(seen)
    for at, case in enumerate(cases):
        if case.refused:
            for name, route in by_mlflight(spark, save(directory / f"case{at}", [case]), [case]).items():
                [rows[at][name]] = each([case], route)
    return rows


def document(plain: list[Row], declared: list[Row]) -> str:
    """Return the table as a page."""
    lines = [
        "# What a Python model sees",
        "",
        "Nulls, whole numbers and nested values as they reach `predict`: the column's dtype and its two values. Made",
        "by `tests/python/what_models_see.py`, which runs MLflow and mlflight; a test runs it again. mlflight shows the same",
        'by Spark, `load_model` with Arrow and `batch-score`, and with a pandas frame but for the last column. "=" is what',
        f"MLflow shows under Spark (pandas {pd.__version__.split('.')[0]}).",
    ]
    for title, cases, rows in (("Without a signature", PLAIN, plain), ("With a signature", DECLARED, declared)):
        lines += [
            "",
            f"## {title}",
            "",
            "| column | MLflow, Spark | MLflow, frame | mlflight | why | mlflight, frame |",
            "|---|---|---|---|---|---|",
        ]
        for case, row in zip(cases, rows, strict=True):
            theirs, frame = row[MLFLOW[0]], row[MLFLOW[1]]
            [ours] = {row["Spark"], row["Arrow"], row["batch-score"]}
            parts = [
                theirs,
                "=" if frame == theirs else frame,
                "=" if ours == theirs else ours,
                "" if ours == theirs else case.why,
                "" if row["frame"] == ours else row["frame"],
            ]
            lines.append("| " + " | ".join([case.name, *(part.replace("|", "\\|") for part in parts)]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the document."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    warnings.simplefilter("ignore")
    settings = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR"}
    builder = SparkSession.builder.master("local[1]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "plain").mkdir()
        (root / "declared").mkdir()
        spark = builder.getOrCreate()
        DOCUMENT.write_text(document(look(spark, root / "plain", PLAIN), look(spark, root / "declared", DECLARED)))
        spark.stop()


if __name__ == "__main__":
    main()
