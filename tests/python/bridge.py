"""Marked UDFs made by hand: the Spark bridge without the mlflight package, from the jar and library of this tree."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from mlflow.models import Model
from pyspark.sql import SparkSession
from pyspark.sql.functions import ArrowUDFType, arrow_udf

ROOT = Path(__file__).resolve().parents[2]
JAR = ROOT / "jvm" / "dist" / "mlflight-spark4_2.13.jar"
NATIVE = Path(os.environ.get("MLFLIGHT_TEST_NATIVE", ROOT / "target" / "debug"))
MODELS = Path(os.environ.get("MLFLIGHT_TEST_MODELS", ROOT / "build" / "test-models"))
VERSION = "0.1.0"

LENGTH_DELIMITED = 2


def session(master: str, **conf: str) -> SparkSession:
    """Start a session; the marked UDFs of this module are not known to it yet."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(master).appName("mlflight bridge")
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        **conf,
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def install(spark: SparkSession, native: Path | None = NATIVE) -> Any:
    """Bring the planner strategy into a running session, as the package does; answers the jar's class loader."""
    spark.sql(f"ADD JAR '{JAR}'")
    loader = spark._jsparkSession.sharedState().jarClassLoader()
    method = next(m for m in java_class(spark, loader, "Mlflight").getMethods() if m.getName() == "install")
    invoke(spark, method, spark._jsparkSession, None if native is None else str(native))
    return loader


def java_class(spark: SparkSession, loader: Any, name: str) -> Any:
    """Return a class of the jar."""
    return spark._jvm.java.lang.Class.forName(f"io.mlflight.spark.{name}", True, loader)


def invoke(spark: SparkSession, method: Any, *arguments: Any) -> Any:
    """Call a static method."""
    array = spark.sparkContext._gateway.new_array(spark._jvm.java.lang.Object, len(arguments))
    for i, argument in enumerate(arguments):
        array[i] = argument
    method.setAccessible(True)
    return method.invoke(None, array)


def _field(number: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def spec(model: Path | str, result: pa.DataType, engine: str = "auto", names: list[str] | None = None) -> bytes:
    """Encode a ScoreSpec (proto/mlflight/v1/score.proto)."""
    schema = pa.schema([pa.field("prediction", result)]).serialize().to_pybytes()
    out = b"\x08\x01" + _field(2, str(model)) + _field(4, engine) + _field(11, schema)
    if (Path(model) / "MLmodel").exists() and (signature := Model.load(str(model)).signature):
        out += _field(14, json.dumps(signature.to_dict()))
    for name in names or []:
        out += _field(15, name)
    return out


def marked(
    model: Path | str,
    returns: str = "double",
    result: pa.DataType | None = None,
    *,
    engine: str = "auto",
    inputs: list[str] | None = None,
    required: int | None = None,
    version: str = VERSION,
    mode: str | None = None,
    server: str | None = None,
) -> Any:
    """Return an Arrow UDF whose body gives -1 for every row, so that an answer tells who scored, with a mark for the planner."""
    if inputs is None and (Path(model) / "MLmodel").exists():
        signature = Model.load(str(model)).signature
        if signature is not None and signature.inputs is not None and signature.inputs.has_input_names():
            inputs = signature.inputs.input_names()
    content = {
        "version": version,
        "spec": base64.b64encode(spec(model, result or pa.float64(), engine, inputs)).decode(),
        "name": Path(model).parent.name,
        "uri": str(model),
        "digest": "",
        "engine": engine,
        "mode": mode,
        "server": server,
        "inputs": inputs,
        "required": required,
    }
    text = "MLFLIGHT1{" + base64.b64encode(json.dumps(content).encode()).decode() + "}"

    def body(*columns: pa.Array) -> pa.Array:
        assert text
        return pa.array([-1.0] * len(columns[0]))

    return arrow_udf(body, returns, ArrowUDFType.SCALAR)
