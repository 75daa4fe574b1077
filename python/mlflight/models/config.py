"""Settings of a model that is saved as code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mlflight.errors import invalid

__all__ = ["ModelConfig"]

_current: Any = None


def _set_model_config(config: Any) -> None:
    """Set what the running script's `ModelConfig` holds."""
    global _current
    _current = config


class ModelConfig:
    """The ``model_config`` that a model was saved with, for its script.

    Parameters
    ----------
    development_config : dict or path, optional
        Holds outside of a saved model.
    """

    def __init__(self, *, development_config: Any = None) -> None:
        # A script that MLflow runs has its settings there.
        theirs = getattr(sys.modules.get("mlflow.models.model_config"), "__mlflow_model_config__", None)
        config = next((found for found in (_current, theirs, development_config) if found is not None), None)
        if config is None:
            raise invalid("there is no model_config: give development_config for runs outside of a saved model")
        self._values: dict[str, Any] = read_config(config)

    def get(self, key: str) -> Any:
        """Return the value of a key."""
        return self._values[key]

    def to_dict(self) -> dict[str, Any]:
        """Return all keys."""
        return dict(self._values)


def read_config(value: Any) -> dict[str, Any]:
    """Return a config given as a dict or as the path of a YAML or JSON file."""
    from mlflight import _native

    if isinstance(value, dict):
        return value
    path = Path(value)
    if not path.is_file():
        raise invalid(f"model_config names a file that does not exist: {path}")
    return _native.read_yaml(path.read_text(encoding="utf-8"))
