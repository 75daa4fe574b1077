"""The exceptions of mlflight.

``MlflightError`` is a subclass of ``mlflow.exceptions.MlflowException`` where mlflow is installed. Importing mlflow takes
seconds, so the classes are made when they are first asked for.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class MlflightError(Exception):
        """A failure of mlflight; see `make`."""

    class ModelFailedError(MlflightError):
        """The model's own Python code failed."""


__all__ = ["MlflightError", "ModelFailedError", "invalid", "make", "precondition", "unsupported"]


def __getattr__(name: str) -> Any:
    if name in ("MlflightError", "ModelFailedError"):
        return _classes()[name]
    raise AttributeError(f"module 'mlflight.errors' has no attribute '{name}'")


@lru_cache(maxsize=1)
def _classes() -> dict[str, type[Exception]]:
    base: type[Exception] = Exception
    if importlib.util.find_spec("mlflow") is not None:
        from mlflow.exceptions import MlflowException

        base = MlflowException

    class MlflightError(base):  # type: ignore[misc, valid-type]
        """A failure of mlflight.

        Attributes
        ----------
        kind : str
            What went wrong, as a caller would act on it: ``INVALID_ARGUMENT``, ``NOT_FOUND``, ...
        code : str
            Stable name of the failure, such as ``MODEL_NOT_FOUND``.
        error_code : str
            MLflow's name for the kind: ``INVALID_PARAMETER_VALUE``, ...
        traceback : str or None
            Where the model's own Python code failed.
        """

        def __init__(
            self,
            message: str,
            kind: str = "INTERNAL",
            code: str = "INTERNAL",
            error_code: str = "INTERNAL_ERROR",
            traceback: str | None = None,
        ) -> None:
            super().__init__(message)
            self.message = message
            self.kind = kind
            self.code = code
            self.error_code = error_code
            self.traceback = traceback

        def __reduce__(self) -> Any:
            return make, (self.message, self.kind, self.code, self.error_code, self.traceback)

        def __str__(self) -> str:
            return self.message if self.traceback is None else f"{self.message}\n{self.traceback}"

    class ModelFailedError(MlflightError):
        """The model's own Python code failed; ``traceback`` says where."""

    for cls in (MlflightError, ModelFailedError):
        cls.__module__, cls.__qualname__ = __name__, cls.__name__
    return {"MlflightError": MlflightError, "ModelFailedError": ModelFailedError}


def make(message: str, kind: str, code: str, error_code: str, traceback: str | None = None) -> Exception:
    """Return the exception for a failure; called by the extension too."""
    name = "ModelFailedError" if kind == "MODEL_FAILED" else "MlflightError"
    return _classes()[name](message, kind, code, error_code, traceback)


def invalid(message: str, code: str = "INVALID_ARGUMENT") -> Exception:
    """Return the exception for a wrong argument."""
    return make(message, "INVALID_ARGUMENT", code, "INVALID_PARAMETER_VALUE")


def precondition(message: str, code: str) -> Exception:
    """Return the exception for something the machine lacks."""
    return make(message, "FAILED_PRECONDITION", code, "INVALID_STATE")


def unsupported(message: str, code: str = "UNSUPPORTED") -> Exception:
    """Return the exception for what this version does not do."""
    return make(message, "UNIMPLEMENTED", code, "NOT_IMPLEMENTED")
