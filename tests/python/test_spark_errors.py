"""What bad input gets from `spark_udf`: one clear typed error, on the driver where the driver can know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import custom_models
import pytest
from pyspark.errors import PySparkException, PythonException, SparkRuntimeException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import mlflight
from mlflight import _paths


def directory(path: Path, mlmodel: str | None) -> Path:
    """Make a model's directory that holds this MLmodel file alone."""
    path.mkdir()
    if mlmodel is not None:
        (path / "MLmodel").write_text(mlmodel)
    return path


@pytest.mark.parametrize(
    ("mlmodel", "kind", "words"),
    [
        (None, "NOT_FOUND", ["MLmodel"]),
        ("flavors: {", "INVALID_MODEL", ["MLmodel", "line 2"]),
        ("time_created: now\n", "INVALID_MODEL", ["MLmodel", "flavors"]),
        ("flavors:\n  fortran:\n    data: x\n", "INVALID_MODEL", ["/model", "expected python_function", "found fortran"]),
    ],
    ids=["no MLmodel", "no YAML", "no flavors", "no usable flavor"],
)
def test_a_broken_model_is_refused_where_the_udf_is_made(spark, tmp_path: Path, mlmodel, kind, words) -> None:
    broken = directory(tmp_path / "model", mlmodel)
    with pytest.raises(mlflight.MlflightError) as caught:
        mlflight.spark_udf(spark, broken)
    assert caught.value.kind == kind
    for word in words:
        assert word in str(caught.value)


def test_a_missing_or_mistyped_column_is_refused_before_a_task_runs(spark: SparkSession, model: Any) -> None:
    rows = spark.read.parquet(str(model("linreg20").input_path))
    udf = mlflight.spark_udf(spark, model("linreg20").path)
    with pytest.raises(PySparkException, match="f19"):
        rows.drop("f19").select(udf()).collect()
    with pytest.raises(PySparkException, match="f3"):
        rows.withColumn("f3", F.lit("three")).select(udf()).explain()


def test_a_result_type_that_the_answer_does_not_fit(spark: SparkSession, tmp_path: Path) -> None:
    texts = custom_models.save(tmp_path / "texts", custom_models.Texts())
    with pytest.raises(SparkRuntimeException, match="did not produce any values compatible with the requested type"):
        spark.range(3).select(mlflight.spark_udf(spark, texts, "double")("id")).collect()


def test_a_python_that_is_not_there_is_named(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = custom_models.save(tmp_path / "total", custom_models.Total())
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/nowhere/bin/python")
    with pytest.raises(SparkRuntimeException, match="/nowhere/bin/python"):
        spark.range(3).select(mlflight.spark_udf(spark, total, "double")("id")).collect()


def test_an_environment_that_cannot_be_built_says_why(spark: SparkSession, tmp_path: Path) -> None:
    total = custom_models.save(tmp_path / "total", custom_models.Total())
    (total / "requirements.txt").write_text("./no_such_package\n")
    udf = mlflight.spark_udf(spark, total, "double", env_manager="virtualenv")
    with pytest.raises(SparkRuntimeException, match=r"no_such_package"):
        spark.range(3).select(udf("id")).collect()


@pytest.mark.parametrize("mode", [None, "python"])
def test_a_model_s_own_failure_comes_with_its_traceback(spark: SparkSession, tmp_path: Path, mode: str | None) -> None:
    fails = custom_models.save(tmp_path / "model", custom_models.Fails())
    with pytest.raises(PythonException, match="ValueError: the gears are stuck") as caught:
        spark.range(3).select(mlflight.spark_udf(spark, fails, "double", mode=mode)("id")).collect()
    assert "Traceback (most recent call last):" in str(caught.value)
    assert "in predict" in str(caught.value)


def test_an_installation_without_jar_warns_or_raises(spark: SparkSession, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_paths, "jar", lambda major, scala: None)
    plain = spark.newSession()
    with pytest.warns(UserWarning, match="has no jar for Spark 4 with Scala 2.13: the model will be scored in Spark's Python"):
        mlflight.spark_udf(plain, model("xgb_reg").path)
    plain.conf.set("spark.mlflight.fallback.enabled", "false")
    with pytest.raises(mlflight.MlflightError, match=r"fallback\.enabled is false") as caught:
        mlflight.spark_udf(plain, model("xgb_reg").path)
    assert caught.value.code == "FALLBACK_DISABLED"
