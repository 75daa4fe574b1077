"""Train and save a real scikit-learn pipeline with MLflow, then score a million rows twice: with Spark and from the shell.

Run by ``make demo``; in any environment with the mlflight wheel, mlflow, scikit-learn and pyspark: ``python examples/demo.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow.models import infer_signature
from pyspark.sql import SparkSession
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlflight

ROWS = int(os.environ.get("MLFLIGHT_DEMO_ROWS", "1000000"))
NUMBERS = [f"amount_{i}" for i in range(8)]
WORDS = ["country", "plan"]
BINARY = Path(sys.executable).with_name("mlflight")


def rows(count: int, seed: int) -> pd.DataFrame:
    """Return customers: eight amounts, some of them missing, and two words."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(50, 20, size=(count, len(NUMBERS))), columns=NUMBERS)
    frame = frame.mask(random.random(frame.shape) < 0.02)
    frame["country"] = random.choice(["AT", "CH", "DE", "FR", "IT"], count)
    frame["plan"] = random.choice(["basic", "plus", "pro"], count)
    return frame


def train(path: Path) -> None:
    """Fit a pipeline and save it as an MLflow Model."""
    frame = rows(20_000, seed=1)
    label = (frame["amount_0"].fillna(50) + 10 * (frame["plan"] == "pro") > 55).astype("int64")
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    transform = make_column_transformer((numbers, NUMBERS), (OneHotEncoder(handle_unknown="ignore"), WORDS))
    pipeline = make_pipeline(transform, LogisticRegression(max_iter=500)).fit(frame, label)
    mlflow.sklearn.save_model(
        pipeline,
        path,
        # A Series is one number a row to MLflow, an array a list of them.
        signature=infer_signature(frame, pd.Series(pipeline.predict(frame[:5]))),
        pip_requirements=["mlflow", "scikit-learn"],
        skops_trusted_types=["numpy.dtype"],
    )


def timed(title: str, seconds: float) -> None:
    """Print how fast the rows went."""
    print(f"   {title}: {ROWS:,} rows in {seconds:.1f} s = {ROWS / seconds:,.0f} rows/s")


def main() -> None:
    """Run the demo."""
    with tempfile.TemporaryDirectory(prefix="mlflight-demo-") as scratch:
        root = Path(scratch)
        model, table = root / "model", root / "customers.parquet"

        print("1. Train a scikit-learn pipeline and save it with MLflow", mlflow.__version__)
        train(model)
        print(f"2. Write {ROWS:,} rows to Parquet")
        frame = rows(ROWS, seed=2)
        frame.insert(0, "id", np.arange(ROWS))
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), table, row_group_size=100_000)

        print("3. Score it in PySpark with mlflight.spark_udf(path)")
        spark = (
            SparkSession.builder
            .master(f"local[{os.cpu_count()}]")
            .appName("mlflight demo")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "4")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
        udf = mlflight.spark_udf(spark, model)
        print(f"   engine: {udf.engine} ({udf.reason})")
        scored = spark.read.parquet(str(table)).withColumn("prediction", udf(*NUMBERS, *WORDS))
        print("\n".join("   " + line for line in scored._jdf.queryExecution().simpleString().splitlines() if "Mlflight" in line))
        started = time.perf_counter()
        scored.write.parquet(str(root / "by-spark"))
        timed("Spark", time.perf_counter() - started)
        scored.select("id", "amount_0", "plan", "prediction").show(5)
        spark.stop()

        print("4. Score it from the shell with mlflight batch-score")
        command = [str(BINARY), "batch-score", "--model", str(model), "--input", str(table)]
        command += ["--output", str(root / "by-shell.parquet")]
        print("   $", " ".join(["mlflight", *command[1:]]))
        started = time.perf_counter()
        subprocess.run(command, check=True)
        timed("batch-score", time.perf_counter() - started)
        by_shell = pq.read_table(root / "by-shell.parquet")
        print("  ", json.dumps(by_shell.select(["id", "plan", "prediction"]).slice(0, 3).to_pylist()))

        print("5. Compare")
        by_spark = pq.read_table(root / "by-spark").sort_by("id")
        by_shell = by_shell.sort_by("id")
        differing = pc.sum(pc.not_equal(by_spark["prediction"], by_shell["prediction"])).as_py()
        nulls = by_spark["prediction"].null_count + by_shell["prediction"].null_count
        if by_spark.num_rows != ROWS or by_shell.num_rows != ROWS or differing or nulls:
            sys.exit(
                f"   the results differ in {differing} rows ({by_spark.num_rows:,} and {by_shell.num_rows:,} rows, {nulls} nulls)"
            )
        print(f"   {ROWS:,} predictions by Spark and {ROWS:,} by batch-score: all equal")


if __name__ == "__main__":
    main()
