"""How long services, workers and streams live: as long as the JVM that started them, and not longer than they are wanted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import custom_models
import processes
import pytest
from processes import alive, wait_for
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import mlflight

#: Two applications in one JVM, as in a notebook: says the JVM, and its services during and after each application.
APPLICATIONS = """\
import json, sys
import mlflight, processes
from pyspark.sql import SparkSession

seen = []
for _ in range(2):
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.log.level", "OFF")
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    frame = spark.read.parquet(sys.argv[2])
    rows = len(frame.select(mlflight.spark_udf(spark, sys.argv[1])(*frame.columns)).collect())
    jvm = processes.driver(spark)
    during = processes.services(jvm)
    spark.stop()
    seen.append({"rows": rows, "jvm": jvm, "during": during, "after": processes.services(jvm)})
print(json.dumps(seen))
"""

#: A driver of its own: scores, says what it got, and waits to be told to end.
DRIVER = """\
import json, sys
import mlflight
from pyspark.sql import SparkSession

path, result_type, mode, table = sys.argv[1:]
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.log.level", "OFF")
spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
udf = mlflight.spark_udf(spark, path, result_type or None, mode=mode)
frame = spark.read.parquet(table).coalesce(1)
scored = frame.select(udf(*frame.columns))
plan = scored._jdf.queryExecution().executedPlan().toString()
answers = [row[0] for row in scored.collect()]
jvm = spark._jvm.java.lang.ProcessHandle.current().pid()
print(json.dumps({"jvm": jvm, "plan": plan, "answers": answers}), flush=True)
sys.stdin.readline()
spark.stop()
"""


class Driver:
    """A Spark driver in a process of its own, once it has scored a table."""

    def __init__(self, model: Path, table: Path, mode: str, result_type: str = "") -> None:
        command = [sys.executable, "-c", DRIVER, str(model), result_type, mode, str(table)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "the driver failed; its output says why"
        self.said: dict[str, Any] = json.loads(line)
        self.jvm = int(self.said["jvm"])

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Let the driver end as drivers do."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.wait(60) == 0


@pytest.fixture
def score(spark: SparkSession, model: Any) -> Any:
    """Return a function that scores a few rows and answers the local service's process id."""
    udf = mlflight.spark_udf(spark, model("xgb_reg").path)
    frame = spark.read.parquet(str(model("xgb_reg").input_path)).limit(10)

    def scored() -> int:
        assert len(frame.select(udf(*frame.columns)).collect()) == 10
        (service,) = processes.services(processes.driver(spark))
        return service

    return scored


def test_a_killed_stage_ends_at_once(spark: SparkSession, score: Any, tmp_path: Path) -> None:
    service = score()
    begun = tmp_path / "begun"
    begun.mkdir()
    udf = mlflight.spark_udf(spark, custom_models.save(tmp_path / "model", custom_models.Sleeps(begun)), "double")
    outcome: list[Exception] = []

    def run() -> None:
        spark.sparkContext.setJobGroup("sleepers", "to be killed", interruptOnCancel=True)
        try:
            spark.range(0, 2, 1, 2).select(udf(F.col("id").cast("double"))).collect()
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: list(begun.iterdir()), 120)
    workers = [int(path.name) for path in begun.iterdir()]
    assert set(workers) <= set(processes.children(service))
    spark.sparkContext.cancelJobGroup("sleepers")
    thread.join(30)
    assert not thread.is_alive(), "the query still runs"
    assert outcome
    wait_for(lambda: not spark.sparkContext.statusTracker().getActiveStageIds())
    # The service ended the workers in their sleep, and lives on.
    wait_for(lambda: not any(map(alive, workers)))
    assert score() == service


def test_the_service_outlives_the_threads_that_started_it(spark: SparkSession, score: Any) -> None:
    service = score()
    threads = spark._jvm.java.lang.Thread

    def executor_threads() -> list[str]:
        names = [thread.getName() for thread in threads.getAllStackTraces().keySet()]
        return [name for name in names if name.startswith("Executor task ")]

    assert executor_threads()
    # Spark lets idle ones go after a minute, which cannot be set.
    wait_for(lambda: not executor_threads(), 120)
    assert score() == service


@pytest.mark.parametrize("way", ["end", "kill"])
def test_nothing_outlives_the_driver(model: Any, tmp_path: Path, way: str) -> None:
    table = model("linreg20").input_path
    with Driver(custom_models.save(tmp_path / "model", custom_models.Total()), table, "service", "double") as driver:
        assert len(driver.said["answers"]) == 1000
        started = processes.descendants(driver.jvm)
        programs = [processes.program(pid).name for pid in started]
        assert processes.SERVICE in programs
        assert any(name.startswith("python") for name in programs)
        if way == "kill":
            os.kill(driver.jvm, signal.SIGKILL)
        else:
            driver.end()
        wait_for(lambda: not any(map(alive, [driver.jvm, *started])), 30)


def test_a_service_ends_with_its_application(model: Any) -> None:
    case = model("xgb_reg")
    command = [sys.executable, "-c", APPLICATIONS, str(case.path), str(case.input_path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    first, second = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    assert first["jvm"] == second["jvm"]
    for application in (first, second):
        assert application["rows"] == case.input.num_rows
        assert len(application["during"]) == 1
        assert application["after"] == []


def test_a_lost_service_is_started_again(score: Any) -> None:
    service = score()
    os.kill(service, signal.SIGKILL)
    assert score() != service


@pytest.mark.parametrize(("name", "engine"), [("xgb_reg", "native"), ("pyfunc_custom", "python")])
def test_embedded_scores_as_the_service_does_without_one(spark: SparkSession, model: Any, name: str, engine: str) -> None:
    case = model(name)
    frame = spark.read.parquet(str(case.input_path)).coalesce(1)
    want = [row[0] for row in frame.select(mlflight.spark_udf(spark, case.path)(*frame.columns)).collect()]
    with Driver(case.path, case.input_path, "embedded") as driver:
        assert f"mode=embedded, engine={engine}]" in driver.said["plan"]
        assert driver.said["answers"] == want
        started = processes.descendants(driver.jvm)
        programs = [processes.program(pid).name for pid in started]
        assert processes.SERVICE not in programs
        assert any(name.startswith("python") for name in programs) == (engine == "python")
        os.kill(driver.jvm, signal.SIGKILL)
        wait_for(lambda: not any(map(alive, started)), 30)
