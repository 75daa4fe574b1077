"""Measure ``mlflight batch-score``, whole processes, against MLflow's command line on CSV and a polars script on Parquet.

``batch.py [--rows N ...] [--rounds N] [--large]``. ``--large`` scores 4 GB of Parquet under ``--memory-limit 512M`` instead and
fails when the processes together ever hold more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import data
from measure import Table, Usage, run

MODELS = {"xgb500": 28, "linreg20": 20}
BINARY = Path(sys.executable).with_name("mlflight")
MLFLOW = Path(sys.executable).with_name("mlflow")
OUT = data.HOME / "out"
LARGE_BYTES = 4_000_000_000
LIMIT = 512 * 2**20

POLARS = """
import sys
import joblib, polars
model, source, target = sys.argv[1:]
frame = polars.read_parquet(source)
prediction = joblib.load(model).predict(frame.to_numpy())
frame.with_columns(polars.Series("prediction", prediction)).write_parquet(target)
"""


def fresh(*command: str | Path) -> Callable[[], Usage]:
    """Return a run of the command into an empty directory for outputs."""

    def once() -> Usage:
        shutil.rmtree(OUT, ignore_errors=True)
        OUT.mkdir(parents=True)
        return run(command, {"OMP_NUM_THREADS": str(os.cpu_count())})

    return once


def compare(name: str, rows: int, rounds: int) -> None:
    """Print the table of a model."""
    features, path = MODELS[name], data.model(name)
    text, binary = data.csv(features, rows), data.parquet(features, rows)
    by_mlflow = fresh(MLFLOW, "models", "predict", "-m", path, "-i", text, "-o", OUT / "p", "-t", "csv", "--env-manager", "local")
    by_polars = fresh(sys.executable, "-c", POLARS, data.HOME / f"{name}.joblib", binary, OUT / "p.parquet")
    score = [BINARY, "batch-score", "--model", path]
    # What MLflow writes: predictions alone.
    alone = f"SELECT predict({', '.join(data.names(features))}) AS prediction FROM input"
    candidates = {
        "mlflow models predict, CSV": by_mlflow,
        "batch-score, CSV": fresh(*score, "--input", text, "--output", OUT / "p.csv"),
        "batch-score --sql, CSV": fresh(*score, "--input", text, "--output", OUT / "p.csv", "--sql", alone),
        "mlflight predict, CSV": fresh(BINARY, "predict", "-m", path, "-i", text, "-o", OUT / "p.csv"),
        "polars + joblib, Parquet": by_polars,
        "batch-score, Parquet": fresh(*score, "--input", binary, "--output", OUT / "p.parquet"),
    }
    table = Table(f"batch-score, {name}", rows).rounds(candidates, rounds)
    table.show("polars + joblib, Parquet")
    for ours in ("mlflight predict, CSV", "batch-score, CSV", "batch-score --sql, CSV"):
        for what in ("wall", "cpu"):
            ratios = table.ratio(ours, "mlflow models predict, CSV", what)
            print(f"\n{ours}, {what}: {ratios[len(ratios) // 2]:.1f} x MLflow ({ratios[0]:.1f} to {ratios[-1]:.1f}).")


def large() -> None:
    """Score more than fits the limit."""
    rows = LARGE_BYTES // (8 * MODELS["xgb500"])
    source = data.parquet(MODELS["xgb500"], rows)
    command = [BINARY, "batch-score", "--model", data.model("xgb500"), "--input", source, "--memory-limit", str(LIMIT)]
    usage = fresh(*command, "--output", OUT / "p.parquet")()
    size, peak = source.stat().st_size / 1e9, usage.peak / 2**20
    print(f"\n### {size:.1f} GB under 512 MiB\n")
    print(f"{rows:,} rows: {usage.wall:.1f} s, {usage.cpu:.1f} CPU s, peak of the process tree {peak:.0f} MiB.", flush=True)
    shutil.rmtree(OUT)
    source.unlink()
    if usage.peak > LIMIT:
        sys.exit("more than the limit")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    if options.large:
        return large()
    for name in options.models:
        for rows in options.rows:
            compare(name, rows, options.rounds)
    return None


if __name__ == "__main__":
    main()
