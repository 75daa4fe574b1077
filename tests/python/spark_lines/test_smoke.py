"""The bridge and the UDF's body on Spark 3.5, from the same wheel."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.errors import PySparkException

import mlflight


def predictions(frame) -> np.ndarray:
    return np.array([row[0] for row in frame.collect()])


@pytest.fixture(scope="module")
def udf(spark, model):
    return mlflight.spark_udf(spark, model("xgb_reg").path)


def test_the_bridge_scores(spark, udf, model):
    case = model("xgb_reg")
    assert spark.version.startswith("3.5.")
    frame = spark.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
    assert "MlflightEval" in frame._jdf.queryExecution().executedPlan().toString()
    np.testing.assert_array_equal(predictions(frame), case.expected.column(0).to_numpy())


def test_the_body_scores_where_the_jar_is_not(spark, udf, model):
    case = model("xgb_reg")
    plain = spark.newSession()
    frame = plain.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
    assert "MlflightEval" not in frame._jdf.queryExecution().executedPlan().toString()
    np.testing.assert_array_equal(predictions(frame), case.expected.column(0).to_numpy())


def test_a_missing_column_is_refused(spark, udf, model):
    with pytest.raises(PySparkException, match="f7"):
        spark.read.parquet(str(model("xgb_reg").input_path)).drop("f7").select(udf()).collect()
