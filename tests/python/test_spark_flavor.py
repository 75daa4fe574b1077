"""Spark ML models: saved and loaded by mlflight and by MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.spark
import pytest
import yaml

import mlflight.spark
from mlflight.models import Model, infer_signature


@pytest.fixture(scope="module")
def pipeline(spark: Any) -> tuple[Any, Any]:
    """Return a fitted pipeline and its rows."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression

    rows = spark.createDataFrame([(float(x), float(x % 3), 2.0 * x + x % 3) for x in range(30)], ["a", "b", "y"])
    stages = [VectorAssembler(inputCols=["a", "b"], outputCol="v"), LinearRegression(featuresCol="v", labelCol="y")]
    return Pipeline(stages=stages).fit(rows), rows


def predictions(model: Any, rows: Any) -> list[float]:
    return [row.prediction for row in model.transform(rows).select("prediction").collect()]


def test_pipelines_go_both_ways(pipeline: tuple[Any, Any], tmp_path: Path):
    model, rows = pipeline
    expected = predictions(model, rows)
    mlflight.spark.save_model(model, tmp_path / "ours", metadata={"k": 1})
    mlflow.spark.save_model(model, str(tmp_path / "theirs"), pip_requirements=["mlflow"])
    assert predictions(mlflow.spark.load_model(str(tmp_path / "ours")), rows) == expected
    assert predictions(mlflight.spark.load_model(tmp_path / "ours"), rows) == expected
    assert predictions(mlflight.spark.load_model(tmp_path / "theirs"), rows) == expected
    ours, theirs = (yaml.safe_load((tmp_path / name / "MLmodel").read_text())["flavors"] for name in ("ours", "theirs"))
    assert ours == theirs
    assert any(line.startswith("pyspark==") for line in (tmp_path / "ours/requirements.txt").read_text().splitlines())
    # Without an action: what MLflow's own wrapper answers.
    answer = mlflow.pyfunc.load_model(str(tmp_path / "ours")).predict(rows.toPandas())
    assert answer == pytest.approx(expected)
    assert list(mlflight.load_model(tmp_path / "ours").predict(rows.toPandas())) == pytest.approx(expected)


def test_a_single_stage_is_saved_as_a_pipeline(pipeline: tuple[Any, Any], tmp_path: Path):
    model, rows = pipeline
    stage = model.stages[-1]
    mlflight.spark.save_model(stage, tmp_path / "m")
    loaded = mlflight.spark.load_model(tmp_path / "m")
    assert predictions(loaded, model.stages[0].transform(rows)) == predictions(model, rows)
    assert Model.load(tmp_path / "m").flavors["spark"]["model_class"] == "pyspark.ml.pipeline.PipelineModel"
    with pytest.raises(mlflight.MlflightError, match="Spark ML model"):
        mlflight.spark.save_model(3, tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_signatures_of_spark_frames_are_those_that_mlflow_infers(pipeline: tuple[Any, Any], spark: Any):
    model, rows = pipeline
    kinds = spark.sql(
        "select 1 i, 2L l, cast(1.5 as float) f, 2.5D d, true b, 'x' s, binary('x') n, current_timestamp() t, current_date() u, "
        "array(1.5D) a, named_struct('k', 1, 'v', 'x') r"
    )
    for frame in (kinds, model.transform(rows)):
        assert infer_signature(frame).to_dict() == mlflow.models.infer_signature(frame).to_dict()
