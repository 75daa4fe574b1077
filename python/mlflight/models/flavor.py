"""What the flavor modules share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflight import _native
from mlflight.errors import invalid, make
from mlflight.models.model import Model, local


def opened(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None, *names: str) -> tuple[str, dict[str, Any]]:
    """Return the local directory and the flavors of a model that has one of these names; its own code can be imported then."""
    directory = local(model_uri, dst_path)
    flavors = Model.load(directory).flavors
    found = next((name for name in names if name in flavors), None)
    if found is None:
        there = ", ".join(flavors)
        raise invalid(f"the model at '{os.fspath(model_uri)}' has no flavor {names[0]}; it has {there}", "NO_USABLE_FLAVOR")
    add_code(directory, flavors[found])
    return directory, flavors


def add_code(directory: str, flavor: dict[str, Any]) -> None:
    """Make the modules saved with a model importable."""
    code = flavor.get("code")
    path = None if not code else str(Path(directory, code).resolve())
    if path is not None and path not in sys.path:
        sys.path.insert(0, path)


def refuse_code(what: str) -> None:
    """Raise where models may not run code of their own and this one would."""
    if not _native.model_code_allowed():
        text = f"{what} runs code of the model, which MLFLOW_ALLOW_MODEL_CODE_EXECUTION=false forbids"
        raise make(text, "PERMISSION_DENIED", "CODE_FORBIDDEN", "PERMISSION_DENIED")


def full_name(model: Any) -> str:
    """Return the full name of an object's class."""
    cls = type(model)
    return f"{cls.__module__}.{cls.__qualname__}"


def answering(wrapper: Callable[[Any], Any], model: Any) -> Callable[..., Any]:
    """Return a function that answers as a wrapped model does."""

    def predict(data: Any, params: Any = None) -> Any:
        return wrapper(model).predict(data, params)

    return predict
