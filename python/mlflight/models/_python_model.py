"""The base class of models in Python. It is pickled with the models, so that they load where mlflight is not installed."""

from __future__ import annotations

import inspect
import typing
from typing import Any, NamedTuple


class TypeHints(NamedTuple):
    """The type hints of ``predict``: of what it takes, and of its answer."""

    input: Any = None
    output: Any = None


class PythonModel:
    """A model in Python: a subclass has ``predict``, and may have ``load_context``."""

    def load_context(self, context: Any) -> None:
        """Load what ``predict`` needs, from ``context.artifacts``: names to local paths. Called once."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return predictions, one a row. ``context`` and ``params`` may be left out of the arguments."""
        raise NotImplementedError

    def predict_stream(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Yield parts of an answer; only MLflow calls it."""
        raise NotImplementedError

    @property
    def predict_type_hints(self) -> TypeHints:
        """What MLflow asks of a model."""
        names = [name for name in inspect.signature(self.predict).parameters if name not in ("params", "context")]
        try:
            hints = typing.get_type_hints(self.predict)
        except Exception:
            hints = {}
        return TypeHints(hints.get(names[0]) if names else None, hints.get("return"))

    def _get_type_hints(self) -> TypeHints:
        return self.predict_type_hints


class PythonModelContext:
    """What ``load_context`` and ``predict`` are given beside the data."""

    def __init__(self, artifacts: dict[str, str] | None = None, model_config: dict[str, Any] | None = None) -> None:
        self.artifacts = artifacts or {}
        self.model_config = model_config


class FunctionModel(PythonModel):
    """A function in the form of a model."""

    def __init__(self, func: Any) -> None:
        self.func = func

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Call the function. MLflow before 2.20 gives a context in any case."""
        return self.func(model_input)

    @property
    def predict_type_hints(self) -> TypeHints:
        """What MLflow asks of a model."""
        try:
            hints = typing.get_type_hints(self.func)
        except Exception:
            hints = {}
        names = list(inspect.signature(self.func).parameters)
        return TypeHints(hints.get(names[0]) if names else None, hints.get("return"))
