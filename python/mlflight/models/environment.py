"""The packages that a model needs: what it imports, pinned to what is installed."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import invalid

if TYPE_CHECKING:
    from mlflight._native import Draft

__all__ = ["infer_pip_requirements", "pinned"]

#: Listed where a package of the model brings them: data pass through them.
DATA = {"numpy", "pandas", "pyarrow", "scikit-learn", "scipy"}
#: Never a model's own.
TOOLS = {"pip", "setuptools", "wheel", "mlflow", "mlflow-skinny", "mlflow-tracing"}
#: Seconds that loading the model may take, as MLflow's own variable says.
TIMEOUT = "MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT"


def version(package: str) -> str | None:
    """Return the installed version without its local part, or ``None``."""
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def pinned(package: str) -> str:
    """Return ``package==version`` of what is installed; the bare name where it is not."""
    found = version(package)
    return package if found is None else f"{package}=={found}"


def normal(requirement: str) -> str:
    """Return the name in a requirement, as PyPI compares names."""
    name = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return "" if name is None else re.sub(r"[-_.]+", "-", name.group(1)).lower()


@functools.lru_cache(maxsize=256)
def required(package: str) -> frozenset[str]:
    """Return the names of all packages that an installed one brings, directly or not."""
    seen: set[str] = set()
    pending = [package]
    while pending:
        try:
            lines = importlib.metadata.requires(pending.pop()) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        names = {normal(line) for line in lines if "extra ==" not in line.replace("extra==", "extra ==")}
        pending += names - seen
        seen |= names
    return frozenset(seen - {normal(package)})


@functools.lru_cache(maxsize=1)
def _packages() -> dict[str, list[str]]:
    return {name: list(found) for name, found in importlib.metadata.packages_distributions().items()}


def packages_of(modules: Iterable[str]) -> list[str]:
    """Return the pinned packages of imported modules, without those that others of them bring."""
    known = _packages()
    found = {normal(package) for module in modules for package in known.get(module, ())} - TOOLS
    brought = {name for package in found for name in required(package)}
    data = {name for name in brought & DATA if version(name)}
    return sorted(pinned(package) for package in (found - brought) | data)


def infer(task: dict[str, Any], fallback: list[str]) -> list[str]:
    """Return what a staged model imports when it is loaded and scores its example, in a process of its own."""
    timeout = float(os.environ.get(TIMEOUT) or 120)
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="mlflight-") as scratch:
        answer = Path(scratch, "answer.json")
        task = {**task, "path": [part or os.getcwd() for part in sys.path], "answer": str(answer)}
        task["loaders"] = str((here.parent / "_loaders.py").resolve())
        file = Path(scratch, "task.json")
        file.write_text(json.dumps(task), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYSPARK_GATEWAY")}
        try:
            done = subprocess.run(
                [sys.executable, str(here / "_capture.py"), str(file)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
            failed = done.stdout.decode(errors="replace").strip().splitlines()[-1:] if done.returncode else None
        except subprocess.TimeoutExpired:
            failed = [f"it took longer than {timeout:g} s ({TIMEOUT})"]
        modules = json.loads(answer.read_text()) if answer.is_file() else []
    if failed is not None:
        reason = failed[0] if failed else "no output"
        text = f"loading the model to see which packages it imports failed: {reason}; its requirements are {fallback}"
        warnings.warn(text, stacklevel=4)
        return list(fallback)
    return packages_of(modules)


def infer_pip_requirements(model_uri: str | os.PathLike[str]) -> list[str]:
    """Return the pinned packages that a saved model imports.

    Parameters
    ----------
    model_uri : str or path
        The model.

    Returns
    -------
    list of str
    """
    from mlflight.models.model import local

    directory = local(model_uri)
    return infer(task_of(directory, _native.load_mlmodel(directory)), [])


def task_of(directory: str | os.PathLike[str], keys: dict[str, Any]) -> dict[str, Any]:
    """Return what the program that loads a model is told."""
    root = os.path.abspath(directory)
    flavors = keys["flavors"]
    function = flavors["python_function"]
    info = keys.get("saved_input_example_info")
    return {
        "module": function["loader_module"],
        "data": os.path.join(root, function["data"]) if function.get("data") else _default_data(root, function),
        "directory": root,
        "flavors": json.loads(json.dumps(flavors, default=str)),
        "config": function.get("config"),
        "code": os.path.join(root, function["code"]) if function.get("code") else None,
        "predict_fn": function.get("predict_fn"),
        "example": None if not info else {**info, "path": os.path.join(root, info["artifact_path"])},
    }


def _default_data(root: str, function: dict[str, Any]) -> str:
    return os.path.join(root, function["model_path"]) if function.get("model_path") else root


def write(
    draft: Draft,
    *,
    infer: Any,
    with_mlflow: bool,
    conda_env: dict[str, Any] | str | os.PathLike[str] | None,
    pip_requirements: Any,
    extra_pip_requirements: Any,
) -> None:
    """Write the files of the environment. ``infer`` is called for the packages where the caller did not name them."""
    if sum(given is not None for given in (conda_env, pip_requirements, extra_pip_requirements)) > 1:
        raise ValueError("Only one of `conda_env`, `pip_requirements`, and `extra_pip_requirements` can be specified")
    constraints: list[str] = []
    conda = None
    if conda_env is not None:
        conda = _conda(conda_env)
        requirements, constraints = _parse(_pip(conda))
    elif pip_requirements is not None:
        requirements, constraints = _parse(pip_requirements)
    else:
        requirements = infer()
        if extra_pip_requirements is not None:
            extra, constraints = _parse(extra_pip_requirements)
            requirements = requirements + extra
    names = {normal(line) for line in requirements}
    if with_mlflow and not names & {"mlflow", "mlflow-skinny"}:
        found = version("mlflow") or version("mlflow-skinny")
        name = "mlflow" if version("mlflow") else "mlflow-skinny"
        if found is not None:
            requirements = [f"{name}=={found}", *requirements]
    requirements = _distinct(requirements)
    if conda is not None:
        conda = _with_pip(conda, requirements + (["-c constraints.txt"] if constraints else []))
    build = [pinned(package) for package in ("pip", "setuptools", "wheel")]
    draft.write_environment(platform.python_version(), build, requirements, constraints, conda)


def _distinct(requirements: list[str]) -> list[str]:
    """Keep the last of several lines about one package in the first one's place: the caller's own come last."""
    by_name: dict[str, str] = {}
    for line in requirements:
        by_name[normal(line) or line] = line
    return list(by_name.values())


def _parse(given: Any) -> tuple[list[str], list[str]]:
    """Return the lines of a list, or of a file, of requirements, and those of the constraints they name."""
    base = Path()
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        if not path.is_file():
            raise invalid(f"pip requirements are a list, or a file: '{path}' does not exist")
        base, given = path.parent, _lines(path)
    elif not isinstance(given, Iterable):
        raise TypeError(f"pip requirements are a list of text or a path, not {type(given).__qualname__}")
    requirements: list[str] = []
    constraints: list[str] = []
    for line in given:
        if not isinstance(line, str):
            raise TypeError(f"a pip requirement is text, not {type(line).__qualname__}")
        line = line.strip()
        included = re.match(r"(?:-r|--requirement)[ =]*(.+)", line)
        constrained = re.match(r"(?:-c|--constraint)[ =]*(.+)", line)
        if included:
            inner, inner_constraints = _parse(base / included.group(1).strip())
            requirements += inner
            constraints += inner_constraints
        elif constrained:
            constraints += _lines(base / constrained.group(1).strip())
        elif line:
            requirements.append(line)
    return requirements, constraints


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise invalid(f"a file of pip requirements does not exist: {path}")
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _conda(given: Any) -> dict[str, Any]:
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        if not path.is_file():
            raise invalid(f"conda_env names a file that does not exist: {path}")
        return _native.read_yaml(path.read_text(encoding="utf-8"))
    if isinstance(given, dict):
        return given
    raise TypeError(f"Expected a string path to a conda env yaml file or a dict, but got {type(given).__qualname__}")


def _pip(conda: dict[str, Any]) -> list[str]:
    for item in conda.get("dependencies") or []:
        if isinstance(item, dict) and "pip" in item:
            return list(item["pip"])
    return []


def _with_pip(conda: dict[str, Any], requirements: list[str]) -> dict[str, Any]:
    others = [item for item in conda.get("dependencies") or [] if not (isinstance(item, dict) and "pip" in item)]
    return {**conda, "dependencies": [*others, {"pip": requirements}] if requirements else others}
