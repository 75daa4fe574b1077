"""The Model API: models are made, saved, logged and read back, without MLflow at hand."""

from __future__ import annotations

import sys
from typing import Any

from mlflight.models.config import ModelConfig
from mlflight.models.model import Model, ModelInfo, get_model_info
from mlflight.models.signature import ModelSignature, Schema, infer_signature

__all__ = [
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "Schema",
    "get_model_info",
    "infer_signature",
    "set_model",
]


def set_model(model: Any) -> None:
    """Name the model of a script that is saved as code (``pyfunc.save_model(python_model="script.py")``).

    Parameters
    ----------
    model : PythonModel or callable
        The script's model. Outside of such a script this does nothing.
    """
    # A script that MLflow runs.
    place = sys.modules.get("mlflow.models.model")
    if place is not None:
        vars(place)["__mlflow_model__"] = model
