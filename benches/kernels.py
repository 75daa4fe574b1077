"""Measure the tree kernels against XGBoost's own ``inplace_predict``, one thread, in turn in one run.

``kernels.py [--driver PATH] [--rounds N]`` trains 500 trees of depth 6 over 28 features, and prints a table: nanoseconds
of CPU a row, the median of the rounds, and the median of each round's ratio. Without ``--driver`` it builds the driver.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import mlflow
import numpy as np
import pyarrow as pa
import xgboost as xgb

ROWS = 100_000
FEATURES = 28
#: Batch size and the rows of one run.
RUNS = [(1, 2_000), (100, 20_000), (10_000, 100_000), (100_000, 100_000)]


def build() -> Path:
    """Build the driver and return its path."""
    command = ["cargo", "bench", "--bench", "kernels", "--no-default-features", "--no-run", "--message-format=json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "kernels":
            return Path(message["executable"])
    sys.exit("cargo built no driver")


def train() -> tuple[xgb.Booster, np.ndarray]:
    """Return the model and the rows to score."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype("float32")
    score = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + x[:, 3] ** 2 * 0.3 + rng.normal(size=ROWS) * 0.5
    params = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "nthread": 1}
    data = xgb.DMatrix(x[:30_000], (score > 0.3)[:30_000], feature_names=[f"f{i}" for i in range(FEATURES)])
    booster = xgb.train(params, data, 500)
    booster.set_param({"nthread": 1})
    return booster, x


class Driver:
    """The Rust side: one process for all rounds, on one kernel path."""

    def __init__(self, program: Path, model: Path, table: Path, path: str) -> None:
        self.process = subprocess.Popen(
            [program, model, table],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLFLIGHT_KERNEL": path},
        )

    def ask(self, line: str) -> str:
        """Send a line and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the driver ended")
        return answer.strip()


def peer(booster: xgb.Booster, x: np.ndarray, batch: int, rows: int) -> float:
    """Return XGBoost's CPU nanoseconds a row."""
    slices = [x[at % ROWS : at % ROWS + batch] for at in range(0, rows, batch)]
    start = time.process_time_ns()
    for part in slices:
        booster.inplace_predict(part, validate_features=False)
    return (time.process_time_ns() - start) / rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    program = options.driver or build()
    booster, x = train()
    with tempfile.TemporaryDirectory() as directory:
        model, table = Path(directory, "model"), Path(directory, "table.arrow")
        mlflow.xgboost.save_model(booster, model, pip_requirements=["xgboost"])
        content = pa.table({f"f{i}": x[:, i].astype("float64") for i in range(FEATURES)})
        with pa.OSFile(str(table), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
            writer.write_table(content)
        paths = ["portable", "avx2"]
        drivers = {path: Driver(program, model, table, path) for path in paths}
        wanted = booster.inplace_predict(x, validate_features=False)
        for path, driver in drivers.items():
            driver.ask(f"save {directory}/{path}")
            got = np.fromfile(f"{directory}/{path}", "float32")
            print(f"{path}: {np.count_nonzero(got.view('u4') != wanted.view('u4'))} of {ROWS} predictions differ in a bit")
        print("\n| batch | xgboost | " + " | ".join(f"{path} | x" for path in paths) + " |")
        print("|" + " --- |" * (2 + 2 * len(paths)))
        for batch, rows in RUNS:
            times: dict[str, list[float]] = {name: [] for name in ["xgboost", *paths]}
            for _ in range(options.rounds):
                times["xgboost"].append(peer(booster, x, batch, rows))
                for path, driver in drivers.items():
                    times[path].append(int(driver.ask(f"{batch} {rows}").split()[0]) / rows)
            cells = [f"{batch:,}", f"{statistics.median(times['xgboost']):,.0f}"]
            for path in paths:
                ratios = [theirs / ours for theirs, ours in zip(times["xgboost"], times[path], strict=True)]
                span = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
                cells += [f"{statistics.median(times[path]):,.0f}", span]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
