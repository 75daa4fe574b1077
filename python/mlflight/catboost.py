"""CatBoost models."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import answering, opened
from mlflight.models.save import OPTIONS, save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

FILE = "model.cb"

__all__ = ["load_model", "log_model", "save_model"]


def save_model(cb_model: Any, path: str | os.PathLike[str], **options: Any) -> None:
    """Save a CatBoost model.

    Parameters
    ----------
    cb_model : catboost.CatBoost or estimator
        The model.
    path : str or path
        Where it shall stand; must not exist.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`; others go to CatBoost's own ``save_model``, such as ``format``.
    """
    import catboost

    own = {name: options.pop(name) for name in list(options) if name not in OPTIONS}
    save(
        path,
        "catboost",
        lambda _, root: cb_model.save_model(str(root / FILE), **own),
        keys={
            "catboost_version": catboost.__version__,
            "data": FILE,
            "model_type": type(cb_model).__name__,
            "save_format": own.get("format", "cbm"),
        },
        loader="mlflow.catboost",
        function={"data": FILE},
        predict=answering(_loaders.Raw, cb_model),
        defaults=[pinned("catboost")],
        **options,
    )


def log_model(cb_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], cb_model=cb_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return CatBoost's own object.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    directory, flavors = opened(model_uri, dst_path, "catboost")
    return _loaders.catboost_model(directory, flavors)
