"""A model whose predict is MLflow's own, of the model whose directory lies in the file it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> Any:
    try:
        import mlflow.pyfunc
    except ModuleNotFoundError as error:
        from _mlflight_worker_program.failures import Refused

        message = f"MLflow cannot be imported there: no module named '{error.name}'"
        raise Refused("FAILED_PRECONDITION", "NO_MLFLOW", message) from error
    directory = Path(path).read_text(encoding="utf-8")
    if model_config is None:
        return mlflow.pyfunc.load_model(directory)
    return mlflow.pyfunc.load_model(directory, model_config=model_config)
