"""Count the instructions of scoring, so that a regression shows on a noisy machine too.

``callgrind.py [--driver PATH] [MODEL ...]`` trains the models of ``kernel_models.py`` and prints a line for each kernel path:
instructions a row in batches of 1 and of 1,000, counted by valgrind. The counts of two runs of one build differ by less than
a hundredth; valgrind knows no AVX-512.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from driver import PATHS, arguments, build
from kernel_models import subjects

#: Batch size and rows.
RUNS = [(1, 200), (1_000, 2_000)]


def instructions(program: Path, arguments: list[str], path: str, batch: int, rows: int) -> float:
    """Return the instructions of a row."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*kernels::score*"]
    process = subprocess.run(
        [*command, str(program), *arguments],
        input=f"score {batch} {rows} 1\n",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MLFLIGHT_KERNEL": path},
    )
    found = re.search(r"Collected : (\d+)", process.stderr)
    if process.returncode or not found:
        sys.exit(f"valgrind failed:\n{process.stdout}{process.stderr[-4000:]}")
    # One batch more is scored before the clock starts.
    return int(found[1]) / (rows + batch)


def main() -> None:
    """Run and print."""
    known = subjects()
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", type=Path)
    parser.add_argument("models", nargs="*", choices=[*known, []])
    options = parser.parse_args()
    program = options.driver or build()
    print("model", "path", *(f"batch_{batch}" for batch, _ in RUNS), sep="\t")
    for name in options.models or known:
        with tempfile.TemporaryDirectory() as directory:
            called = arguments(known[name](), Path(directory), rows=2_000)
            # valgrind knows no AVX-512.
            for path in PATHS[:2]:
                counts = [instructions(program, called, path, *run) for run in RUNS]
                print(name, path, *(f"{count:.0f}" for count in counts), sep="\t", flush=True)


if __name__ == "__main__":
    main()
