"""The bridge and the UDF's body on the other Spark lines, from the same wheel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import functions as F

import mlflight

#: Has mlflow and the models' packages, which this environment has not.
PYTHON = os.environ["MLFLIGHT_TEST_PYTHON"]


def predictions(frame) -> np.ndarray:
    return np.array([row[0] for row in frame.collect()])


def planned(frame) -> bool:
    return "MlflightEval" in frame._jdf.queryExecution().executedPlan().toString()


@pytest.fixture(scope="module")
def udf(spark, model):
    return mlflight.spark_udf(spark, model("xgb_reg").path, "float")


def test_the_environment_has_the_line_that_is_meant(spark):
    assert spark.version.startswith(os.environ["MLFLIGHT_TEST_SPARK"] + ".")


def test_the_bridge_scores(spark, udf, model):
    case = model("xgb_reg")
    rows = spark.read.parquet(str(case.input_path))
    for frame in (rows, rows.repartition(1)):
        scored = frame.select(udf(*case.input.column_names))
        assert planned(scored)
        np.testing.assert_array_equal(predictions(scored), case.expected.column(0).to_numpy())


def test_the_body_scores_where_the_jar_is_not(spark, udf, model):
    case = model("xgb_reg")
    plain = spark.newSession()
    scored = plain.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
    assert not planned(scored)
    np.testing.assert_array_equal(predictions(scored), case.expected.column(0).to_numpy())


def test_a_user_s_function_that_calls_ours_runs_as_it_is(spark, udf, model):
    case, f = model("xgb_reg"), udf.func
    rows = spark.read.parquet(str(case.input_path)).limit(50).coalesce(1)
    expected = 100 * case.expected.column(0).to_numpy()[:50]
    over_rows = F.udf(lambda *values: 100 * f(*values), "float")
    for user in (F.pandas_udf(lambda *columns: 100 * f(*columns), "float"), over_rows):
        scored = rows.select(user(*case.input.column_names))
        assert not planned(scored)
        np.testing.assert_allclose(predictions(scored), expected, rtol=1e-6)
    halved = F.pandas_udf(lambda column: column / 2, "float")
    both = rows.select(halved(udf(*case.input.column_names)))
    assert planned(both)
    np.testing.assert_allclose(predictions(both), expected / 200, rtol=1e-6)


def test_a_python_model_scores_and_its_failure_is_a_python_exception(spark, model, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(spark.sparkContext, "pythonExec", PYTHON)
    case = model("linreg20")
    scored = spark.read.parquet(str(case.input_path)).select(mlflight.spark_udf(spark, case.path, engine="python")())
    assert planned(scored)
    np.testing.assert_allclose(predictions(scored), case.expected.column(0).to_numpy(), rtol=1e-12)
    save = "import custom_models as c, pathlib, sys; c.save(pathlib.Path(sys.argv[1]), c.Fails())"
    subprocess.run([PYTHON, "-c", save, tmp_path / "model"], cwd=Path(__file__).parents[1], check=True)
    failing = spark.range(3).select(mlflight.spark_udf(spark, tmp_path / "model", "double")("id"))
    with pytest.raises(PythonException, match="ValueError: the gears are stuck") as caught:
        failing.collect()
    assert "Traceback (most recent call last):" in str(caught.value)


def test_a_missing_column_is_refused(spark, model):
    case = model("linreg20")
    with pytest.raises(PySparkException, match="f7"):
        spark.read.parquet(str(case.input_path)).drop("f7").select(mlflight.spark_udf(spark, case.path)()).collect()
