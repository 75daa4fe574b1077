"""MLflow Models, scored in Rust over Arrow, from Spark and from Python."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("mlflight does not run on Windows; use Linux, or the Windows Subsystem for Linux")

from mlflight._native import __version__
from mlflight.model import Model, load_model

if TYPE_CHECKING:
    from mlflight.errors import MlflightError, ModelFailedError
    from mlflight.spark import spark_udf
    from mlflight.tracking import start_run

__all__ = ["MlflightError", "Model", "ModelFailedError", "__version__", "load_model", "spark_udf", "start_run"]


#: Modules that are imported when they are first asked for.
MODULES = ("catboost", "h2o", "lightgbm", "models", "onnx", "pyfunc", "sklearn", "spark", "tensorflow", "tracking", "xgboost")


def __getattr__(name: str) -> Any:
    # Spark and mlflow take seconds to import: only who asks for them pays.
    if name == "spark_udf":
        from mlflight.spark import spark_udf

        return spark_udf
    if name in MODULES:
        return importlib.import_module(f"mlflight.{name}")
    if name == "start_run":
        from mlflight.tracking import start_run

        return start_run
    if name in ("MlflightError", "ModelFailedError"):
        from mlflight import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'mlflight' has no attribute '{name}'")
