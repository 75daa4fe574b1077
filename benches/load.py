"""Measure what loading a large forest takes, ours and the library's, from the same file of some 100 MB.

``load.py [--driver PATH] [--rounds N]``: each candidate is a process of its own, in turn; CPU seconds of the load alone, after
the library's imports. pickle.load is the least that ``mlflow.sklearn.load_model`` can take.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from driver import Driver, arguments, build
from kernel_models import large_forest
from measure import machine, span

#: Prints the CPU nanoseconds of the load.
PICKLE = """
import pickle, sys, time
import sklearn.ensemble
with open(sys.argv[1], "rb") as file:
    start = time.process_time_ns()
    pickle.load(file)
    print(time.process_time_ns() - start)
"""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    program = options.driver or build()
    load = [os.getloadavg()[0]]
    subject = large_forest()
    with tempfile.TemporaryDirectory() as directory:
        called = arguments(subject, Path(directory), rows=100)
        file = Path(directory, "model", "model.pkl")
        times: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            own = subprocess.run([sys.executable, "-c", PICKLE, file], check=True, stdout=subprocess.PIPE, text=True).stdout
            times.setdefault("pickle.load", []).append(int(own) / 1e9)
            for path, driver in Driver.each(program, called).items():
                if driver.refusal:
                    sys.exit(driver.refusal)
                times.setdefault(path, []).append(driver.load / 1e9)
                driver.end()
        print(f"\n### {subject.title}: loading {file.stat().st_size / 1e6:.0f} MB\n")
    print("| candidate | CPU s | x pickle.load |\n| --- | --- | --- |")
    for name, seconds in times.items():
        ratios = [theirs / own for theirs, own in zip(times["pickle.load"], seconds, strict=True)]
        print(f"| {name} | {span(seconds)} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")
    print(f"\nRounds, in turn: {options.rounds}; {machine([*load, os.getloadavg()[0]])}.")


if __name__ == "__main__":
    main()
