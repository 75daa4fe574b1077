"""Python models made for the Spark suites; saved by value, because the workers that run them have no such module."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.pyfunc
import pandas as pd

cloudpickle.register_pickle_by_value(sys.modules[__name__])


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


class Crashes(mlflow.pyfunc.PythonModel):
    """A model that takes its process with it."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        import os

        os._exit(7)


class Unloadable(mlflow.pyfunc.PythonModel):
    """A model that cannot be loaded."""

    def load_context(self, context: Any) -> None:
        raise RuntimeError("the gears are missing")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        raise AssertionError("never loaded")


class Sleeps(mlflow.pyfunc.PythonModel):
    """Does not come back for a long time; leaves its process id in a directory when it begins."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory.resolve())

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        import os

        Path(self.directory, str(os.getpid())).touch()
        time.sleep(300)
        return model_input.iloc[:, 0]


class Whereabouts(mlflow.pyfunc.PythonModel):
    """Says where the model lies, which Python runs it, and whether that Python has mlflight."""

    def load_context(self, context: Any) -> None:
        self.artifact = context.artifacts["note"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:
        import importlib.util
        import json
        import sys

        found = importlib.util.find_spec("mlflight") is not None
        answer = {"artifact": self.artifact, "note": Path(self.artifact).read_text(), "python": sys.prefix, "mlflight": found}
        return [json.dumps(answer)] * len(model_input)


def save(path: Path, model: mlflow.pyfunc.PythonModel, **options: Any) -> Path:
    """Save a model that needs nothing but mlflow and return its directory."""
    mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=["mlflow"], **options)
    return path
