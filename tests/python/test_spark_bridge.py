"""The planned node: a model's UDF in every place where a UDF may stand, on one machine and on executors of their own."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import custom_models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema
from pyspark.errors import IllegalArgumentException, PythonException, SparkRuntimeException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import mlflight
from mlflight import _native

COLUMNS = [f"f{i}" for i in range(20)]

here = pytest.mark.parametrize("spark", ["local[2]"], indirect=True)
everywhere = pytest.mark.parametrize("spark", ["local[2]", "local-cluster[2,1,1024]"], indirect=True)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of this suite."""
    root = tmp_path_factory.mktemp("models")
    made = {}
    for name in ("Total", "Texts", "Pairs", "Fails", "Crashes", "Unloadable"):
        made[name] = custom_models.save(root / name, getattr(custom_models, name)())
    signature = ModelSignature(
        Schema([ColSpec("double", "a"), ColSpec("long", "b"), ColSpec("double", "c", required=False)]),
        Schema([ColSpec("double")]),
    )
    made["signed"] = custom_models.save(root / "signed", custom_models.Total(), signature=signature)
    return made


@pytest.fixture(autouse=True)
def no_fallback(spark: SparkSession) -> None:
    """The Python bodies of this suite's UDFs raise, so an answer shows that the planned node gave it."""
    spark.conf.set("spark.mlflight.fallback.enabled", "false")


@pytest.fixture
def linreg(spark: SparkSession, model: Any) -> Any:
    """The linear model over twenty doubles."""
    return mlflight.spark_udf(spark, model("linreg20").path)


@pytest.fixture
def total(spark: SparkSession, saved: dict[str, Path]) -> Any:
    """The sum of the columns."""
    return mlflight.spark_udf(spark, saved["Total"], "double")


@pytest.fixture(scope="session")
def table(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file of many row groups: the features, and columns of other types to be carried along."""
    path = tmp_path_factory.mktemp("table") / "rows.parquet"
    features = model("linreg20").input
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


@everywhere
def test_every_carried_column_of_a_large_file_is_intact(spark: SparkSession, linreg: Any, model: Any, table: Path) -> None:
    df = spark.read.parquet(str(table)).withColumn("prediction", linreg(*COLUMNS))
    text = plan(df)
    assert f"MlflightEval [model={model('linreg20').path}, mode=service, engine={linreg.engine}]" in text
    # Nothing turns the scan's batches into rows below the prediction.
    below = text.split("== Physical Plan ==")[1].split("MlflightEval")[1]
    assert "ColumnarToRow" not in below
    assert "Scan parquet" in below
    got = df.toArrow().sort_by("id")
    want = pq.read_table(table)
    assert got.drop_columns(["prediction"]).to_pydict() == want.to_pydict()
    expected = model("linreg20").expected.column(0).to_numpy()
    np.testing.assert_allclose(got["prediction"].to_numpy(), np.tile(expected, 30), rtol=1e-12, atol=1e-12)


@here
def test_a_struct_argument_is_the_whole_input(spark: SparkSession, linreg: Any, table: Path) -> None:
    rows = spark.read.parquet(str(table)).limit(2000)
    by_columns = collected(rows.select("id", linreg(*COLUMNS).alias("p")), "id", "p")
    backwards = F.struct(*reversed(COLUMNS))
    assert collected(rows.select("id", linreg(backwards).alias("p")), "id", "p") == by_columns
    stored = rows.select("id", backwards.alias("s")).cache()
    assert collected(stored.select("id", linreg("s").alias("p")), "id", "p") == by_columns
    stored.unpersist()


@everywhere
def test_filter_sort_join_group_and_aggregate(spark: SparkSession, total: Any) -> None:
    df = numbers(spark)
    p = total("x", "y")
    assert collected(df.filter(p > 107), "x") == [(8.0,), (9.0,)]
    assert [row.x for row in df.orderBy(p.desc()).limit(2).collect()] == [9.0, 8.0]
    assert collected(df.groupBy((p % 2).alias("odd")).count(), "odd", "count") == [(0.0, 5), (1.0, 5)]
    assert df.agg(F.sum(p)).first()[0] == sum(100 + x for x in range(10))
    assert df.groupBy().agg(total(F.sum("x"), F.max("y")).alias("p")).first().p == 145
    other = numbers(spark).select((F.col("x") + 100).alias("key"), F.col("x").alias("right"))
    joined = df.join(other, p == other.key)
    assert collected(joined, "x", "right") == [(float(x), float(x)) for x in range(10)]
    assert df.repartition(5).select(p.alias("p")).distinct().count() == 10
    assert collected(df.select(F.when(F.col("x") > 8, p).alias("p")).filter("p is not null"), "p") == [(109.0,)]


@here
def test_sql_after_register(spark: SparkSession, total: Any) -> None:
    spark.udf.register("total", total)
    numbers(spark).createOrReplaceTempView("numbers")
    rows = spark.sql("SELECT x, total(x, y) AS p FROM numbers WHERE total(x, y) > 105 ORDER BY p").collect()
    assert [tuple(row) for row in rows] == [(float(x), 100.0 + x) for x in range(6, 10)]


@everywhere
def test_nested_and_mixed_with_ordinary_udfs(spark: SparkSession, total: Any, linreg: Any) -> None:
    @F.arrow_udf("double")
    def doubled(values: pa.Array) -> pa.Array:
        return pa.compute.multiply(values, 2.0)

    df = numbers(spark, 4).select(
        "x",
        total(total("x", "y"), "y").alias("nested"),
        total(doubled("x"), "y").alias("over"),
        doubled(total("x", "y")).alias("under"),
        total("x", "y").alias("plain"),
        total("x", "y").alias("again"),
        doubled("x").alias("ordinary"),
        linreg(*[F.col("x")] * 20).alias("other"),
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


@here
def test_a_cached_relation(spark: SparkSession, linreg: Any, table: Path) -> None:
    source = spark.read.parquet(str(table)).select("id", *COLUMNS)
    cached = source.cache()
    from_cache = cached.agg(F.sum(linreg(*COLUMNS))).first()[0]
    scored = source.withColumn("p", linreg(*COLUMNS)).cache()
    assert scored.agg(F.sum("p")).first()[0] == pytest.approx(from_cache)
    scored.unpersist()
    cached.unpersist()


@here
def test_nulls_and_nan_stay_apart(spark: SparkSession, saved: dict[str, Path]) -> None:
    udf = mlflight.spark_udf(spark, saved["Texts"], "string")
    df = spark.createDataFrame([(1, None, "a"), (2, 1.5, None), (3, float("nan"), "")], "id int, x double, s string")
    rows = dict(collected(df.select("id", udf("x", "s").alias("p")), "id", "p"))
    assert rows[2] == "1.5|nan"
    assert rows[3] == "nan|"
    assert rows[1].endswith("|a")


@everywhere
def test_lists_in_and_out(spark: SparkSession, saved: dict[str, Path]) -> None:
    pairs = mlflight.spark_udf(spark, saved["Pairs"], "array<double>")
    df = spark.createDataFrame([(1.0,), (-1.0,), (2.0,)], "x double")
    assert collected(df.select("x", pairs("x").alias("p")), "x", "p") == [(-1.0, None), (1.0, [1.0, 2.0]), (2.0, [2.0, 4.0])]
    assert collected(df.select(F.explode(pairs("x")).alias("e")), "e") == [(1.0,), (2.0,), (2.0,), (4.0,)]
    texts = mlflight.spark_udf(spark, saved["Texts"], "string")
    nested = df.select("x", texts(F.array(F.col("x"), F.lit(3.0))).alias("p"))
    assert dict(collected(nested, "x", "p"))[2.0].replace(",", "").split() == ["[2.", "3.]"]


@here
def test_empty_partitions_and_empty_tables(spark: SparkSession, saved: dict[str, Path], total: Any) -> None:
    assert numbers(spark, 2).repartition(6).select(total("x", "y").alias("p")).agg(F.sum("p")).first()[0] == 201
    assert numbers(spark, 0).select(total("x", "y")).collect() == []
    # Nothing to score means that the model is not even loaded.
    udf = mlflight.spark_udf(spark, saved["Unloadable"], "double")
    assert numbers(spark, 0).select(udf("x")).collect() == []


@here
def test_arguments_are_named_by_the_signature(spark: SparkSession, saved: dict[str, Path]) -> None:
    udf = mlflight.spark_udf(spark, saved["signed"])
    df = numbers(spark, 3).select("x", F.col("y").cast("long").alias("n"), F.lit("over").alias("s"))
    assert collected(df.select(udf("x", "n").alias("p")), "p") == [(100.0,), (101.0,), (102.0,)]
    assert collected(df.select(udf("x", "n", "x", "s").alias("p")), "p") == [(100.0,), (102.0,), (104.0,)]


@here
def test_wrong_columns_are_refused_at_planning(spark: SparkSession, saved: dict[str, Path]) -> None:
    udf = mlflight.spark_udf(spark, saved["signed"])
    df = numbers(spark, 3).withColumn("s", F.lit("text"))
    with pytest.raises(IllegalArgumentException, match="but the model received only 1 unnamed input columns"):
        df.select(udf("x")).explain()
    with pytest.raises(IllegalArgumentException, match="column 'b'"):
        df.select(udf("x", "s")).explain()
    with pytest.raises(IllegalArgumentException, match="'b'"):
        df.select(udf(F.struct(F.col("x").alias("a"), F.col("y").alias("other")))).explain()
    with pytest.raises(IllegalArgumentException, match="the Spark type interval"):
        df.select(udf("x", F.expr("make_interval(1)"))).explain()


@here
def test_a_package_of_another_version_is_refused_naming_both(
    spark: SparkSession, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _native.__version__
    monkeypatch.setattr(_native, "__version__", "9.9.9")
    udf = mlflight.spark_udf(spark, saved["Total"], "double")
    with pytest.raises(IllegalArgumentException, match=rf"(?s)version {version}.*version 9\.9\.9"):
        numbers(spark).select(udf("x")).explain()


@everywhere
def test_a_model_s_failure_is_a_python_exception(spark: SparkSession, saved: dict[str, Path]) -> None:
    df = numbers(spark, 3)
    with pytest.raises(PythonException, match="ValueError: the gears are stuck") as failed:
        df.select(mlflight.spark_udf(spark, saved["Fails"], "double")("x")).collect()
    assert "Traceback (most recent call last):" in str(failed.value)
    assert "in predict" in str(failed.value)
    with pytest.raises(PythonException, match="exited with code 7 while it scored a batch"):
        df.select(mlflight.spark_udf(spark, saved["Crashes"], "double")("x")).collect()
    with pytest.raises(PythonException, match="the gears are missing"):
        df.select(mlflight.spark_udf(spark, saved["Unloadable"], "double")("x")).collect()


@everywhere
def test_a_task_s_failure_says_what_and_where(spark: SparkSession, saved: dict[str, Path], total: Any) -> None:
    df = numbers(spark, 3)
    with pytest.raises(SparkRuntimeException, match=r"cannot reach the service at \S*127\.0\.0\.1:1"):
        df.select(mlflight.spark_udf(spark, saved["Total"], "double", server="grpc://127.0.0.1:1")("x")).collect()
    spark.conf.set("spark.mlflight.mode", "x1y")
    try:
        with pytest.raises(IllegalArgumentException, match="x1y"):
            df.select(total("x")).collect()
    finally:
        spark.conf.unset("spark.mlflight.mode")
