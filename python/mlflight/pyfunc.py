"""Models in Python: a class, a function, a script, or a module that loads data of any kind."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _loaders
from mlflight.errors import invalid
from mlflight.model import load_model
from mlflight.models import Model, _python_model, environment
from mlflight.models._python_model import FunctionModel, PythonModel, PythonModelContext
from mlflight.models.config import read_config
from mlflight.models.model import local
from mlflight.models.save import save

if TYPE_CHECKING:
    from mlflight.models import ModelInfo
    from mlflight.spark import spark_udf

FILE = "python_model.pkl"

__all__ = [
    "PythonModel",
    "PythonModelContext",
    "load_model",
    "load_pyfunc",
    "log_model",
    "save_model",
    "spark_udf",
]

load_pyfunc = load_model


def __getattr__(name: str) -> Any:
    if name == "spark_udf":
        from mlflight.spark import spark_udf

        return spark_udf
    raise AttributeError(f"module 'mlflight.pyfunc' has no attribute '{name}'")


def save_model(
    path: str | os.PathLike[str],
    loader_module: str | None = None,
    data_path: str | os.PathLike[str] | None = None,
    code_paths: Sequence[str | os.PathLike[str]] | None = None,
    conda_env: dict[str, Any] | str | os.PathLike[str] | None = None,
    *,
    python_model: Any = None,
    artifacts: Mapping[str, str | os.PathLike[str]] | None = None,
    model_config: dict[str, Any] | str | os.PathLike[str] | None = None,
    streamable: bool | None = None,
    code_path: Sequence[str | os.PathLike[str]] | None = None,
    **options: Any,
) -> None:
    """Save a model in Python.

    Parameters
    ----------
    path : str or path
        Where it shall stand; must not exist.
    loader_module : str, optional
        A module whose ``_load_pyfunc(data_path)`` returns an object with ``predict``.
    data_path : str or path, optional
        The file or directory that it is given.
    code_paths : list of str or path, optional
        Modules and packages that are saved with the model and can be imported when it is loaded.
    conda_env : dict or path, optional
        The environment, in conda's form.
    python_model : PythonModel, callable, or path of a script, optional
        In place of ``loader_module``: an instance of `PythonModel` (or of MLflow's class of that name), which is saved by
        cloudpickle; a function of the input; or a script that calls ``set_model``.
    artifacts : dict, optional
        Files and directories by name: paths or URIs. They are copied, and the model finds them in ``context.artifacts``.
    model_config : dict or path, optional
        Settings: ``context.model_config``. A path names a YAML or JSON file.
    streamable : bool, optional
        Whether MLflow may call ``predict_stream``.
    code_path : list, optional
        The name that ``code_paths`` had in MLflow 1.x.
    **options
        What every flavor takes, as `mlflight.sklearn.save_model`.

    Examples
    --------
    >>> from mlflight.pyfunc import PythonModel, save_model
    >>> class Doubled(PythonModel):
    ...     def predict(self, context, model_input, params=None):
    ...         return model_input["x"] * 2
    >>> save_model("doubled", python_model=Doubled())  # doctest: +SKIP
    """
    if (loader_module is None) == (python_model is None):
        raise invalid("a model in Python has either a loader_module or a python_model")
    if code_path is not None and code_paths is not None:
        raise invalid("code_path is the older name of code_paths: give one of them")
    options.update(code_paths=code_paths if code_path is None else code_path, conda_env=conda_env)
    config = None if model_config is None else read_config(model_config)
    if loader_module is not None:
        if artifacts is not None:
            raise invalid("artifacts go with a python_model; a loader_module is given data_path")
        _save_loader(path, loader_module, data_path, config, streamable, options)
        return
    if data_path is not None:
        raise invalid("data_path goes with a loader_module; a python_model is given artifacts")
    _save_python(path, python_model, artifacts or {}, config, streamable, options)


def _save_loader(
    path: str | os.PathLike[str],
    module: str,
    data_path: str | os.PathLike[str] | None,
    config: dict[str, Any] | None,
    streamable: bool | None,
    options: dict[str, Any],
) -> None:
    function: dict[str, Any] = {"streamable": bool(streamable)}
    source = None if data_path is None else Path(local(data_path)).resolve()
    if source is not None:
        function["data"] = f"data/{source.name}"
    if config is not None:
        function["config"] = config
    save(
        path,
        None,
        lambda draft, _: None if source is None else draft.copy(source, function["data"]),
        loader=module,
        function=function,
        **options,
    )


def _save_python(
    path: str | os.PathLike[str],
    model: Any,
    artifacts: Mapping[str, str | os.PathLike[str]],
    config: dict[str, Any] | None,
    streamable: bool | None,
    options: dict[str, Any],
) -> None:
    script = Path(model).resolve() if isinstance(model, (str, os.PathLike)) else None
    if script is not None:
        if not script.is_file():
            raise invalid(f"the script of the model does not exist: {script}", "NO_MODEL_CODE")
        model = _loaders.code_model(str(script), config)
    is_function = callable(model) and not hasattr(model, "predict")
    if is_function:
        given = [options.get(name) for name in ("input_example", "pip_requirements", "extra_pip_requirements", "conda_env")]
        if script is None and all(value is None for value in given):
            raise invalid(
                "If `python_model` is a callable object, at least one of `input_example`, `pip_requirements`, or "
                "`extra_pip_requirements` must be specified."
            )
        model = FunctionModel(model)
    elif not callable(getattr(model, "predict", None)) or inspect.isclass(model):
        raise invalid(f"python_model is an instance with a method predict, a function or a script's path, not {model!r}")
    function: dict[str, Any] = {"streamable": _streams(model) if streamable is None else streamable}
    sources = {name: Path(local(uri)).resolve() for name, uri in artifacts.items()}
    places = _places(sources)
    if places:
        function["artifacts"] = {name: {"path": places[name], "uri": os.fspath(artifacts[name])} for name in places}
    if config is not None:
        function["config"] = config
    if script is None:
        function["python_model"] = FILE
    else:
        function["model_code_path"] = script.name
    function["cloudpickle_version"] = environment.version("cloudpickle")

    def write(draft: Any, root: Path) -> None:
        for name, source in sources.items():
            draft.copy(source, places[name])
        if script is not None:
            draft.copy(script, script.name)
        else:
            (root / FILE).write_bytes(_pickled(model))

    def predict(data: Any, params: Any = None) -> Any:
        context = PythonModelContext({name: str(source) for name, source in sources.items()}, config)
        if hasattr(model, "load_context"):
            model.load_context(context)
        return _loaders.PythonFunction(model, context).predict(data, params)

    save(
        path,
        None,
        write,
        loader="mlflow.pyfunc.loaders.code_model" if script is not None else "mlflow.pyfunc.model",
        function={name: value for name, value in function.items() if value is not None},
        predict=predict,
        defaults=[] if script is not None else [environment.pinned("cloudpickle")],
        **options,
    )


def _streams(model: Any) -> bool:
    method = getattr(type(model), "predict_stream", None)
    inherited = any(
        base.__dict__.get("predict_stream") is method for base in type(model).__mro__ if base.__name__ == "PythonModel"
    )
    return method is not None and not inherited


def _places(sources: dict[str, Path]) -> dict[str, str]:
    """Return where each artifact is copied to: by its own name, where no other one has it."""
    places: dict[str, str] = {}
    for name, source in sources.items():
        if not source.exists():
            raise invalid(f"the artifact '{name}' does not exist: {source}", "NO_ARTIFACT")
        plain = f"artifacts/{source.name}"
        places[name] = plain if plain not in places.values() else f"artifacts/{name}/{source.name}"
    return places


def _pickled(model: Any) -> bytes:
    """Return the pickle of a model, with mlflight's own classes in it: it is loaded where mlflight is not installed."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(_python_model)
    try:
        return cloudpickle.dumps(model)
    except Exception as error:
        text = f"the model cannot be pickled: {error}; save it as code: python_model='script.py', which calls set_model()"
        raise invalid(text, "NOT_PICKLED") from error
    finally:
        cloudpickle.unregister_pickle_by_value(_python_model)


def log_model(artifact_path: str | None = None, **options: Any) -> ModelInfo:
    """Save a model in Python and log it; takes what `save_model` and `mlflight.models.Model.log` take."""
    return Model.log(artifact_path, sys.modules[__name__], **options)
