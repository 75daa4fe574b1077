"""Faults reported of the Spark side: whose function a UDF is, names of columns, settings, bounds of caches."""

from __future__ import annotations

import base64
import gc
import sys
import weakref
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.errors import IllegalArgumentException
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import functions as F
from sklearn.linear_model import LinearRegression
from users_functions import X, mixed, of_ours, of_users, save_line

import mlflight
from mlflight.spark import _settings, _worker


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_line(tmp_path_factory.mktemp("line") / "model")


@pytest.fixture(scope="module")
def udf(spark: Any, line: Path) -> Any:
    return mlflight.spark_udf(spark, line)


@pytest.fixture(scope="module")
def rows(spark: Any) -> Any:
    return spark.createDataFrame(pd.DataFrame({"x": X})).repartition(1).cache()


@pytest.fixture
def setting(spark: Any) -> Iterator[Callable[[str, str], None]]:
    """Return a function that sets a key until the test ends."""
    keys = []

    def set_(key: str, value: str) -> None:
        keys.append(key)
        spark.conf.set(key, value)

    yield set_
    for key in keys:
        spark.conf.unset(key)


def planned(frame: Any) -> bool:
    """Whether the planner took some UDF of the query for ours."""
    return "MlflightEval" in frame._jdf.queryExecution().executedPlan().toString()


def values(frame: Any) -> list[Any]:
    return [row[-1] for row in frame.collect()]


def test_a_user_s_function_that_holds_ours_runs_as_it_is(spark: Any, rows: Any, udf: Any) -> None:
    made = of_users(udf)
    frame = rows.select(*[function("x").alias(name) for name, (function, _) in made.items()])
    assert not planned(frame)
    got = frame.toPandas()
    for name, (_, expected) in made.items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-9, err_msg=name)


def test_the_function_itself_is_ours_whoever_makes_the_udf(rows: Any, udf: Any) -> None:
    for made in of_ours(udf):
        frame = rows.select(made("x"))
        assert planned(frame)
        np.testing.assert_allclose(values(frame), 2 * X + 1)


def test_ours_beside_over_and_under_a_user_s(spark: Any, rows: Any, udf: Any) -> None:
    frame, expected = mixed(spark, rows, udf)
    assert planned(frame)
    got = frame.toPandas()
    for name, column in expected.items():
        np.testing.assert_allclose(got[name], column, rtol=1e-9, err_msg=name)


def test_a_user_s_function_may_not_score_where_the_fallback_is_off(spark: Any, rows: Any, line: Path, setting: Any) -> None:
    setting("spark.mlflight.fallback.enabled", "false")
    f = mlflight.spark_udf(spark, line).func
    with pytest.raises(Exception, match=r"a function of your own calls the model, and spark\.mlflight\.fallback"):
        rows.select(F.pandas_udf(lambda s: 100 * f(s), "double")("x")).collect()


def test_a_model_of_very_many_columns_is_planned(spark: Any, tmp_path: Path, setting: Any) -> None:
    """Spark sends a function of more than 1 MB as a broadcast, in which the planner cannot see a mark."""
    names = [f"ENSG{i * i:011}" for i in range(9_000)]
    frame = pd.DataFrame(np.ones((2, len(names))), columns=names)
    model = LinearRegression().fit(frame, [1.0, 1.0])
    mlflow.sklearn.save_model(model, tmp_path / "model", signature=infer_signature(frame), pip_requirements=["sklearn"])
    udf = mlflight.spark_udf(spark, tmp_path / "model", "double")
    assert len(CloudPickleSerializer().dumps((udf.func, udf.returnType))) < 1 << 20
    setting("spark.mlflight.fallback.enabled", "false")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zlib, "compress", lambda data: data)
        with pytest.raises(mlflight.MlflightError, match=r"spark\.broadcast\.UDFCompressionThreshold"):
            mlflight.spark_udf(spark, tmp_path / "model", "double")


def test_columns_with_dots_spaces_and_backticks_are_found_by_the_signature(spark: Any, tmp_path: Path) -> None:
    names = ["a.b", "c`d", "e f", "`g.h`", "order", "ä*"]
    frame = pd.DataFrame(np.random.default_rng(7).normal(size=(8, len(names))), columns=names)
    target = frame @ np.arange(1.0, len(names) + 1)
    model = LinearRegression().fit(frame, target)
    mlflow.sklearn.save_model(model, tmp_path / "model", signature=infer_signature(frame, target), pip_requirements=["sklearn"])
    for mode in (None, "python"):
        udf = mlflight.spark_udf(spark, tmp_path / "model", mode=mode)
        np.testing.assert_allclose(values(spark.createDataFrame(frame).coalesce(1).select(udf())), target, rtol=1e-9)


WRONG = [
    ("batch.maxRecords", "10k", "'10k'; it may be a whole number from 1 to 2147483647"),
    ("batch.maxRecords", "0", "'0'; it may be a whole number from 1"),
    ("batch.maxRecords", "-5", "'-5'; it may be a whole number from 1"),
    ("batch.maxRecords", "2147483648", "'2147483648'; it may be a whole number"),
    ("mode", "fast", "'fast'; it may be 'service', 'embedded' or 'python'"),
    ("engine", "Native", "'Native'; it may be 'auto', 'native' or 'python'"),
    ("fallback.enabled", "maybe", "'maybe'; it may be 'true' or 'false'"),
    ("server", "http://host:1", "'http://host:1' is no address of a service"),
    ("tls.caFile", "/nowhere/ca.pem", "'/nowhere/ca.pem', where there is no file; it may be the path of a PEM file"),
    ("token", "geheim\N{EURO SIGN}", "has a character that a header cannot carry; it may be printable ASCII text"),
]


@pytest.mark.parametrize(("key", "value", "words"), [one for one in WRONG if one[0] != "tls.caFile"])
def test_a_wrong_setting_is_refused_where_the_udf_is_made(
    spark: Any, line: Path, setting: Any, key: str, value: str, words: str
) -> None:
    setting(f"spark.mlflight.{key}", value)
    with pytest.raises(mlflight.MlflightError) as caught:
        mlflight.spark_udf(spark, line)
    assert f"spark.mlflight.{key}" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_a_setting_that_was_made_wrong_later_is_refused_at_planning(
    rows: Any, udf: Any, setting: Any, key: str, value: str, words: str
) -> None:
    setting(f"spark.mlflight.{key}", value)
    with pytest.raises(IllegalArgumentException) as caught:
        rows.select(udf("x")).explain()
    assert f"spark.mlflight.{key}" in str(caught.value)
    assert words in str(caught.value)


def test_small_batches_and_settings_with_spaces(rows: Any, udf: Any, setting: Any) -> None:
    setting("spark.mlflight.batch.maxRecords", " 1 ")
    np.testing.assert_allclose(values(rows.select(udf(F.col("x") + 1))), 2 * X + 3)


def test_a_key_that_there_is_not_is_named(spark: Any, line: Path, setting: Any) -> None:
    setting("spark.mlflight.fallback.enable", "false")
    with pytest.warns(UserWarning, match=r"spark\.mlflight\.fallback\.enable is set.*fallback\.enabled meant"):
        mlflight.spark_udf(spark, line)


def test_the_documented_settings_are_those_that_are_read() -> None:
    """The table is made from the keys that the jar reads (`make lint` compares them)."""
    text = (Path(__file__).parents[2] / "docs" / "spark.md").read_text(encoding="utf-8")
    cells = [
        [cell.strip() for cell in line.split("|")[1:3]] for line in text.splitlines() if line.startswith("| `spark.mlflight.")
    ]
    table = {key.strip("`").removeprefix(_settings.PREFIX): value.replace("`", "'") for key, value in cells}
    assert tuple(table) == _settings.KEYS
    for key, value, words in WRONG:
        if "; it may be " in words:
            assert table[key].startswith(words.split("; it may be ")[1]), (key, value)


def test_params_in_a_loop_share_one_model_and_a_bounded_number_of_streams(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker, "_models", models := _worker.Recent(_worker.MODELS))
    monkeypatch.setattr(_worker, "_shipped", lambda digest: None)
    case = model("pyfunc_custom")
    batch = case.input.slice(0, 2).to_batches()[0]
    answers = []
    for i in range(_worker.STREAMS + 3):
        spec = mlflight._native.make_spec(str(case.path), params=f'{{"scale": {i}}}', python=sys.executable)
        options = {"spec": base64.b64encode(spec.to_bytes()).decode(), "digest": spec.digest, "version": mlflight.__version__}
        answers.append(_worker.score(options, batch)[0].as_py())
    assert len(set(answers)) == len(answers)
    assert len(models) == 1
    assert [len(loaded.streams) for loaded in models._values.values()] == [_worker.STREAMS]


def test_what_was_not_used_for_longest_is_let_go() -> None:
    class Thing:
        pass

    recent = _worker.Recent(2)
    first, second = weakref.ref(recent.get("a", Thing)), weakref.ref(recent.get("b", Thing))
    recent.get("a", Thing)
    recent.get("c", Thing)
    gc.collect()
    assert len(recent) == 2
    assert first() is recent.get("a", Thing)
    assert second() is None
