"""A Spark Connect server and its client: with mlflight's extension on the server, and on a server that knows nothing of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyspark
import pytest
from users_functions import X, mixed, of_ours, of_users, save_line

import mlflight
from mlflight import _paths

START_SECONDS = 120


def serve(log: Path, settings: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server of its own process; returns it with its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "3",
        **settings,
    }
    command = [Path(pyspark.__file__).parent / "bin" / "spark-submit", "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for key, value in given.items():
        command += ["--conf", f"{key}={value}"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYSPARK_GATEWAY")}
    environment.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable)
    with log.open("wb") as out:
        server = subprocess.Popen([*command, "spark-internal"], stdout=out, stderr=out, env=environment, cwd=log.parent)
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, port
        time.sleep(0.2)
    server.kill()
    pytest.fail(f"the Spark Connect server did not start:\n{log.read_text()[-3000:]}")


def client(server: subprocess.Popen[bytes], port: int) -> Iterator[Any]:
    """Give a session at the server, as `SparkSession.builder.remote` makes it; ends both."""
    from pyspark.sql.connect.session import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        # What the builder sets, so that `pyspark.sql.functions` are those of Connect.
        patch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        try:
            yield session
            session.stop()
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_line(tmp_path_factory.mktemp("line") / "model")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session at a server with the jar, as docs/spark.md sets it up."""
    settings = {
        "spark.jars": str(_paths.jar(4, "2.13")),
        "spark.sql.extensions": "io.mlflight.spark.MlflightExtensions",
        "spark.mlflight.nativePath": str(_paths.native()),
    }
    yield from client(*serve(tmp_path_factory.mktemp("extended") / "server.log", settings))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session at a server without the jar."""
    yield from client(*serve(tmp_path_factory.mktemp("foreign") / "server.log", {}))


def rows(spark: Any) -> Any:
    return spark.createDataFrame(pd.DataFrame({"x": X})).repartition(1)


def planned(frame: Any) -> bool:
    """Whether the server's planner took some UDF of the query for ours."""
    return "MlflightEval" in frame._explain_string(extended=True)


def check_users_functions(frame: Any, udf: Any) -> None:
    cases = of_users(udf)
    frame = frame.select(*[function("x").alias(name) for name, (function, _) in cases.items()])
    assert not planned(frame)
    got = frame.toPandas()
    for name, (_, expected) in cases.items():
        np.testing.assert_allclose(got[name], expected, rtol=1e-9, err_msg=name)


def check_mixed(spark: Any, frame: Any, udf: Any, native: bool) -> None:
    query, expected = mixed(spark, frame, udf)
    assert planned(query) == native
    got = query.toPandas()
    for name, column in expected.items():
        np.testing.assert_allclose(got[name], column, rtol=1e-9, err_msg=name)


def test_a_user_s_function_that_holds_ours_runs_as_it_is(extended: Any, line: Path) -> None:
    check_users_functions(rows(extended), mlflight.spark_udf(extended, line))


def test_the_function_itself_is_ours_whoever_makes_the_udf(extended: Any, line: Path) -> None:
    for made in of_ours(mlflight.spark_udf(extended, line)):
        frame = rows(extended).select(made("x").alias("p"))
        assert planned(frame)
        np.testing.assert_allclose(frame.toPandas()["p"], 2 * X + 1)


def test_ours_beside_over_and_under_a_user_s(extended: Any, line: Path) -> None:
    check_mixed(extended, rows(extended), mlflight.spark_udf(extended, line), native=True)


def test_a_server_without_the_jar_runs_every_function(foreign: Any, line: Path) -> None:
    udf = mlflight.spark_udf(foreign, line)
    check_users_functions(rows(foreign), udf)
    check_mixed(foreign, rows(foreign), udf, native=False)


@pytest.mark.parametrize("server", ["extended", "foreign"])
def test_the_model_comes_with_the_session(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> None:
    spark = request.getfixturevalue(server)
    udf = mlflight.spark_udf(spark, save_line(tmp_path / "model", intercept=2.0))
    shutil.rmtree(tmp_path / "model")
    frame = rows(spark).select(udf("x").alias("p"))
    assert planned(frame) == (server == "extended")
    np.testing.assert_allclose(frame.toPandas()["p"], 2 * X + 2)


@pytest.mark.parametrize("server", ["extended", "foreign"])
def test_a_python_model_imports_what_the_session_sent(
    request: pytest.FixtureRequest, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark = request.getfixturevalue(server)
    (tmp_path / "gears_sent.py").write_text("def turn(column):\n    return column * 3.0\n")

    class Uses(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            import gears_sent

            return gears_sent.turn(model_input.iloc[:, 0])

    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        mlflow.pyfunc.save_model(tmp_path / "model", python_model=Uses(), pip_requirements=["mlflow"])
    spark.addArtifacts(str(tmp_path / "gears_sent.py"), pyfile=True)
    udf = mlflight.spark_udf(spark, tmp_path / "model", "double")
    frame = rows(spark).select(udf("x").alias("p"))
    assert planned(frame) == (server == "extended")
    np.testing.assert_allclose(frame.toPandas()["p"], 3 * X)
