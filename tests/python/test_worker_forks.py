"""Models that fork: only the worker itself answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mlflight

FORKS = """
import os, sys
class Model:
    def predict(self, frame):
        if frame["x"].iloc[0] == 1.0 and os.fork() == 0:
            CHILD
        return frame["x"].to_numpy() * 2
def _load_pyfunc(path):
    return Model()
"""


@pytest.mark.parametrize(
    "child", ["return frame['x'].to_numpy()", "sys.exit(0)", "raise ValueError('the child')", "sys.exit('bye')"]
)
def test_a_forked_child_does_not_answer(tmp_path: Path, child: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLIGHT_PYTHON_WORKERS", "1")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "forking_model.py").write_text(FORKS.replace("CHILD", child))
    (tmp_path / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: forking_model\n    code: code\n")
    model = mlflight.load_model(tmp_path)
    for first in [1.0, 30.0, 50.0, 1.0, 70.0]:
        assert list(model.predict(pd.DataFrame({"x": [first, 2.0]}))) == [2 * first, 4.0]
