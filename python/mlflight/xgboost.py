"""XGBoost models."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import answering, full_name, opened
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

__all__ = ["load_model", "log_model", "save_model"]


def save_model(xgb_model: Any, path: str | os.PathLike[str], *, model_format: str = "ubj", **options: Any) -> None:
    """Save an XGBoost model.

    Parameters
    ----------
    xgb_model : xgboost.Booster or estimator
        The model.
    path : str or path
        Where it shall stand; must not exist.
    model_format : {"ubj", "json", "xgb"}
        XGBoost's own format.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.
    """
    import xgboost

    name = f"model.{model_format}"
    save(
        path,
        "xgboost",
        lambda _, root: xgb_model.save_model(str(root / name)),
        keys={
            "xgb_version": xgboost.__version__,
            "data": name,
            "model_class": full_name(xgb_model),
            "model_format": model_format,
        },
        loader="mlflow.xgboost",
        function={"data": name},
        predict=answering(_loaders.XGBoost, xgb_model),
        defaults=[pinned("xgboost")],
        **options,
    )


def log_model(xgb_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], xgb_model=xgb_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return XGBoost's own object.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    directory, flavors = opened(model_uri, dst_path, "xgboost")
    return _loaders.xgboost_model(directory, flavors)
