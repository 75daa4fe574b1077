"""Faults reported of tree models: columns that XGBoost refuses, infinity, params that no kernel has."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost as xgb
from mlflow.models import infer_signature

import mlflight


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(5).normal(size=(40, 3)), columns=["a", "b", "c"])


@pytest.fixture(scope="module")
def booster(frame: pd.DataFrame) -> xgb.Booster:
    data = xgb.DMatrix(frame, frame["a"] * 2 - frame["b"])
    return xgb.train({"max_depth": 3, "nthread": 1}, data, 4)


@pytest.fixture(scope="module")
def unsigned(booster: xgb.Booster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unsigned") / "model"
    mlflow.xgboost.save_model(booster, path, pip_requirements=["xgboost"])
    return path


@pytest.fixture(scope="module")
def analysed(booster: xgb.Booster, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with params in its signature."""
    path = tmp_path_factory.mktemp("analysed") / "model"
    params = {"pred_contribs": False, "approx_contribs": False}
    signature = infer_signature(frame, params=params)
    mlflow.xgboost.save_model(booster, path, signature=signature, pip_requirements=["xgboost"])
    return path


@pytest.mark.parametrize("engine", ["native", "python"])
def test_a_column_that_training_did_not_see_is_named(unsigned: Path, frame: pd.DataFrame, engine: str) -> None:
    model = mlflight.load_model(unsigned, engine)
    np.testing.assert_allclose(model.predict(frame), mlflow.pyfunc.load_model(unsigned).predict(frame), rtol=1e-6)
    with pytest.raises(mlflight.MlflightError, match="extra"):
        model.predict(frame.assign(extra=1.0))
    with pytest.raises(mlflight.MlflightError, match="b"):
        model.predict(frame[["a", "c"]])


def test_batch_score_refuses_it_and_takes_the_columns_that_are_chosen(
    unsigned: Path, frame: pd.DataFrame, binary: Path, tmp_path: Path
) -> None:
    rows, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.Table.from_pandas(frame.assign(extra=1.0)), rows)
    command = [binary, "batch-score", "--model", unsigned, "--input", rows, "--output", out]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "'extra'" in refused.stderr
    subprocess.run([*command, "--columns", "a,b,c"], check=True, capture_output=True)
    expected = mlflow.pyfunc.load_model(unsigned).predict(frame)
    np.testing.assert_allclose(pq.read_table(out).column("prediction").to_numpy(), expected, rtol=1e-6)


def test_infinity_names_its_column(unsigned: Path, frame: pd.DataFrame) -> None:
    bad = frame.copy()
    bad.loc[7, "b"] = np.inf
    with pytest.raises(mlflight.MlflightError, match=r"column 'b'.*infinity"):
        mlflight.load_model(unsigned).predict(bad)


def test_params_without_a_kernel_are_scored_by_python_where_they_are_known(
    spark: Any, analysed: Path, frame: pd.DataFrame
) -> None:
    params = {"pred_contribs": True, "approx_contribs": True}
    expected = mlflow.pyfunc.load_model(analysed).predict(frame, params)
    udf = mlflight.spark_udf(spark, analysed, result_type="array<double>", params=params)
    rows = spark.createDataFrame(frame).repartition(1)
    answer = np.array(rows.select(udf("a", "b", "c").alias("p")).toArrow().column(0).to_pylist())
    assert answer.shape == expected.shape == (40, 4)
    np.testing.assert_allclose(answer, expected, rtol=1e-6)
    with pytest.raises(mlflight.MlflightError, match="'pred_contribs'"):
        mlflight.spark_udf(spark, analysed, result_type="array<double>", engine="native", params=params)


def test_params_given_later_name_the_engine_that_has_them(analysed: Path, frame: pd.DataFrame) -> None:
    model = mlflight.load_model(analysed)
    assert model.engine == "native"
    plain = model.predict(frame)
    # How contributions are computed is nothing where none are asked for.
    np.testing.assert_array_equal(model.predict(frame, {"approx_contribs": True}), plain)
    with pytest.raises(mlflight.MlflightError, match=r"'pred_contribs'.*engine=\"python\""):
        model.predict(frame, {"pred_contribs": True})
