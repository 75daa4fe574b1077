"""What the enforcement oracle asks: columns of every Arrow type, with and without nulls, against every declared type."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Map, Object, Property, Schema, TensorSpec

NOON = dt.datetime(2020, 7, 1, 12)
DAY = dt.date(2020, 7, 1)
NAN = float("nan")

# Name, type, three values, and whether Spark has the type.
SCALARS: list[tuple[str, pa.DataType, list[Any]]] = [
    ("i8", pa.int8(), [1, -2, 7]),
    ("i16", pa.int16(), [1, -2, 7]),
    ("i32", pa.int32(), [1, -2, 2**31 - 1]),
    ("i64", pa.int64(), [1, -2, 7]),
    ("i64_bits", pa.int64(), [1, 0, 1]),
    ("i64_53", pa.int64(), [1, 2**53, 7]),
    ("i64_big", pa.int64(), [1, 2**53 + 1, 7]),
    ("u8", pa.uint8(), [1, 2, 255]),
    ("u16", pa.uint16(), [1, 2, 7]),
    ("u32", pa.uint32(), [1, 2, 2**32 - 1]),
    ("u64", pa.uint64(), [1, 2, 7]),
    ("u64_bits", pa.uint64(), [1, 0, 1]),
    ("u64_big", pa.uint64(), [1, 2, 2**64 - 1]),
    ("f16", pa.float16(), [np.float16(1.0), np.float16(2.5), np.float16(-7.0)]),
    ("f32", pa.float32(), [1.0, 2.5, NAN]),
    ("f64", pa.float64(), [1.0, 2.5, NAN]),
    ("f64_fine", pa.float64(), [1.0, 0.1, float("inf")]),
    ("f64_whole", pa.float64(), [1.0, -2.0, 7.0]),
    ("f64_bits", pa.float64(), [1.0, 0.0, 1.0]),
    ("bool", pa.bool_(), [True, False, True]),
    ("str", pa.string(), ["1", "x", "é"]),
    ("large_str", pa.large_string(), ["1", "x", "é"]),
    ("str_numbers", pa.string(), ["1", "2.5", "3"]),
    ("str_dates", pa.string(), ["2020-07-01", "2020-07-02", "2020-07-03"]),
    ("bin", pa.binary(), [b"1", b"x", b"\xff"]),
    ("bin_numbers", pa.binary(), [b"1.5", b"2", b"3"]),
    ("date", pa.date32(), [DAY, dt.date(1969, 1, 1), DAY]),
    ("date64", pa.date64(), [DAY, DAY, DAY]),
    ("ts_s", pa.timestamp("s"), [NOON, NOON, NOON]),
    ("ts_us", pa.timestamp("us"), [NOON.replace(microsecond=1), dt.datetime(1969, 1, 1), NOON]),
    ("ts_ns", pa.timestamp("ns"), [NOON, NOON, NOON]),
    ("tz", pa.timestamp("us", "America/New_York"), [NOON.replace(tzinfo=dt.UTC)] * 3),
    ("tz_local", pa.timestamp("ms", "Asia/Tokyo"), [NOON.replace(tzinfo=dt.UTC)] * 3),
    ("dec", pa.decimal128(10, 2), [Decimal("1.50"), Decimal("0.10"), Decimal("-3.00")]),
    ("dec_whole", pa.decimal128(10, 2), [Decimal("1.00"), Decimal("2.00"), Decimal("-3.00")]),
    ("dec_wide", pa.decimal128(38, 18), [Decimal("1234567890123456789.123456789"), Decimal("0.1"), Decimal("1E-18")]),
    ("dec256", pa.decimal256(60, 5), [Decimal("1.5"), Decimal("2"), Decimal(10) ** 50]),
    ("time", pa.time64("us"), [dt.time(1, 2, 3)] * 3),
    ("duration", pa.duration("us"), [dt.timedelta(1)] * 3),
    ("null", pa.null(), [None, None, None]),
]
PANDAS_ONLY = ("u8", "u16", "u32", "u64", "f16", "date64", "dec256", "dict", "pandas", "tz_local")
KINDS = [
    DataType.boolean,
    DataType.integer,
    DataType.long,
    DataType.float,
    DataType.double,
    DataType.string,
    DataType.binary,
    DataType.datetime,
]
# The types that lie in lists, records and maps.
INNER = ["i32", "i64", "i64_bits", "u8", "f32", "f64", "bool", "str", "bin_numbers", "date", "ts_us", "tz", "dec", "null"]


@dataclasses.dataclass
class Case:
    """Columns (name to input) and the declared inputs."""

    columns: dict[str, str]
    schema: Schema


def route(source: str) -> str:
    """Return how an input reaches MLflow."""
    return "pandas" if any(part in source for part in PANDAS_ONLY) else "spark"


def _with_nulls(values: list[Any]) -> list[Any]:
    return [values[0], None, values[2]]


def inputs() -> dict[str, pa.Array]:
    """Return the input columns, of three rows each."""
    made = {}
    by_name = {name: (t, values) for name, t, values in SCALARS}
    for name, t, values in SCALARS:
        made[name] = pa.array(values, t)
        if name != "null":
            made[f"{name}_null"] = pa.array(_with_nulls(values), t)
            made[f"{name}_none"] = pa.array([None] * 3, t)
    for name in ("tz", "tz_null"):
        made[f"{name}_pandas"] = made[name]
    for name in ("str", "str_null", "i64", "f64_whole", "bool"):
        made[f"dict_{name}"] = made[name].dictionary_encode()
    for name in INNER:
        t, (a, b, c) = by_name[name]
        made[f"list_{name}"] = pa.array([[a, b], [c], []], pa.list_(t))
        made[f"map_{name}"] = pa.array([[("k", a)], [("k", b), ("l", c)], []], pa.map_(pa.string(), t))
        made[f"record_{name}"] = pa.array([{"p": a}, {"p": b}, {"p": c}], pa.struct([("p", t)]))
        if name != "null":
            made[f"list_{name}_null"] = pa.array([[a, None], [c], [None]], pa.list_(t))
            made[f"record_{name}_null"] = pa.array([{"p": a}, {"p": None}, {"p": c}], pa.struct([("p", t)]))
            made[f"map_{name}_null"] = pa.array([[("k", a)], [("k", None)], []], pa.map_(pa.string(), t))
    made["list_missing"] = pa.array([[1.0], None, [2.0]], pa.list_(pa.float64()))
    made["record_missing"] = pa.array([{"p": 1.0}, None, {"p": 2.0}], pa.struct([("p", pa.float64())]))
    made["map_missing"] = pa.array([[("k", 1.0)], None, []], pa.map_(pa.string(), pa.float64()))
    made["list_list"] = pa.array([[[1.0, 2.0], []], [], [[3.0]]], pa.list_(pa.list_(pa.float64())))
    made["list_list_i64"] = pa.array([[[1, 0], []], [], [[1]]], pa.list_(pa.list_(pa.int64())))
    made["list_record"] = pa.array([[{"p": 1.0}], [], [{"p": 2.0}]], pa.list_(pa.struct([("p", pa.float64())])))
    two = pa.struct([("p", pa.float64()), ("q", pa.string())])
    made["record_two"] = pa.array([{"p": 1.0, "q": "a"}, {"p": 2.0, "q": "b"}, {"p": 3.0, "q": None}], two)
    made["list_pair_f32"] = pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32()))
    made["list_pair_f64"] = pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float64()))
    made["list_ragged"] = pa.array([[1.0, 2.0], [1.0], [1.0, 2.0]], pa.list_(pa.float64()))
    return made


def cases(made: dict[str, pa.Array]) -> list[Case]:
    """Return everything that is asked of MLflow."""
    asked = []

    def ask(source: str, kind: Any, required: bool = True) -> None:
        asked.append(Case({"x": source}, Schema([ColSpec(kind, "x", required)])))

    scalar = [name for name in made if not name.startswith(("list_", "map_", "record_"))]
    for source in scalar:
        for kind in KINDS:
            ask(source, kind)
    for name in INNER:
        for kind in KINDS:
            for end in ("", "_null"):
                if f"list_{name}{end}" in made:
                    ask(f"list_{name}{end}", Array(kind))
                    ask(f"record_{name}{end}", Object([Property("p", kind)]))
                    ask(f"map_{name}{end}", Map(kind))
                    ask(f"record_{name}{end}", Object([Property("p", kind, required=False)]))
    for source, kind in (("list_missing", Array("double")), ("record_missing", Object([Property("p", "double")]))):
        ask(source, kind)
        ask(source, kind, required=False)
    ask("map_missing", Map("double"))
    ask("map_missing", Map("double"), required=False)
    for kind in KINDS:
        ask("list_f64", kind)
        ask("record_f64", kind)
        ask("map_f64", kind)
    for source in ("list_list", "list_list_i64"):
        ask(source, Array(Array("double")))
        ask(source, Array("double"))
        ask(source, Array(AnyType()))
    ask("list_record", Array(Object([Property("p", "double")])))
    ask("record_two", Object([Property("p", "double"), Property("q", "string", required=False)]))
    ask("record_two", Object([Property("p", "double")]))
    ask("record_f64", Object([Property("p", "double"), Property("q", "string", required=False)]))
    ask("record_f64", Object([Property("p", "double"), Property("q", "string")]))
    ask("record_f64", Map("double"))
    for source in ("i64", "str", "list_f64", "record_two", "dec", "null"):
        ask(source, AnyType())
    asked += frames()
    asked += tensors()
    return asked


def frames() -> list[Case]:
    """Return cases of several columns: names, order, optional, extra, unnamed."""
    ab = [ColSpec("double", "a"), ColSpec("string", "b")]
    optional = [ColSpec("double", "a"), ColSpec("string", "b", required=False)]
    unnamed = [ColSpec("double"), ColSpec("string")]
    return [
        Case({"b": "str", "a": "f64"}, Schema(ab)),
        Case({"c": "i64", "b": "str", "a": "f64"}, Schema(ab)),
        Case({"a": "f64", "c": "str"}, Schema(ab)),
        Case({"a": "f64"}, Schema(ab)),
        Case({"a": "f64"}, Schema(optional)),
        Case({"a": "f64", "b": "i64"}, Schema(optional)),
        Case({"a": "f64", "b": "str_null"}, Schema(optional)),
        Case({"0": "f64", "1": "str"}, Schema(unnamed)),
        Case({"0": "f64", "1": "str", "2": "i64"}, Schema(unnamed)),
        Case({"0": "f64"}, Schema(unnamed)),
    ]


def tensors() -> list[Case]:
    """Return cases of tensor signatures."""
    asked = []
    for dtype in ("float32", "float64", "int64"):
        d = np.dtype(dtype)
        for source in ("f64_whole", "i64", "list_pair_f32", "list_pair_f64", "list_ragged"):
            for shape in ((-1,), (-1, 1), (-1, 2), (-1, 2, 1), (-1, -1), (3, 2)):
                asked.append(Case({"x": source}, Schema([TensorSpec(d, shape, "x")])))
        asked.append(Case({"a": "f64_whole", "b": "f64_bits"}, Schema([TensorSpec(d, (-1, 2))])))
        asked.append(Case({"a": "f64_whole", "b": "f64_bits"}, Schema([TensorSpec(d, (-1, 3))])))
        asked.append(Case({"x": "list_pair_f64"}, Schema([TensorSpec(d, (-1, 2))])))
        asked.append(
            Case({"x": "list_pair_f32", "y": "f64_whole"}, Schema([TensorSpec(d, (-1, 2), "x"), TensorSpec(d, (-1,), "y")]))
        )
        asked.append(Case({"y": "f64_whole"}, Schema([TensorSpec(d, (-1, 2), "x"), TensorSpec(d, (-1,), "y")])))
    return asked
