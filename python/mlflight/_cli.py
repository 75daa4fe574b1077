"""The ``mlflight`` command: hands over to the binary in the package."""

from __future__ import annotations

import os
import sys

from mlflight._paths import BINARY


def main() -> None:
    """Replace this process by the command line."""
    if not BINARY.is_file():
        sys.exit(f"error: this installation of mlflight has no command line: {BINARY} is missing; reinstall the wheel")
    # Unless another one is active, the environment that we are installed in is the one a model's `local` environment means.
    if sys.prefix != sys.base_prefix:
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)
    os.execv(BINARY, [str(BINARY), *sys.argv[1:]])
