"""`mlflight.spark_udf`: every way to call it, what it says when it cannot, and scoring with and without the jar."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import processes
import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

import mlflight

COLUMNS = [f"f{i}" for i in range(20)]


@pytest.fixture(scope="module")
def rows(spark, model):
    """Return the rows of the linear model as a frame over Parquet."""
    return spark.read.parquet(str(model("linreg20").input_path))


@pytest.fixture(scope="module")
def udf(spark, model):
    """Return the linear model as a UDF."""
    return mlflight.spark_udf(spark, model("linreg20").path)


def predictions(frame) -> np.ndarray:
    return np.array([row[0] for row in frame.collect()])


def test_every_way_to_call_it_gives_the_library_s_answer(spark, rows, udf, model):
    expected = model("linreg20").expected.column(0).to_numpy()
    spark.udf.register("score", udf)
    rows.createOrReplaceTempView("rows")
    calls = {
        "names": rows.select(udf(*COLUMNS)),
        "columns": rows.select(udf(*[F.col(name) for name in COLUMNS])),
        "list": rows.select(udf(COLUMNS)),
        "struct": rows.select(udf(F.struct(*reversed(COLUMNS)))),
        "nothing": rows.select(udf()),
        "surplus": rows.withColumn("more", F.lit(1)).select(udf(*COLUMNS, "more")),
        "withColumn": rows.withColumn("prediction", udf(*COLUMNS)).select("prediction"),
        "filter": rows.filter(udf(*COLUMNS).isNotNull()).select(udf(*COLUMNS)),
        "sql": spark.sql(f"SELECT score({', '.join(COLUMNS)}) FROM rows"),
    }
    for name, frame in calls.items():
        np.testing.assert_allclose(predictions(frame), expected, rtol=1e-12, err_msg=name)


def test_the_bridge_is_in_the_plan_and_no_python_worker(rows, udf):
    plan = rows.select(udf(*COLUMNS))._jdf.queryExecution().executedPlan().toString()
    assert "MlflightEval" in plan
    assert "ArrowEvalPython" not in plan


def test_explain_says_which_model_scores_and_how(spark, rows, udf, model):
    scored = rows.select(udf(*COLUMNS))._jdf.queryExecution()
    text = spark._jvm.PythonSQLUtils.explainString(scored, "formatted")
    for line in (f"Model: {model('linreg20').path}", "Mode: service", f"Engine: {udf.engine}"):
        assert line in text.splitlines()


def test_the_mode_may_be_set_after_the_udf_was_made(spark, rows, udf, model):
    spark.conf.set("spark.mlflight.mode", "python")
    try:
        frame = rows.select(udf(*COLUMNS))
        assert "MlflightEval" not in frame._jdf.queryExecution().executedPlan().toString()
        np.testing.assert_allclose(predictions(frame), model("linreg20").expected.column(0).to_numpy(), rtol=1e-12)
    finally:
        spark.conf.unset("spark.mlflight.mode")


@pytest.mark.parametrize("mode", ["service", "python"])
def test_a_service_elsewhere_scores(spark, binary: Path, model, tmp_path: Path, mode: str):
    case, socket = model("xgb_reg"), tmp_path / "s"
    served = subprocess.Popen([binary, "serve", "--flight", f"unix:{socket}", "--model", f"reg={case.path}"])
    try:
        processes.wait_for(lambda: socket.exists() or served.poll() is not None)
        udf = mlflight.spark_udf(spark, case.path, "float", server=f"unix:{socket}", mode=mode)
        frame = spark.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
        planned = f"mode=service at unix:{socket}, engine=native]" in frame._jdf.queryExecution().executedPlan().toString()
        assert planned == (mode == "service")
        np.testing.assert_array_equal(predictions(frame), case.expected.column(0).to_numpy())
    finally:
        served.terminate()
        assert served.wait(60) == 0
    # It was that one that scored.
    with pytest.raises(PySparkException, match=re.escape(str(socket))):
        frame.collect()


def test_path_alone_uses_the_active_session(spark, rows, model):
    udf = mlflight.spark_udf(str(model("linreg20").path))
    assert rows.select(udf(*COLUMNS)).schema[0].dataType == DoubleType()


def test_metadata_is_the_model(udf, model):
    assert isinstance(udf.metadata, mlflow.models.Model)
    assert udf.metadata.signature == mlflow.models.Model.load(str(model("linreg20").path)).signature


def test_two_models_in_one_query(spark, model):
    reg, numbers = model("xgb_reg"), model("whole_numbers")
    one, two = mlflight.spark_udf(spark, reg.path, result_type="float"), mlflight.spark_udf(spark, numbers.path)
    left, right = reg.input.slice(0, 200).to_pandas(), numbers.input.slice(0, 200).to_pandas()
    frame = spark.createDataFrame(left.join(right))
    got = frame.select(one(*left.columns), two(*right.columns)).collect()
    np.testing.assert_array_equal([row[0] for row in got], reg.expected.column(0).to_numpy()[:200])
    np.testing.assert_allclose([row[1] for row in got], numbers.expected.column(0).to_numpy()[:200], rtol=1e-12)


def test_params_and_result_type(spark, model):
    case = model("pyfunc_custom")
    frame = spark.read.parquet(str(case.input_path))
    plain = predictions(frame.select(mlflight.spark_udf(spark, case.path)("a", "b", "word")))
    udf = mlflight.spark_udf(spark, case.path, result_type="array<double>", params={"scale": 2.0}, model_config={"offset": 0})
    scaled = frame.select(udf("a", "b", "word").alias("p")).select(F.col("p")[0])
    a, b = case.input["a"].to_numpy(), case.input["b"].to_numpy()
    np.testing.assert_allclose(predictions(scaled), plain + a + b - 0.5, atol=1e-9)


def test_the_model_may_be_gone_once_spark_udf_returned(spark, model, tmp_path: Path):
    case = model("xgb_reg")
    shutil.copytree(case.path, tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("a digest of its own")
    udf = mlflight.spark_udf(spark, tmp_path / "model", result_type="float")
    shutil.rmtree(tmp_path / "model")
    frame = spark.read.parquet(str(case.input_path))
    np.testing.assert_array_equal(predictions(frame.select(udf(*frame.columns))), case.expected.column(0).to_numpy())
    assert udf.metadata.signature is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_uri": "/nowhere/at/all"}, ["/nowhere/at/all"]),
        ({"result_type": "timestamp"}, ["Invalid 'spark_udf' result type", "timestamp"]),
        ({"result_type": "no such type"}, ["Invalid 'spark_udf' result type"]),
        ({"env_manager": "pip"}, ["Invalid value for `env_manager`: pip"]),
        ({"mode": "fast"}, ["Invalid value for `mode`: fast"]),
        ({"engine": "fast"}, ["Invalid value for `engine`: fast"]),
        ({"compat": "old"}, ["Invalid value for `compat`: old"]),
        ({"prebuilt_env_uri": "dbfs:/env.tar.gz"}, ["prebuilt_env_uri is not supported"]),
        ({"params": 3}, ["params must be a dict"]),
        ({"model_config": "/nowhere.yaml"}, ["/nowhere.yaml"]),
    ],
)
def test_wrong_arguments_are_refused_where_the_udf_is_made(spark, model, arguments, words):
    arguments = {"model_uri": str(model("linreg20").path), **arguments}
    with pytest.raises(mlflight.MlflightError) as caught:
        mlflight.spark_udf(spark, **arguments)
    for word in words:
        assert word in str(caught.value)


def test_too_few_columns_are_refused_on_the_driver(udf):
    with pytest.raises(mlflight.MlflightError, match="Model input is missing required columns"):
        udf("f0", "f1")


def test_without_signature_names_must_be_given(spark, tmp_path: Path):
    class First(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.iloc[:, 0]

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=First(), pip_requirements=["mlflow"])
    with pytest.warns(UserWarning, match="no output signature"):
        udf = mlflight.spark_udf(spark, tmp_path / "model")
    with pytest.raises(mlflight.MlflightError, match="zero columns"):
        udf()
    frame = spark.range(5).select((F.col("id") * 1.5).alias("x"))
    assert predictions(frame.select(udf("x"))).tolist() == [0.0, 1.5, 3.0, 4.5, 6.0]


def test_where_the_jar_is_not_the_body_scores(spark, rows, udf, model):
    plain = spark.newSession()
    frame = plain.read.parquet(str(model("linreg20").input_path)).select(udf(*COLUMNS))
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "MlflightEval" not in plan
    np.testing.assert_allclose(predictions(frame), predictions(rows.select(udf(*COLUMNS))), rtol=1e-12)


def test_the_fallback_can_be_turned_off(spark, model):
    case = model("linreg20")
    spark.conf.set("spark.mlflight.fallback.enabled", "false")
    try:
        udf = mlflight.spark_udf(spark, case.path)
    finally:
        spark.conf.unset("spark.mlflight.fallback.enabled")
    plain = spark.newSession()
    with pytest.raises(PySparkException, match="enabled is false"):
        plain.read.parquet(str(case.input_path)).select(udf(*COLUMNS)).collect()
    frame = spark.read.parquet(str(case.input_path))
    assert len(predictions(frame.select(udf(*COLUMNS)))) == case.input.num_rows


def test_the_body_sees_nulls_beside_whole_numbers_as_they_are(spark, tmp_path: Path):
    class Text(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [str(value) for value in model_input.iloc[:, 0]]

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Text(), pip_requirements=["mlflow"])
    table = [(2**53 + 1,), (7,)]
    frame = spark.createDataFrame(table, "x long")
    answers = []
    for mode in (None, "python"):
        udf = mlflight.spark_udf(spark, tmp_path / "model", result_type="string", mode=mode)
        answers.append([row[0] for row in frame.select(udf("x")).collect()])
    assert answers[0] == answers[1] == [str(2**53 + 1), "7"]


def test_an_unsupported_spark_is_refused_in_one_sentence(spark, model, monkeypatch):
    monkeypatch.setattr(type(spark), "version", property(lambda self: "3.4.1"))
    with pytest.raises(mlflight.MlflightError, match=r"works with Spark 3\.5, 4\.2, 4\.3; this session is Spark 3\.4\.1"):
        mlflight.spark_udf(spark, model("linreg20").path)


def test_a_helper_sent_by_add_py_file_is_importable(spark, tmp_path: Path):
    helper = tmp_path / "gears_helper.py"
    helper.write_text("def turn(x):\n    return x * 3.0\n")
    sys.path.insert(0, str(tmp_path))

    class Uses(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            import gears_helper

            return gears_helper.turn(model_input.iloc[:, 0])

    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Uses(), pip_requirements=["mlflow"])
    sys.path.remove(str(tmp_path))
    spark.sparkContext.addPyFile(str(helper))
    udf = mlflight.spark_udf(spark, tmp_path / "model", result_type="double")
    frame = spark.createDataFrame(pa.table({"x": [1.0, 2.0]}).to_pandas())
    assert predictions(frame.select(udf("x"))).tolist() == [3.0, 6.0]
