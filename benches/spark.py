"""Measure ``mlflight.spark_udf`` against MLflow's, ``mapInArrow`` by hand, and a scan that never leaves the JVM.

``spark.py [--rows N] [--rounds N] [MODEL ...]``, models ``xgb500`` (native) and ``linreg20`` (``engine="python"``). All run in
one session of ``local[2]``, in turn, on the same Parquet file, into Spark's ``noop`` sink.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add

os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable

import data
import mlflow
import pyarrow as pa
from measure import Table, Usage, measured
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

import mlflight

#: A model's features and the engine it is scored by.
MODELS = {"xgb500": (28, "native"), "linreg20": (20, "python")}


def by_hand(model: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what a careful user writes for ``mapInArrow``."""

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import joblib
        import numpy as np

        fitted = joblib.load(model)
        for batch in batches:
            matrix = np.column_stack([values.to_numpy() for values in batch.columns])
            yield pa.RecordBatch.from_arrays([pa.array(fitted.predict(matrix).astype("float64"))], ["prediction"])

    return score


def candidates(spark: SparkSession, rows: int, name: str) -> dict[str, Callable[[], Usage]]:
    """Return what is compared, by name; each run follows one on a tenth of the rows, which is not measured: workers are up."""
    features, engine = MODELS[name]
    path, columns = data.model(name), data.names(features)
    theirs = mlflow.pyfunc.spark_udf(spark, str(path), result_type="double", env_manager="local")
    ours = mlflight.spark_udf(spark, path, result_type="double", engine=engine)
    hand = by_hand(str(data.HOME / f"{name}.joblib"))
    shapes: dict[str, Callable[[DataFrame], DataFrame]] = {
        "MLflow": lambda frame: frame.select(theirs(*columns).alias("prediction")),
        "mapInArrow": lambda frame: frame.mapInArrow(hand, "prediction double"),
        "scan": lambda frame: frame.select(reduce(add, map(col, columns)).alias("prediction")),
        "mlflight": lambda frame: frame.select(ours(*columns).alias("prediction")),
    }
    small, large = (spark.read.parquet(str(data.parquet(features, count))) for count in (rows // 10, rows))

    def timed(shape: Callable[[DataFrame], DataFrame]) -> Callable[[], Usage]:
        def once() -> Usage:
            write(shape(small))
            with measured() as usage:
                write(shape(large))
            return usage

        return once

    return {title: timed(shape) for title, shape in shapes.items()}


def write(frame: DataFrame) -> None:
    """Run a query to its end."""
    frame.write.format("noop").mode("overwrite").save()


def kernel(name: str, rows: int) -> float:
    """Return the CPU seconds that scoring alone takes: Arrow columns in this process to an Arrow column, Spark's batches."""
    model, table = mlflight.load_model(data.model(name)), data.block(MODELS[name][0], 1)
    batches = table.to_batches(max_chunksize=4096)
    model.predict(batches[0])
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for batch in batches:
            model.predict(batch)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds) / table.num_rows * rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    spark = (
        SparkSession.builder
        .master("local[2]")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    for name in options.models:
        table = Table(f"Spark, {name}, {MODELS[name][1]}", options.rows).rounds(
            candidates(spark, options.rows, name), options.rounds
        )
        table.show("MLflow")
        over = [1 / ratio for ratio in table.ratio("mlflight", "mapInArrow", "cpu")]
        print(f"\nCPU over mapInArrow's: {statistics.median(over):.2f} x ({min(over):.2f} to {max(over):.2f}).")
        if MODELS[name][1] == "native":
            own = kernel(name, options.rows)
            over = [(ours.cpu - own) / scan.cpu for ours, scan in zip(table.runs["mlflight"], table.runs["scan"], strict=True)]
            print(
                f"The kernel alone: {own:.2f} CPU s. The rest over the scan's CPU: {statistics.median(over):.2f} x "
                f"({min(over):.2f} to {max(over):.2f})."
            )
    spark.stop()


if __name__ == "__main__":
    main()
