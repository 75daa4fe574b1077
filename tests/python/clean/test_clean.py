"""The published wheel in an environment that has PySpark, pandas and pyarrow beside it and nothing else of use."""

from __future__ import annotations

import importlib.util
import subprocess

import numpy as np
import pyarrow.parquet as pq
import pytest

import mlflight


@pytest.mark.parametrize("package", ["mlflow", "sklearn", "xgboost"])
def test_the_environment_is_clean(package):
    assert importlib.util.find_spec(package) is None


def test_spark_udf_needs_no_setting(spark, model):
    xgb = model("xgb_reg")
    frame = spark.read.parquet(str(xgb.input_path))
    scored = frame.withColumn("prediction", mlflight.spark_udf(xgb.path, result_type="float")(*xgb.input.column_names))
    assert "MlflightEval" in scored._jdf.queryExecution().executedPlan().toString()
    got = np.array([row["prediction"] for row in scored.collect()], "float32")
    assert np.array_equal(got, xgb.expected.column(0).to_numpy())


def test_the_command_line_scores(binary, model, tmp_path):
    xgb, out = model("xgb_reg"), tmp_path / "out.parquet"
    subprocess.run([binary, "batch-score", "--model", xgb.path, "--input", xgb.input_path, "--output", out], check=True)
    got = pq.read_table(out)
    assert got.num_rows == xgb.input.num_rows
    assert got.column_names == [*xgb.input.column_names, "prediction"]
