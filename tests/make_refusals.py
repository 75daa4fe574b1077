"""Give every XGBoost and LightGBM model of the test suites odd rows, and write down what the library does with them.

``make_refusals.py OUT`` takes the cases of ``make_xgboost.py`` and ``make_lightgbm.py`` and writes for each
``OUT/LIBRARY.NAME/model`` (saved by MLflow) and ``OUT/LIBRARY.NAME/probe.PROBE.arrow``: six rows, of which something in one
column or in the columns themselves is odd, beside what each method answers to them (``METHOD:0``, ...); the metadata names
the estimator, the column, and the methods that refuse. The library is given the frame that pandas makes of the rows: truth values
with a null are pandas' nullable ones, a column of nothing but nulls is one of NaN.
"""

from __future__ import annotations

import datetime
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import make_lightgbm
import make_xgboost
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa

SUITES = {"xgboost": make_xgboost, "lightgbm": make_lightgbm}
#: Rows of a case that are taken, behind those that are odd already; the odd one among them.
ROWS, ODD = slice(100, 106), 3
#: Columns of other types than numbers.
MISTYPED: dict[str, pa.Array] = {
    "text": pa.array(["1.5"] * 6),
    "truth": pa.array([True, False] * 3),
    "date": pa.array([datetime.date(2024, 2, 29)] * 6),
    "time": pa.array([datetime.datetime(2024, 2, 29, 12)] * 6, pa.timestamp("us")),
    "list": pa.array([[1.5]] * 6),
    "words": pa.array(["a", "b"] * 3).dictionary_encode(),
    "nothing": pa.nulls(6),
}


def probes(rows: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """Yield the rows with something odd: the name of the oddity, the column, the rows."""

    def put(name: str, values: Any) -> tuple[str, pa.Table]:
        return name, rows.set_column(rows.column_names.index(name), name, values)

    def one(name: str, value: Any) -> tuple[str, pa.Table]:
        values = rows[name].to_pylist()
        return put(name, pa.array([*values[:ODD], value, *values[ODD + 1 :]], rows[name].type))

    def of(test: Callable[[pa.DataType], bool]) -> str | None:
        names = [field.name for field in rows.schema if test(field.type)]
        return names[len(names) // 2] if names else None

    if number := of(pa.types.is_float64):
        yield "infinity", *one(number, np.inf)
        yield "minus infinity", *one(number, -np.inf)
        yield "NaN", *one(number, np.nan)
        yield "null", *one(number, None)
        yield "1e39", *one(number, 1e39)
        yield "number", *one(number, 12345.5)
        for name, values in MISTYPED.items():
            yield name, *put(number, values)
        yield "fewer columns", number, rows.drop_columns([number])
    if single := of(pa.types.is_float32):
        yield "infinity in float", *one(single, np.inf)
    if whole := of(pa.types.is_int64):
        yield "null among integers", *one(whole, None)
        yield "2^53 + 1", *one(whole, 2**53 + 1)
    if flag := of(pa.types.is_boolean):
        yield "null among truths", *one(flag, None)
    if words := of(pa.types.is_dictionary):
        values = rows[words].combine_chunks().dictionary_decode().to_pylist()
        unseen = 4711 if any(isinstance(value, int) for value in values) else "never seen"
        for name, value in ("category", unseen), ("null category", None):
            yield name, *put(words, pa.array([*values[:ODD], value, *values[ODD + 1 :]]).dictionary_encode())
        yield "codes", *put(words, pa.array([1.0] * 6))
    yield "more columns", "extra", rows.append_column("extra", pa.array([1.0] * 6))
    yield "no rows", "", rows.slice(0, 0)


def frame(rows: pa.Table) -> pd.DataFrame:
    """Return the rows as pandas holds them."""
    made = rows.to_pandas()
    for at, field in enumerate(rows.schema):
        if pa.types.is_null(field.type):
            made[field.name] = np.nan
        elif pa.types.is_boolean(field.type) and rows.column(at).null_count:
            made[field.name] = made[field.name].astype("boolean")
    return made


def answer(method: str, predict: Callable[[Any], Any], rows: pa.Table) -> dict[str, pa.Array]:
    """Return what a method gives, a column each."""
    values = np.asarray(predict(frame(rows)))
    values = values.reshape(len(values), -1)
    kind = "str" if values.dtype == object else values.dtype
    return {f"{method}:{at}": pa.array(np.ascontiguousarray(values[:, at]).astype(kind)) for at in range(values.shape[1])}


def build(case: tuple[str, str], out: Path) -> None:
    """Make one case."""
    warnings.simplefilter("ignore")
    library, name = case
    suite = SUITES[library]
    model, data, kind = suite.CASES[name]()
    directory = out / f"{library}.{name}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    suite.save(model, kind, directory / "model")
    methods = {"predict": mlflow.pyfunc.load_model(str(directory / "model")).predict}
    if hasattr(model, "predict_proba"):
        methods["predict_proba"] = model.predict_proba
    data.columns = [str(column) for column in data.columns]
    for probe, column, rows in probes(pa.Table.from_pandas(data.iloc[ROWS], preserve_index=False)):
        metadata = {"column": column, "estimator": type(model).__name__}
        found = rows
        for method, predict in methods.items():
            try:
                columns = answer(method, predict, rows)
            except Exception as error:
                metadata[f"refused:{method}"] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
                continue
            for key, values in columns.items():
                # Without rows there may be an answer all the same.
                found = found.append_column(key, values.slice(0, rows.num_rows))
        suite.write(directory / f"probe.{probe}.arrow", found.replace_schema_metadata(metadata))


def main(out: Path) -> None:
    """Make all cases, as many side by side as there are cores."""
    out.mkdir(parents=True, exist_ok=True)
    cases = [(library, name) for library, suite in SUITES.items() for name in suite.CASES]
    with ProcessPoolExecutor() as pool:
        list(pool.map(build, cases, repeat(out)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
