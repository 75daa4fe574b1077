"""Output conversion: MLflow's own code, lifted out of `spark_udf`, over model answers and result types."""

from __future__ import annotations

import ast
import copy
import datetime as dt
import inspect
import textwrap
from decimal import Decimal
from typing import Any

import canon
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import types as spark


def conversion(result_type: spark.DataType) -> Any:
    """Return MLflow's `_predict_row_batch`, a closure of `spark_udf`, bound to a result type and no signature."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(mlflow.pyfunc.spark_udf)))
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_predict_row_batch"]

    class NoSignature:
        """What the closure reads of the model's metadata."""

        def get_input_schema(self) -> None:
            """Return nothing: names are positions."""

    space = dict(vars(mlflow.pyfunc)) | vars(spark)
    space |= {"SparkStructType": spark.StructType, "model_metadata": NoSignature(), "params": None, "result_type": result_type}
    import pandas
    import pydantic

    space |= {"pandas": pandas, "pydantic": pydantic, "np": np}
    exec(compile(ast.Module(body=found, type_ignores=[]), "spark_udf", "exec"), space)
    return space["_predict_row_batch"]


def columns() -> dict[str, pa.Array]:
    """Return the columns that answers are made of, of three rows each."""
    nan = float("nan")
    noon = dt.datetime(2020, 7, 1, 12)
    return {
        "i8": pa.array([1, 2, 3], pa.int8()),
        "i32": pa.array([1, 2, 3], pa.int32()),
        "i64": pa.array([1, 0, -3], pa.int64()),
        "i64_big": pa.array([1, 2**40, 2**53 + 1], pa.int64()),
        "u32": pa.array([1, 2, 3], pa.uint32()),
        "u64": pa.array([1, 2, 3], pa.uint64()),
        "f32": pa.array([1.0, 0.1, nan], pa.float32()),
        "f64": pa.array([1.0, 2.7, -0.1], pa.float64()),
        "f64_nan": pa.array([1.0, nan, 2.0], pa.float64()),
        "f64_odd": pa.array([1e16, 1e-5, float("inf")], pa.float64()),
        "f64_huge": pa.array([1e300, 123456789.125, -0.0], pa.float64()),
        "whole": pa.array([1.0, 2.0, 3.0], pa.float64()),
        "bool": pa.array([True, False, True]),
        "bool_null": pa.array([True, None, False]),
        "str": pa.array(["a", "b'c", ""]),
        "str_null": pa.array(["a", None, "1"]),
        "date": pa.array([dt.date(2020, 7, 1)] * 3),
        "ts": pa.array([noon, noon.replace(microsecond=1500), noon], pa.timestamp("ns")),
        "dec": pa.array([Decimal("1.50"), Decimal("2.00"), Decimal("-0.10")]),
        "bin": pa.array([b"a", b"\x00'", b"z"]),
        "none": pa.array([None, None, None], pa.null()),
        "list": pa.array([[1.0, 2.5], [], [3.0]], pa.list_(pa.float64())),
        "list_i64": pa.array([[1, 2], [3], [4]], pa.list_(pa.int64())),
    }


ANSWERS: list[dict[str, str]] = [{"0": name} for name in columns()] + [
    {"0": "f64", "1": "whole"},
    {"0": "i32", "1": "i64"},
    {"a": "f64", "b": "i32"},
    {"a": "str", "b": "f64", "c": "i64"},
    {"a": "i64", "b": "f64"},
    {"a": "i8", "b": "bool", "c": "f32"},
    {"a": "u32", "b": "i64"},
]
P = {
    "int": spark.IntegerType(),
    "long": spark.LongType(),
    "float": spark.FloatType(),
    "double": spark.DoubleType(),
    "boolean": spark.BooleanType(),
    "string": spark.StringType(),
}


def results(answer: dict[str, str]) -> dict[str, spark.DataType]:
    """Return the result types, by their names, that are asked of an answer."""
    made: dict[str, spark.DataType] = dict(P)
    made |= {f"array<{name}>": spark.ArrayType(t) for name, t in P.items()}
    for name, t in P.items():
        for field in answer:
            made[f"struct<`{field}`:{name}>"] = spark.StructType([spark.StructField(field, t)])
    first = next(iter(answer))
    for name in ("double", "long", "string"):
        made[f"struct<`{first}`:array<{name}>>"] = spark.StructType([spark.StructField(first, spark.ArrayType(P[name]))])
    if len(answer) > 1:
        fields = [spark.StructField(name, P["double"]) for name in reversed(answer)]
        made["struct<" + ",".join(f"`{name}`:double" for name in reversed(answer)) + ">"] = spark.StructType(fields)
    made["struct<absent:double>"] = spark.StructType([spark.StructField("absent", P["double"])])
    return made


def outcome(answer: pd.DataFrame, result_type: spark.DataType) -> dict[str, Any]:
    """Return what MLflow makes of an answer."""
    try:
        made = conversion(result_type)(lambda frame, params: copy.deepcopy(answer), [pd.Series([0, 0, 0])])
        if isinstance(made, pd.Series):
            return {"values": canon.column(made)}
        fields = {name: canon.column(made[name]) for name in made.columns}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:60]}
    return {"values": [{"o": {name: rows[at] for name, rows in fields.items()}} for at in range(len(made))]}


def cells(made: dict[str, pa.Array]) -> list[dict[str, Any]]:
    """Return the oracle's rows."""
    rows = []
    for answer in ANSWERS:
        frame = pd.DataFrame({name: made[source].to_pandas() for name, source in answer.items()})
        for name, result_type in results(answer).items():
            rows.append({"columns": answer, "result": name, "mlflow": outcome(frame, result_type)})
    return rows
