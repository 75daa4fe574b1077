"""H2O models."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import answering, opened
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

DATA = "model.h2o"

__all__ = ["load_model", "log_model", "save_model"]


def save_model(h2o_model: Any, path: str | os.PathLike[str], *, settings: dict[str, Any] | None = None, **options: Any) -> None:
    """Save a model of an H2O cluster.

    Parameters
    ----------
    h2o_model : h2o model
        The model.
    path : str or path
        Where it shall stand; must not exist.
    settings : dict, optional
        Written to ``h2o.yaml``; ``init`` in it are the arguments of ``h2o.init``.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.
    """
    import h2o

    from mlflight import _native

    def write(_: Any, root: Path) -> None:
        (root / DATA).mkdir()
        saved = h2o.download_model(model=h2o_model, path=str(root / DATA))
        name = os.path.basename(saved)
        target = os.path.join(os.path.abspath(path), DATA)
        # Keys that only say where the file lay when it was saved.
        where = {"full_file": os.path.join(target, name), "model_dir": target, "model_file": name}
        text = _native.write_yaml({**(settings or {}), **where})
        (root / DATA / "h2o.yaml").write_text(text, encoding="utf-8")

    save(
        path,
        "h2o",
        write,
        keys={"h2o_version": h2o.__version__, "data": DATA},
        loader="mlflow.h2o",
        function={"data": DATA},
        predict=answering(_loaders.H2O, h2o_model),
        defaults=[pinned("h2o")],
        # Loading it would start a cluster.
        infer=False,
        **options,
    )


def log_model(h2o_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], h2o_model=h2o_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return the model in the H2O cluster that this process is connected to (``h2o.init``).

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    directory, flavors = opened(model_uri, dst_path, "h2o")
    return _loaders.h2o_model(directory, flavors)
