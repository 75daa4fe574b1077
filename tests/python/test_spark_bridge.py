"""The Spark bridge: marked UDFs in every place where a UDF may stand, scored by the local service."""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridge
import cloudpickle
import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema
from pyspark.errors import IllegalArgumentException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

# The workers of the models below have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

COLUMNS = [f"f{i}" for i in range(20)]


class Total(mlflow.pyfunc.PythonModel):
    """The sum of the columns; nulls count as nothing."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.Series:
        return model_input.select_dtypes("number").sum(axis=1).astype("float64")


class Texts(mlflow.pyfunc.PythonModel):
    """The row as text."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:
        return ["|".join(str(value) for value in row) for row in model_input.itertuples(index=False)]


class Pairs(mlflow.pyfunc.PythonModel):
    """A list for each row, null for negative ones."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[list[float] | None]:
        return [None if x < 0 else [float(x), float(x) * 2] for x in model_input.iloc[:, 0]]


class Fails(mlflow.pyfunc.PythonModel):
    """A model with a bug."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        raise ValueError("the gears are stuck")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of this suite."""
    root = tmp_path_factory.mktemp("models")
    saved = {}
    for model in (Total, Texts, Pairs, Fails):
        name = model.__name__.lower()
        saved[name] = root / name / "model"
        mlflow.pyfunc.save_model(saved[name], python_model=model(), pip_requirements=["mlflow"])
    saved["signed"] = root / "signed" / "model"
    signature = ModelSignature(
        Schema([ColSpec("double", "a"), ColSpec("long", "b"), ColSpec("double", "c", required=False)]),
        Schema([ColSpec("double")]),
    )
    mlflow.pyfunc.save_model(saved["signed"], python_model=Total(), signature=signature, pip_requirements=["mlflow"])
    saved["linreg"] = bridge.MODELS / "linreg20" / "model"
    return saved


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A session with the bridge."""
    session = bridge.session("local[2]", **{"spark.mlflight.nativePath": str(bridge.NATIVE)})
    bridge.install(session)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of many row groups: the features, and columns of other types to be carried along."""
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    features = pq.read_table(bridge.MODELS / "linreg20" / "input.parquet")
    rows = 30_000
    features = pa.concat_tables([features] * (rows // features.num_rows))
    ids = np.arange(rows)
    carried = {
        "id": pa.array(ids),
        "word": pa.array([None if i % 7 == 0 else f"w{i % 1000}" for i in ids]),
        "flag": pa.array([None if i % 11 == 0 else bool(i % 2) for i in ids]),
        "day": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(days=int(i % 3000)) for i in ids]),
        "price": pa.array([decimal.Decimal(int(i)) / 100 for i in ids], pa.decimal128(12, 2)),
        "list": pa.array([None if i % 13 == 0 else [int(i), int(i) + 1][: i % 3] for i in ids], pa.list_(pa.int64())),
    }
    for name, column in carried.items():
        features = features.append_column(name, column)
    pq.write_table(features, path, row_group_size=1500)
    return path


def plan(df: DataFrame) -> str:
    """Return the physical plan."""
    return df._jdf.queryExecution().toString()


def numbers(spark: SparkSession, rows: int = 10) -> DataFrame:
    """Two columns, ``x`` = 0, 1, ... and ``y`` = 100."""
    return spark.range(rows).select(F.col("id").cast("double").alias("x"), F.lit(100.0).alias("y"))


def collected(df: DataFrame, *columns: str) -> list[Any]:
    """Return the rows of some columns as tuples, in order."""
    return sorted(tuple(row[c] for c in columns) for row in df.collect())


def test_every_carried_column_of_a_large_file_is_intact(spark: SparkSession, models: dict[str, Path], table: Path) -> None:
    udf = bridge.marked(models["linreg"])
    df = spark.read.parquet(str(table)).withColumn("prediction", udf(*COLUMNS))
    text = plan(df)
    assert "MlflightEval [model=linreg20, mode=service, engine=auto]" in text
    assert "ArrowEvalPython [body" not in text.split("== Physical Plan ==")[1]
    got = df.toArrow().sort_by("id")
    want = pq.read_table(table)
    assert got.drop_columns(["prediction"]).to_pydict() == want.to_pydict()
    expected = pq.read_table(bridge.MODELS / "linreg20" / "expected.parquet").column(0).to_numpy()
    np.testing.assert_allclose(got["prediction"].to_numpy(), np.tile(expected, 30), rtol=1e-12, atol=1e-12)


def test_a_struct_argument_is_the_whole_input(spark: SparkSession, models: dict[str, Path], table: Path) -> None:
    udf = bridge.marked(models["linreg"])
    rows = spark.read.parquet(str(table)).limit(2000)
    by_columns = collected(rows.select("id", udf(*COLUMNS).alias("p")), "id", "p")
    backwards = F.struct(*reversed(COLUMNS))
    assert collected(rows.select("id", udf(backwards).alias("p")), "id", "p") == by_columns
    stored = rows.select("id", backwards.alias("s")).cache()
    assert collected(stored.select("id", udf("s").alias("p")), "id", "p") == by_columns
    stored.unpersist()


def test_filter_sort_join_group_and_aggregate(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["total"])
    df = numbers(spark)
    p = udf("x", "y")
    assert collected(df.filter(p > 107), "x") == [(8.0,), (9.0,)]
    assert [row.x for row in df.orderBy(p.desc()).limit(2).collect()] == [9.0, 8.0]
    assert collected(df.groupBy((p % 2).alias("odd")).count(), "odd", "count") == [(0.0, 5), (1.0, 5)]
    assert df.agg(F.sum(p)).first()[0] == sum(100 + x for x in range(10))
    assert df.groupBy().agg(udf(F.sum("x"), F.max("y")).alias("p")).first().p == 145
    other = numbers(spark).select((F.col("x") + 100).alias("key"), F.col("x").alias("right"))
    joined = df.join(other, p == other.key)
    assert collected(joined, "x", "right") == [(float(x), float(x)) for x in range(10)]
    assert df.repartition(5).select(p.alias("p")).distinct().count() == 10
    assert collected(df.select(F.when(F.col("x") > 8, p).alias("p")).filter("p is not null"), "p") == [(109.0,)]


def test_sql_after_register(spark: SparkSession, models: dict[str, Path]) -> None:
    spark.udf.register("total", bridge.marked(models["total"]))
    numbers(spark).createOrReplaceTempView("numbers")
    rows = spark.sql("SELECT x, total(x, y) AS p FROM numbers WHERE total(x, y) > 105 ORDER BY p").collect()
    assert [tuple(row) for row in rows] == [(float(x), 100.0 + x) for x in range(6, 10)]


def test_nested_and_mixed_with_ordinary_udfs(spark: SparkSession, models: dict[str, Path]) -> None:
    udf, other = bridge.marked(models["total"]), bridge.marked(models["linreg"], inputs=COLUMNS)

    @F.arrow_udf("double")
    def doubled(values: pa.Array) -> pa.Array:
        return pa.compute.multiply(values, 2.0)

    df = numbers(spark, 4).select(
        "x",
        udf(udf("x", "y"), "y").alias("nested"),
        udf(doubled("x"), "y").alias("over"),
        doubled(udf("x", "y")).alias("under"),
        udf("x", "y").alias("plain"),
        udf("x", "y").alias("again"),
        doubled("x").alias("ordinary"),
        other(*[F.col("x")] * 20).alias("other"),
    )
    assert "ArrowEvalPython" in plan(df).split("== Physical Plan ==")[1]
    got = df.orderBy("x").toPandas()
    x = np.arange(4.0)
    assert got["nested"].tolist() == (x + 200).tolist()
    assert got["over"].tolist() == (2 * x + 100).tolist()
    assert got["under"].tolist() == (2 * (x + 100)).tolist()
    assert got["plain"].tolist() == got["again"].tolist() == (x + 100).tolist()
    assert got["ordinary"].tolist() == (2 * x).tolist()
    assert len(set(got["other"])) == 4


def test_a_cached_relation(spark: SparkSession, models: dict[str, Path], table: Path) -> None:
    udf = bridge.marked(models["linreg"])
    source = spark.read.parquet(str(table)).select("id", *COLUMNS)
    cached = source.cache()
    from_cache = cached.agg(F.sum(udf(*COLUMNS))).first()[0]
    scored = source.withColumn("p", udf(*COLUMNS)).cache()
    assert scored.agg(F.sum("p")).first()[0] == pytest.approx(from_cache)
    scored.unpersist()
    cached.unpersist()


def test_nulls_and_nan_stay_apart(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["texts"], "string", pa.string())
    df = spark.createDataFrame([(1, None, "a"), (2, 1.5, None), (3, float("nan"), "")], "id int, x double, s string")
    rows = dict(collected(df.select("id", udf("x", "s").alias("p")), "id", "p"))
    assert rows[2] == "1.5|nan"
    assert rows[3] == "nan|"
    assert rows[1].endswith("|a")


def test_lists_in_and_out(spark: SparkSession, models: dict[str, Path]) -> None:
    pairs = bridge.marked(models["pairs"], "array<double>", pa.list_(pa.float64()))
    df = spark.createDataFrame([(1.0,), (-1.0,), (2.0,)], "x double")
    assert collected(df.select("x", pairs("x").alias("p")), "x", "p") == [(-1.0, None), (1.0, [1.0, 2.0]), (2.0, [2.0, 4.0])]
    assert collected(df.select(F.explode(pairs("x")).alias("e")), "e") == [(1.0,), (2.0,), (2.0,), (4.0,)]
    texts = bridge.marked(models["texts"], "string", pa.string())
    nested = df.select("x", texts(F.array(F.col("x"), F.lit(3.0))).alias("p"))
    assert dict(collected(nested, "x", "p"))[2.0].replace(",", "").split() == ["[2.", "3.]"]


def test_empty_partitions_and_empty_tables(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["total"])
    assert numbers(spark, 2).repartition(6).select(udf("x", "y").alias("p")).agg(F.sum("p")).first()[0] == 201
    assert numbers(spark, 0).select(udf("x", "y")).collect() == []
    # Nothing to score means that the model is not even loaded.
    assert numbers(spark, 0).select(bridge.marked("/no/such/model")("x")).collect() == []


def test_arguments_are_named_by_the_signature(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["signed"], required=2)
    df = numbers(spark, 3).select("x", F.col("y").cast("long").alias("n"), F.lit("over").alias("s"))
    assert collected(df.select(udf("x", "n").alias("p")), "p") == [(100.0,), (101.0,), (102.0,)]
    assert collected(df.select(udf("x", "n", "x", "s").alias("p")), "p") == [(100.0,), (102.0,), (104.0,)]


def test_wrong_columns_are_refused_at_planning(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["signed"], required=2)
    df = numbers(spark, 3).withColumn("s", F.lit("text"))
    with pytest.raises(IllegalArgumentException, match="but the model received only 1 unnamed input columns"):
        df.select(udf("x")).explain()
    with pytest.raises(IllegalArgumentException, match="column 'b'"):
        df.select(udf("x", "s")).explain()
    with pytest.raises(IllegalArgumentException, match="'b'"):
        df.select(udf(F.struct(F.col("x").alias("a"), F.col("y").alias("other")))).explain()
    with pytest.raises(IllegalArgumentException, match="the Spark type interval"):
        df.select(udf("x", F.expr("make_interval(1)"))).explain()


def test_a_package_of_another_version_is_refused_naming_both(spark: SparkSession, models: dict[str, Path]) -> None:
    with pytest.raises(IllegalArgumentException, match=rf"(?s)version {bridge.VERSION}.*version 9\.9\.9"):
        numbers(spark).select(bridge.marked(models["total"], version="9.9.9")("x")).explain()


def test_failures_of_tasks_say_what_and_where(spark: SparkSession, models: dict[str, Path]) -> None:
    df = numbers(spark, 3)
    with pytest.raises(Exception, match="PythonException") as failed:
        df.select(bridge.marked(models["fails"])("x")).collect()
    assert "ValueError: the gears are stuck" in str(failed.value)
    assert "in predict" in str(failed.value)
    with pytest.raises(Exception, match="/no/such/model"):
        df.select(bridge.marked("/no/such/model")("x")).collect()
    with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
        df.select(bridge.marked(models["total"], server="grpc://127.0.0.1:1")("x")).collect()
    with pytest.raises(PySparkException, match="x1y"):
        df.select(bridge.marked(models["total"], mode="x1y")("x")).collect()


def test_without_the_strategy_the_body_runs(spark: SparkSession, models: dict[str, Path]) -> None:
    udf = bridge.marked(models["total"])
    spark.conf.set("spark.mlflight.mode", "python")
    try:
        assert collected(numbers(spark, 2).select(udf("x", "y").alias("p")), "p") == [(-1.0,), (-1.0,)]
    finally:
        spark.conf.unset("spark.mlflight.mode")
