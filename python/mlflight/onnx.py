"""ONNX models."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlflight.models import Model
from mlflight.models.environment import pinned
from mlflight.models.flavor import opened
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

FILE = "model.onnx"

__all__ = ["load_model", "log_model", "save_model"]


def save_model(
    onnx_model: Any,
    path: str | os.PathLike[str],
    *,
    onnx_execution_providers: Sequence[Any] | None = None,
    onnx_session_options: dict[str, Any] | None = None,
    save_as_external_data: bool = True,
    **options: Any,
) -> None:
    """Save an ONNX model.

    Parameters
    ----------
    onnx_model : onnx.ModelProto
        The model.
    path : str or path
        Where it shall stand; must not exist.
    onnx_execution_providers : list, optional
        Where ONNX Runtime may run it: by default CUDA, else the processor.
    onnx_session_options : dict, optional
        ``inter_op_num_threads``, ``intra_op_num_threads``, ``execution_mode``, ``graph_optimization_level``,
        ``extra_session_config``.
    save_as_external_data : bool
        Whether large weights are put into a file of their own.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.
    """
    import onnx

    save(
        path,
        "onnx",
        lambda _, root: onnx.save_model(onnx_model, str(root / FILE), save_as_external_data=save_as_external_data),
        keys={
            "onnx_version": onnx.__version__,
            "data": FILE,
            "providers": list(onnx_execution_providers or ("CUDAExecutionProvider", "CPUExecutionProvider")),
            "onnx_session_options": onnx_session_options,
        },
        loader="mlflow.onnx",
        function={"data": FILE},
        defaults=[pinned("onnx"), pinned("onnxruntime")],
        **options,
    )


def log_model(onnx_model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], onnx_model=onnx_model, **options)


def load_model(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Any:
    """Return the ``onnx.ModelProto``, checked.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    """
    import onnx

    directory, flavors = opened(model_uri, dst_path, "onnx")
    path = os.path.join(directory, flavors["onnx"].get("data") or FILE)
    onnx.checker.check_model(path)
    return onnx.load(path)
