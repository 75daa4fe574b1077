"""Sessions, models and the installed package, shared by the suites."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable

# What the suites download is nothing to the user's own cache.
os.environ["MLFLIGHT_CACHE_DIR"] = tempfile.mkdtemp(prefix="mlflight-test-cache-")
atexit.register(shutil.rmtree, os.environ["MLFLIGHT_CACHE_DIR"], ignore_errors=True)

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("MLFLIGHT_TEST_MODELS", ROOT / "build" / "test-models"))


@dataclass(frozen=True)
class TestModel:
    """A model of tests/make_models.py."""

    __test__ = False
    name: str

    @property
    def path(self) -> Path:
        return MODELS / self.name / "model"

    @property
    def input_path(self) -> Path:
        return MODELS / self.name / "input.parquet"

    @property
    def input(self) -> pa.Table:
        return pq.read_table(self.input_path)

    @property
    def expected(self) -> pa.Table:
        return pq.read_table(MODELS / self.name / "expected.parquet")


@pytest.fixture(scope="session")
def models() -> Path:
    """Return the directory of the test models, made on first use."""
    if not MODELS.is_dir():
        subprocess.run([sys.executable, str(ROOT / "tests" / "make_models.py"), str(MODELS)], check=True)
    return MODELS


@pytest.fixture(scope="session")
def model(models: Path):
    """Return a function from a name to a test model."""

    def named(name: str) -> TestModel:
        found = TestModel(name)
        assert found.path.is_dir(), f"{found.path} is missing: run tests/make_models.py"
        return found

    return named


@pytest.fixture(scope="session")
def binary() -> Path:
    """Return the command of the installed wheel."""
    return Path(sys.executable).with_name("mlflight")


@pytest.fixture(scope="module")
def spark(request: pytest.FixtureRequest) -> Iterator:
    """Return a session without any configuration of mlflight; the master may be given as an indirect parameter."""
    from pyspark.sql import SparkSession

    master = getattr(request, "param", "local[2]")
    builder = SparkSession.builder.master(master).appName("mlflight tests")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    with pytest.MonkeyPatch.context() as patch:
        if master.startswith("local-cluster"):
            # Executors on other machines have the model's packages, and mlflight is none of them.
            patch.setenv("PYSPARK_PYTHON", os.environ.get("MLFLIGHT_TEST_PYTHON", str(ROOT / ".venv" / "bin" / "python")))
        session = builder.getOrCreate()
    application = session.sparkContext.applicationId
    yield session
    session.stop()
    shutil.rmtree(work_directory(application), ignore_errors=True)


def work_directory(application: str) -> Path:
    """Return where the executors of a local cluster work."""
    import pyspark

    return Path(pyspark.__file__).parent / "work" / application
