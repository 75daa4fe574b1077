"""TensorFlow models: Keras models, modules, and SavedModel directories."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.errors import invalid
from mlflight.models import Model
from mlflight.models.environment import pinned, version
from mlflight.models.flavor import answering, opened, refuse_code
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo

__all__ = ["load_model", "log_model", "log_saved_model", "save_model", "save_saved_model"]


def save_model(
    model: Any,
    path: str | os.PathLike[str],
    *,
    custom_objects: dict[str, Any] | None = None,
    saved_model_kwargs: dict[str, Any] | None = None,
    keras_model_kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Save a Keras model or a ``tensorflow.Module``.

    Parameters
    ----------
    model : keras.Model or tensorflow.Module
        The model.
    path : str or path
        Where it shall stand; must not exist.
    custom_objects : dict, optional
        Keras classes and functions by name, saved with the model.
    saved_model_kwargs, keras_model_kwargs : dict, optional
        Arguments of ``tensorflow.saved_model.save``, or of the model's own ``save``.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`. The signature's inputs are tensors.
    """
    import tensorflow

    _check(options.get("signature"))
    keras = isinstance(model, tensorflow.keras.Model)
    if not keras and not isinstance(model, tensorflow.Module):
        raise invalid(f"a TensorFlow model is a Keras model or a tensorflow.Module, not {type(model).__qualname__}")
    if keras:
        form = (keras_model_kwargs or {}).get("save_format", "tf")
        keys = {"data": "data", "model_type": "keras", "keras_version": tensorflow.__version__, "save_format": form}
        function = {"data": "data"}
    else:
        form = ""
        keys, function = {"saved_model_dir": "tf2model", "model_type": "tf2-module"}, {}

    def write(_: Any, root: Path) -> None:
        if keras:
            _write_keras(model, root / "data", form, custom_objects, keras_model_kwargs or {})
        else:
            tensorflow.saved_model.save(model, str(root / "tf2model"), **(saved_model_kwargs or {}))

    save(
        path,
        "tensorflow",
        write,
        keys=keys,
        loader="mlflow.tensorflow",
        function=function,
        predict=answering(_loaders.Keras if keras else _loaders.TensorFlowModule, model),
        defaults=[_requirement(), *([pinned("cloudpickle")] if custom_objects else [])],
        **options,
    )


def _requirement() -> str:
    """Return what brings TensorFlow, whatever the package is called that is installed."""
    names = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel")
    return pinned(next((name for name in names if version(name)), "tensorflow"))


def _check(signature: Any) -> None:
    if signature is None or signature is False:
        return
    from mlflight.models.signature import as_signature

    made = as_signature(signature)
    if made is None or made.inputs is None:
        return
    if not made.inputs.is_tensor_spec():
        raise invalid("All fields in the model signature's input schema must be of type TensorSpec.")
    if any(column["tensor-spec"]["shape"][0] != -1 for column in made.inputs):
        raise invalid("the first dimension of a TensorFlow model's inputs is the rows: -1")


def _write_keras(model: Any, root: Path, form: str, objects: dict[str, Any] | None, keywords: dict[str, Any]) -> None:
    import tensorflow

    root.mkdir()
    known = dict(tensorflow.keras.utils.get_custom_objects())
    for name, given in (("custom_objects.cloudpickle", objects), ("global_custom_objects.cloudpickle", known)):
        if given:
            import cloudpickle

            (root / name).write_bytes(cloudpickle.dumps(given))
    (root / "keras_module.txt").write_text("tensorflow.keras")
    (root / "save_format.txt").write_text(form)
    modern = tuple(map(int, tensorflow.__version__.split(".")[:2])) >= (2, 16)
    end = ".h5" if form == "h5" else ".keras" if modern else ""
    keywords = {name: value for name, value in keywords.items() if not (modern and name == "save_format")}
    model.save(str(root / f"model{end}"), **keywords)


def save_saved_model(
    tf_saved_model_dir: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    tf_meta_graph_tags: Sequence[str] = ("serve",),
    tf_signature_def_key: str = "serving_default",
    **options: Any,
) -> None:
    """Save a directory in TensorFlow's SavedModel format.

    Parameters
    ----------
    tf_saved_model_dir : str or path
        The directory that TensorFlow wrote.
    path : str or path
        Where the model shall stand; must not exist.
    tf_meta_graph_tags : list of str
        The tags of the graph to load.
    tf_signature_def_key : str
        The signature that scores.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.
    """
    source = Path(tf_saved_model_dir)
    if not (source / "saved_model.pb").is_file() and not (source / "saved_model.pbtxt").is_file():
        raise invalid(f"'{source}' is no SavedModel directory: it has no saved_model.pb", "NO_SAVED_MODEL")
    save(
        path,
        "tensorflow",
        lambda draft, _: draft.copy(source, "tfmodel"),
        keys={
            "saved_model_dir": "tfmodel",
            "meta_graph_tags": list(tf_meta_graph_tags),
            "signature_def_key": tf_signature_def_key,
            "model_type": "tf1-estimator",
        },
        loader="mlflow.tensorflow",
        defaults=[_requirement()],
        **options,
    )


class _SavedModel:
    """A flavor of one function, for `Model.log`."""

    save_model = staticmethod(save_saved_model)


def log_model(model: Any, artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], model=model, **options)


def log_saved_model(tf_saved_model_dir: str | os.PathLike[str], artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a SavedModel directory and log it; takes what `save_saved_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, _SavedModel, tf_saved_model_dir=tf_saved_model_dir, **options)


def load_model(
    model_uri: str | os.PathLike[str],
    dst_path: str | os.PathLike[str] | None = None,
    saved_model_kwargs: dict[str, Any] | None = None,
    keras_model_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Return TensorFlow's own object: the Keras model, the module, or the function of the signature.

    Parameters
    ----------
    model_uri : str or path
        The model.
    dst_path : str or path, optional
        Where it is downloaded to.
    saved_model_kwargs, keras_model_kwargs : dict, optional
        Arguments of ``tensorflow.saved_model.load``, or of Keras's ``load_model``.
    """
    directory, flavors = opened(model_uri, dst_path, "tensorflow", "keras")
    flavor = flavors.get("keras") or flavors["tensorflow"]
    if any(Path(directory, flavor.get("data") or "data").glob("*custom_objects.cloudpickle")):
        refuse_code("loading a Keras model with custom objects")
    keras = "keras" in flavors or flavor.get("model_type") == "keras"
    return _loaders.tensorflow_model(directory, flavors, **((keras_model_kwargs if keras else saved_model_kwargs) or {}))
