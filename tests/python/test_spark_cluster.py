"""Executors on machines of their own: no shared file system, no mlflight in their Python, only what the driver sends."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import custom_models
import numpy as np
import processes
import pytest
from conftest import work_directory
from pyspark.sql import SparkSession

import mlflight
from mlflight import _native

pytestmark = pytest.mark.parametrize("spark", ["local-cluster[2,1,1024]"], indirect=True)


def executors(spark: SparkSession) -> list[int]:
    """Return the process ids of the executors' JVMs."""
    found = [pid for pid in processes.children(processes.driver(spark)) if processes.program(pid).name == "java"]
    assert len(found) == 2
    return found


def libraries(pid: int) -> set[Path]:
    """Return the files from which a process has mapped our native library."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if line.endswith("libmlflight_jni.so")}


def test_everything_comes_from_the_shipped_copy(spark: SparkSession, model: Any, tmp_path: Path) -> None:
    older = set(processes.services(processes.driver(spark)))
    case = model("xgb_reg")
    native, python = tmp_path / "native", tmp_path / "python"
    shutil.copytree(case.path, native)
    (native / "README.md").write_text("a digest of its own")
    (tmp_path / "note.txt").write_text("shipped")
    custom_models.save(python, custom_models.Whereabouts(), artifacts={"note": str(tmp_path / "note.txt")})
    digest = _native.make_spec(str(python)).digest
    trees, where = mlflight.spark_udf(spark, native, "float"), mlflight.spark_udf(spark, python, "string")
    shutil.rmtree(native)
    shutil.rmtree(python)
    (tmp_path / "note.txt").unlink()

    frame = spark.read.parquet(str(case.input_path))
    got = np.array([row[0] for row in frame.select(trees(*frame.columns)).collect()])
    np.testing.assert_array_equal(got, case.expected.column(0).to_numpy())

    work = work_directory(spark.sparkContext.applicationId).resolve()
    answers = {row[0] for row in spark.range(0, 40, 1, 8).select(where("id")).collect()}
    for answer in map(json.loads, answers):
        assert not answer["mlflight"]
        assert answer["note"] == "shipped"
        # WORK/EXECUTOR/mlflight-models/DIGEST/artifacts/note.txt
        assert Path(answer["artifact"]).resolve().relative_to(work).parts[1:3] == ("mlflight-models", digest)

    jvms = executors(spark)
    used = [pid for pid in jvms if processes.services(pid)]
    assert used
    for pid in used:
        (library,) = libraries(pid)
        (service,) = processes.services(pid)
        assert library.is_relative_to(work)
        assert processes.program(service).parent == library.parent
    assert set(processes.services(processes.driver(spark))) == older


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Serve a directory over HTTP: the directory, its URL, and the paths asked for so far."""
    directory = tmp_path / "www"
    directory.mkdir()
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield directory, f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_executors_fetch_the_model_themselves(
    spark: SparkSession, model: Any, website: tuple[Path, str, list[str]], request: pytest.FixtureRequest
) -> None:
    directory, url, asked = website
    case = model("xgb_reg")
    shutil.copytree(case.path, directory / "model")
    (directory / "model" / "README.md").write_text("fetched")
    spark.conf.set("spark.mlflight.fetch", "executor")
    request.addfinalizer(lambda: spark.conf.unset("spark.mlflight.fetch"))
    score = mlflight.spark_udf(spark, f"{url}/model?token=secret", "float")
    by_driver = len(asked)
    frame = spark.read.parquet(str(case.input_path))
    scored = frame.select(score(*frame.columns))
    got = np.array([row[0] for row in scored.collect()])
    np.testing.assert_array_equal(got, case.expected.column(0).to_numpy())
    assert 0 < by_driver < len(asked)
    digest = _native.make_spec(str(directory / "model")).digest
    assert not [name for name in spark.sparkContext.listFiles if digest in name]
    assert "secret" not in scored._jdf.queryExecution().toString()

    (directory / "model" / "README.md").write_text("changed since")
    with pytest.raises(Exception, match="is not the one the request was planned with"):
        frame.select(score(*frame.columns)).collect()
