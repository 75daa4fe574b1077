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
    if sys.argv[1:2] == ["serve"]:
        # As the local service of a Spark executor: the memory of a batch is kept for the next.
        os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 << 20))
        os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(128 << 20))
    os.execv(BINARY, [str(BINARY), *sys.argv[1:]])
