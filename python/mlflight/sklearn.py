"""scikit-learn models."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.errors import invalid
from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import answering, opened, refuse_code
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

FORMATS = ("skops", "cloudpickle", "pickle")

__all__ = ["load_model", "log_model", "save_model"]


def save_model(
    sk_model: Any,
    path: str | os.PathLike[str],
    *,
    serialization_format: str | None = None,
    pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Save a scikit-learn estimator.

    Parameters
    ----------
    sk_model : estimator
        The model.
    path : str or path
        Where it shall stand; must not exist.
    serialization_format : {"skops", "cloudpickle", "pickle"}, optional
        ``skops`` by default, which runs no code when it is loaded; own classes need ``cloudpickle``.
    pyfunc_predict_fn : str
        The method that scores.
    skops_trusted_types : list of str, optional
        Types beside scikit-learn's own that skops may load.
    **options
        What every flavor takes: ``signature``, ``input_example``, ``pip_requirements``, ``extra_pip_requirements``,
        ``conda_env``, ``code_paths``, ``metadata``, ``extra_files``, ``mlflow_model``.
    """
    import sklearn

    form = serialization_format or "skops"
    if form not in FORMATS:
        raise invalid(f"Unrecognized serialization format: {form}. Please specify one of the following: {list(FORMATS)}.")
    trusted = None if skops_trusted_types is None else list(skops_trusted_types)
    name = "model.skops" if form == "skops" else "model.pkl"
    scores = hasattr(sk_model, pyfunc_predict_fn)
    save(
        path,
        "sklearn",
        lambda _, root: dump(sk_model, root / name, form, trusted),
        keys={
            "pickled_model": name,
            "sklearn_version": sklearn.__version__,
            "serialization_format": form,
            "skops_trusted_types": trusted,
        },
        loader="mlflow.sklearn" if scores else None,
        function={"model_path": name, "predict_fn": pyfunc_predict_fn},
        predict=answering(_loaders.Sklearn, sk_model) if hasattr(sk_model, "predict") else None,
        defaults=[pinned("scikit-learn"), *([] if form == "pickle" else [pinned(form)])],
        **options,
    )


def dump(model: Any, path: Path, form: str, trusted: list[str] | None) -> None:
    """Write an estimator's file."""
    if form == "skops":
        import skops.io

        skops.io.dump(model, path)
        unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(trusted or ()))
        if unknown:
            raise invalid(
                f"the model holds types that skops does not trust: {unknown}; name them in skops_trusted_types if loading them "
                "is safe, or choose serialization_format 'cloudpickle'",
                "UNTRUSTED_TYPES",
            )
        return
    with path.open("wb") as file:
        if form == "cloudpickle":
            import cloudpickle

            cloudpickle.dump(model, file, protocol=pickle.DEFAULT_PROTOCOL)
        else:
            pickle.dump(model, file, protocol=pickle.DEFAULT_PROTOCOL)


def log_model(sk_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save an estimator and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], sk_model=sk_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return scikit-learn's own object.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    refuse_code("loading a scikit-learn model")
    directory, flavors = opened(model_uri, dst_path, "sklearn")
    return _loaders.sklearn_model(directory, flavors)
