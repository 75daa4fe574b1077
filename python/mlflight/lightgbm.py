"""LightGBM models."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.errors import invalid
from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import answering, full_name, opened, refuse_code
from mlflight.models.save import save
from mlflight.sklearn import FORMATS, dump

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

#: What LightGBM's estimators are made of, as MLflow trusts them.
TRUSTED = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
)

__all__ = ["load_model", "log_model", "save_model"]


def save_model(
    lgb_model: Any,
    path: str | os.PathLike[str],
    *,
    serialization_format: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Save a LightGBM model.

    Parameters
    ----------
    lgb_model : lightgbm.Booster or estimator
        The model.
    path : str or path
        Where it shall stand; must not exist.
    serialization_format : {"skops", "cloudpickle", "pickle"}, optional
        Of an estimator; ``skops`` by default.
    skops_trusted_types : list of str, optional
        Types beside LightGBM's and scikit-learn's own that skops may load.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.
    """
    import lightgbm

    form = serialization_format or "skops"
    if form not in FORMATS:
        raise invalid(f"Unrecognized serialization format: {form}. Please specify one of the following: {list(FORMATS)}.")
    booster = isinstance(lgb_model, lightgbm.Booster)
    trusted = sorted({*TRUSTED, *(skops_trusted_types or ())}) if form == "skops" else skops_trusted_types
    name = "model.lgb" if booster else "model.skops" if form == "skops" else "model.pkl"

    def write(_: Any, root: Path) -> None:
        if booster:
            lgb_model.save_model(str(root / name))
        else:
            dump(lgb_model, root / name, form, None if trusted is None else list(trusted))

    save(
        path,
        "lightgbm",
        write,
        keys={
            "lgb_version": lightgbm.__version__,
            "data": name,
            "model_class": full_name(lgb_model),
            "serialization_format": form,
            "skops_trusted_types": trusted,
        },
        loader="mlflow.lightgbm",
        function={"data": name},
        predict=answering(_loaders.Raw, lgb_model),
        defaults=[pinned("lightgbm"), *([] if booster or form == "pickle" else [pinned(form)])],
        **options,
    )


def log_model(lgb_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], lgb_model=lgb_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return LightGBM's own object.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    directory, flavors = opened(model_uri, dst_path, "lightgbm")
    if (flavors["lightgbm"].get("data") or "").endswith((".pkl", ".skops")):
        refuse_code("loading a LightGBM estimator")
    return _loaders.lightgbm_model(directory, flavors)
