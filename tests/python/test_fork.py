"""A process that has predicted may fork, even while its other threads predict."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import mlflight

FORKS = 8
#: Longer than a child takes: one that still runs then hangs.
PATIENCE = 120


def ended(child: int) -> int:
    """Return the exit code of a child; kill it, and say so, when it does not end."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.mark.parametrize(("name", "engine"), [("xgb_reg", "native"), ("pyfunc_custom", "python")])
def test_a_child_predicts_while_the_parents_threads_do(model, name: str, engine: str) -> None:
    case = model(name)
    loaded = mlflight.load_model(case.path, engine=engine)
    expected = loaded.predict(case.input)
    stop = threading.Event()
    wrong: list[BaseException] = []

    def keep_predicting() -> None:
        try:
            while not stop.is_set():
                assert loaded.predict(case.input).equals(expected)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=keep_predicting) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(FORKS if engine == "native" else 2):
            child = os.fork()
            if child == 0:
                same = loaded.predict(case.input).equals(expected)
                os._exit(0 if same else 1)
            assert ended(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert loaded.predict(case.input).equals(expected), "the parent's model is as it was"


def test_a_stream_does_not_cross_a_fork(model, tmp_path: Path) -> None:
    case = model("xgb_reg")
    (batch,) = case.input.combine_chunks().to_batches()
    from mlflight import _native

    stream = _native.load_model(str(case.path)).stream(batch.schema)
    assert stream.score(batch).num_rows == batch.num_rows
    said = tmp_path / "said"
    child = os.fork()
    if child == 0:
        try:
            stream.score(batch)
        except mlflight.MlflightError as error:
            said.write_text(str(error))
        os._exit(0)
    assert ended(child) == 0
    assert "open a stream of its own" in said.read_text()
