"""UDFs of users whose functions hold a model's, and what each gives: in classic sessions and over Spark Connect."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.models import infer_signature
from pyspark.sql import functions as F
from sklearn.linear_model import LinearRegression

X = np.arange(6.0)


def save_line(path: Path, intercept: float = 1.0) -> Path:
    """Save the model 2 x + 1, or with another intercept."""
    frame, target = pd.DataFrame({"x": X}), pd.Series(2 * X + intercept)
    model = LinearRegression().fit(frame, target)
    mlflow.sklearn.save_model(model, path, signature=infer_signature(frame, target), pip_requirements=["sklearn"])
    return path


def arrow_udf(function: Any, kind: str = "double") -> Any:
    """Return a UDF over arrays; told its kind, because Spark cannot read the type hints of objects."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return F.arrow_udf(function, kind, F.ArrowUDFType.SCALAR)


def of_users(udf: Any) -> dict[str, tuple[Any, np.ndarray]]:
    """Return UDFs whose functions hold ours, and what each gives."""

    class Scaled:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __call__(self, a: pa.Array) -> pa.Array:
            return pc.multiply(self.inner(a), 100.0)

    f = udf.func

    def closure(a: pa.Array) -> pa.Array:
        return pc.multiply(f(a), 100.0)

    @functools.wraps(f)
    def wrapped(*columns: pa.Array) -> pa.Array:
        return pc.add(f(*columns), 0.5)

    def conditional(a: pa.Array) -> pa.Array:
        return f(a) if pc.max(a).as_py() > 1e9 else pc.negate(a)

    def text(a: pa.Array) -> pa.Array:
        assert "MLFLIGHT1{hello}"
        return pc.add(a, float(len("MLFLIGHT1{hello}")))

    mark = f.__reduce__()[1][0]

    def stolen(a: pa.Array) -> pa.Array:
        return pc.add(a, 1.0 if mark else 0.0)

    y = 2 * X + 1
    return {
        "closure": (arrow_udf(closure), 100 * y),
        "wrapped": (arrow_udf(wrapped), y + 0.5),
        "object": (arrow_udf(Scaled(f)), 100 * y),
        "partial": (arrow_udf(functools.partial(lambda g, a: pc.multiply(g(a), 3.0), f)), 3 * y),
        "conditional": (arrow_udf(conditional), -X),
        "text": (arrow_udf(text), X + 16),
        "mark": (arrow_udf(stolen), X + 1),
        "UDF": (F.pandas_udf(lambda s: 100 * udf(s), "double"), 100 * y),
        "function of the UDF": (F.pandas_udf(lambda s: 100 * udf.func(s), "double"), 100 * y),
        "pandas": (F.pandas_udf(lambda s: 100 * f(s), "double"), 100 * y),
        "pandas with a condition": (F.pandas_udf(lambda s: f(s) if s.max() > 1e9 else s, "double"), X),
        "row": (F.udf(lambda x: 100 * f(x), "double", useArrow=False), 100 * y),
        "row over Arrow": (F.udf(lambda x: 100 * f(x), "double", useArrow=True), 100 * y),
        "row with a null": (F.udf(lambda x: x if x > 1 else f(x + 0.5), "double", useArrow=False), np.where(X > 1, X, y + 1)),
        "another type": (arrow_udf(f, "float"), y),
    }


def of_ours(udf: Any) -> list[Any]:
    """Return UDFs whose whole function is ours."""
    return [udf, arrow_udf(udf.func), F.pandas_udf(udf.func, "double"), udf.asNondeterministic()]


def mixed(spark: Any, rows: Any, udf: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a query with ours beside, over and under a user's, by columns and in SQL, and what its columns hold."""
    f = udf.func
    times = arrow_udf(lambda a: pc.multiply(f(a), 100.0))
    halved = F.pandas_udf(lambda s: s / 2, "double")
    spark.udf.register("times", times)
    spark.udf.register("ours", udf)
    rows.createOrReplaceTempView("rows")
    frame = rows.select(
        udf("x").alias("ours"),
        times("x").alias("theirs"),
        times(udf("x")).alias("over"),
        udf(times("x")).alias("under"),
        udf(udf("x")).alias("twice"),
        halved(udf(halved("x"))).alias("mixed"),
        F.expr("times(ours(x))").alias("sql"),
    )
    y = 2 * X + 1
    return frame, {
        "ours": y,
        "theirs": 100 * y,
        "over": 100 * (2 * y + 1),
        "under": 2 * (100 * y) + 1,
        "twice": 2 * y + 1,
        "mixed": (X + 1) / 2,
        "sql": 100 * (2 * y + 1),
    }
