"""What saving has in common for all flavors: files, example, signature, code, environment, ``MLmodel``."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.models import environment
from mlflight.models.example import Example
from mlflight.models.model import Model
from mlflight.models.signature import as_signature

if TYPE_CHECKING:
    from mlflight._native import Draft

ENV = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
#: The keyword arguments that every flavor's ``save_model`` takes.
OPTIONS = (
    "conda_env",
    "code_paths",
    "mlflow_model",
    "signature",
    "input_example",
    "pip_requirements",
    "extra_pip_requirements",
    "metadata",
    "extra_files",
    "resources",
    "auth_policy",
)


def save(
    path: str | os.PathLike[str],
    flavor: str | None,
    write: Callable[[Draft, Path], None],
    *,
    keys: dict[str, Any] | None = None,
    loader: str | None = None,
    function: dict[str, Any] | None = None,
    predict: Callable[..., Any] | None = None,
    defaults: list[str] | None = None,
    infer: bool = True,
    **options: Any,
) -> Model:
    """Save a model as MLflow 3.18 lays it out.

    Parameters
    ----------
    path : str or path
        Where it shall stand.
    flavor : str, optional
        The flavor's name.
    write : callable
        Writes the model's own files into the staged directory.
    keys : dict, optional
        The flavor's keys.
    loader : str, optional
        The module that loads the model for ``python_function``; none, no such flavor.
    function : dict, optional
        More keys of ``python_function``.
    predict : callable, optional
        Answers an input example, where no signature is given.
    defaults : list of str, optional
        Requirements that are listed in any case.
    infer : bool
        Whether the model is loaded to see what else it imports.
    options
        The arguments of `OPTIONS`.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(f"save_model() got an unexpected keyword argument '{unknown[0]}'")
    asked = {name: options.get(name) for name in OPTIONS}
    model = asked["mlflow_model"] if isinstance(asked["mlflow_model"], Model) else Model.of(asked["mlflow_model"])
    draft = _native.Draft(os.fspath(path))
    try:
        _fill(draft, model, flavor, write, keys or {}, loader, function or {}, predict, asked)
        draft.write_model(model.to_dict())
        _environment(draft, model, loader, defaults or [], infer, asked)
        model._update(draft.commit(model.to_dict()))
    finally:
        draft.discard()
    model._directory = str(draft.target)
    return model


def _fill(
    draft: Draft,
    model: Model,
    flavor: str | None,
    write: Callable[[Draft, Path], None],
    keys: dict[str, Any],
    loader: str | None,
    function: dict[str, Any],
    predict: Callable[..., Any] | None,
    asked: dict[str, Any],
) -> None:
    code = copy_code(draft, asked["code_paths"])
    if asked["metadata"] is not None:
        model.metadata = asked["metadata"]
    for name in ("resources", "auth_policy"):
        if asked[name] is not None:
            setattr(model, name, asked[name])
    _describe(draft, model, predict, asked)
    write(draft, Path(draft.path))
    extra = copy_extra(draft, asked["extra_files"])
    if loader is not None:
        parts: dict[str, Any] = {"loader_module": loader, "python_version": platform.python_version(), "env": dict(ENV)}
        if code is not None:
            parts["code"] = code
        model.add_flavor("python_function", **parts, **function)
    if flavor is not None:
        model.add_flavor(flavor, **keys, code=code, **extra)


def _describe(draft: Draft, model: Model, predict: Callable[..., Any] | None, asked: dict[str, Any]) -> None:
    """Write the example, and set the signature that is given or that the example tells."""
    signature = asked["signature"]
    example = None if asked["input_example"] is None else Example(asked["input_example"])
    if example is not None:
        model.saved_input_example_info = example.write(draft)
    if signature is not None and signature is not False:
        model.signature = as_signature(signature)
    elif signature is None and example is not None and predict is not None and model.signature is None:
        try:
            model.signature = example.signature(predict)
        except Exception as error:
            warnings.warn(f"the signature could not be told from the input example: {error!r}", stacklevel=6)


def _environment(draft: Draft, model: Model, loader: str | None, defaults: list[str], infer: bool, asked: dict[str, Any]) -> None:
    def found() -> list[str]:
        listed = list(defaults)
        if infer and loader is not None:
            listed = environment.infer(environment.task_of(draft.path, model.to_dict()), defaults)
        return sorted(set(listed) | set(defaults))

    environment.write(
        draft,
        infer=found,
        with_mlflow=loader is not None and loader.startswith("mlflow."),
        conda_env=asked["conda_env"],
        pip_requirements=asked["pip_requirements"],
        extra_pip_requirements=asked["extra_pip_requirements"],
    )


def copy_code(draft: Draft, paths: Any) -> str | None:
    """Copy the caller's modules and packages to ``code/`` and return that name."""
    if paths is None:
        return None
    if not isinstance(paths, (list, tuple)):
        raise TypeError(f"Argument code_paths should be a list, not {type(paths)}")
    for source in map(Path, paths):
        name = source.resolve().name
        draft.copy(source, f"code/{name}")
    return "code" if paths else None


def copy_extra(draft: Draft, files: Any) -> dict[str, Any]:
    """Copy further files to ``extra_files/`` and return the flavor's key about them."""
    if not files:
        return {}
    from mlflight.models.model import local

    found = []
    for uri in files:
        source = Path(local(uri))
        draft.copy(source, f"extra_files/{source.name}")
        found.append({"path": f"extra_files/{source.name}"})
    return {"extra_files": found}
