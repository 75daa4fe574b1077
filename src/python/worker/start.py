"""Makes the files of the worker program importable, and runs it. The interpreter's command line executes this text.

``FILES``, which that command line has received over the socket, holds every file's text by its name.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from typing import Any

PACKAGE = "_mlflight_worker_program"


class Sources:
    """Finds and loads the program's modules among texts."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {f"{PACKAGE}.{name[: -len('.py')]}": name for name in files}
        self.files[PACKAGE] = "__init__.py"
        self.texts = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Say that a module is one of these."""
        return ModuleSpec(name, self, is_package=name == PACKAGE) if name in self.files else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the interpreter."""

    def exec_module(self, module: Any) -> None:
        """Run a module's text under a name that says in a traceback whose it is."""
        name = module.__name__
        exec(compile(self.get_source(name), f"<mlflight worker>/{self.files[name]}", "exec"), module.__dict__)

    def get_source(self, name: str) -> str:
        """Return a module's text; tracebacks quote its lines."""
        return self.texts[self.files[name]]


sys.meta_path.insert(0, Sources(FILES))  # noqa: F821
importlib.import_module(f"{PACKAGE}.main").main()
