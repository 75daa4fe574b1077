"""Program: loads a model and writes down the top-level modules that were imported for it. Runs by its path, without mlflight.

Its one argument is the path of a JSON file: what to load, and where the answer goes.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import importlib
import importlib.util
import json
import os
import sys
import sysconfig
from typing import Any

LOADERS = "_mlflight_loaders"


def main() -> None:
    """Load, predict, write."""
    with open(sys.argv[1], encoding="utf-8") as file:
        task = json.load(file)
    sys.path[:] = task["path"]
    spec = importlib.util.spec_from_file_location(LOADERS, task["loaders"])
    assert spec is not None
    assert spec.loader is not None
    loaders = importlib.util.module_from_spec(spec)
    sys.modules[LOADERS] = loaders
    spec.loader.exec_module(loaders)
    if task["module"].startswith("mlflow.pyfunc"):
        # What they import themselves is not the model's.
        for name in ("mlflow.pyfunc", "mlflow.models", "mlflight.models"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    found: set[str] = set()
    record(found)
    try:
        if task.get("code"):
            sys.path.insert(0, task["code"])
        if loaders.has(task["module"]):
            model = loaders.load(task["module"], task["data"], task["directory"], task["flavors"], task["config"])
        else:
            loader = importlib.import_module(task["module"])._load_pyfunc
            model = loader(task["data"], task["config"]) if task["config"] else loader(task["data"])
        if task.get("example"):
            # What the rows that it is given are made of.
            found.update(("numpy", "pandas"))
            with contextlib.suppress(Exception):
                predict = getattr(model, task.get("predict_fn") or "predict")
                predict(example(task["example"]))
    finally:
        with open(task["answer"], "w", encoding="utf-8") as file:
            json.dump(sorted(found), file)


#: Libraries that import by name what is in the files they read.
READERS = {"cloudpickle", "dill", "joblib", "keras", "skops"}


def record(found: set[str]) -> None:
    """Note the top-level name of what the model's own code and files import from now on, not what libraries import themselves."""
    libraries = tuple({sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib", "stdlib", "platstdlib")})

    def note(name: str, importer: dict[str, Any], dynamic: bool = False) -> None:
        top, by = name.partition(".")[0], importer.get("__name__") or ""
        # A compiled module has no file yet while it is imported: its package has.
        package = sys.modules.get(by.partition(".")[0])
        path = importer.get("__file__") or getattr(package, "__file__", None) or ""
        library = path.startswith(libraries) or f"{os.sep}site-packages{os.sep}" in path or path.startswith("<frozen")
        if library and not (dynamic and by.partition(".")[0] in READERS):
            return
        if top and not top.startswith("_") and not (by == LOADERS and top in ("mlflow", "mlflight")):
            found.add(top)

    original, original_module = builtins.__import__, importlib.import_module

    @functools.wraps(original)
    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        module = original(name, globals, locals, fromlist, level)
        if level == 0:
            note(name, globals or {})
        return module

    @functools.wraps(original_module)
    def import_module(name: str, package: str | None = None) -> Any:
        module = original_module(name, package)
        if not name.startswith("."):
            note(name, sys._getframe(1).f_globals, dynamic=True)
        return module

    builtins.__import__, importlib.import_module = import_, import_module


def example(info: dict[str, Any]) -> Any:
    """Return the saved input example."""
    import numpy as np
    import pandas as pd

    with open(info["path"], encoding="utf-8") as file:
        data = json.load(file)
    if info.get("params"):
        data = data["inputs"] if "inputs" in data else data["data"]
    if info["type"] == "dataframe":
        return pd.DataFrame(data["data"], columns=data.get("columns"))
    if info["type"] == "ndarray":
        return {name: np.array(value) for name, value in data.items()} if isinstance(data, dict) else np.array(data)
    return pd.DataFrame([data]) if isinstance(data, dict) else data


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
