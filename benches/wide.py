"""Measure what a column, a key of JSON and a category cost: 1,000, 10,000 and 100,000 of them, in 20 rows of columns and keys.

``wide.py [--sizes N ...] [--rounds N] [--binary PATH]``. Each number is the least CPU time of the rounds; beside it is what that
is for one column, key or category, which stays the same, or falls, where cost grows linearly.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import data
import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.flight
import pyarrow.parquet as pq
from measure import machine, measured
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

ROWS = 20
HOME = data.HOME / "wide"


def table(size: int) -> pa.Table:
    """Return rows of normal doubles in so many columns."""
    values = np.random.default_rng(size).normal(size=(size, ROWS))
    return pa.table(dict(zip(data.names(size), values, strict=True)))


def save(model: object, path: Path, frame: pd.DataFrame, signed: bool) -> Path:
    """Save a model once."""
    if not path.exists():
        signature = infer_signature(frame, np.zeros(len(frame))) if signed else None
        mlflow.sklearn.save_model(model, path, signature=signature, pip_requirements=["scikit-learn"])
    return path


def linear(size: int, signed: bool) -> Path:
    """Return a linear model of so many columns."""
    frame = table(size).to_pandas()
    model = LinearRegression()
    model.coef_, model.intercept_, model.n_features_in_ = np.ones(size), 0.5, size
    model.feature_names_in_ = np.array(frame.columns, dtype=object)
    return save(model, HOME / f"{'signed' if signed else 'bare'}{size}", frame, signed)


def files(size: int) -> dict[str, Path]:
    """Return the same rows in each format."""
    paths = {kind: HOME / f"{size}.{kind}" for kind in ("parquet", "csv", "json")}
    if not paths["json"].exists():
        rows = table(size)
        pq.write_table(rows, paths["parquet"], use_dictionary=False)
        pa.csv.write_csv(rows, paths["csv"])
        paths["json"].write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    return paths


def categories(size: int, encoder: type) -> tuple[Path, Path]:
    """Return a model of one column of so many categories, and 1,000 rows of some of them."""
    frame = pd.DataFrame({"word": [f"word {at}" for at in range(size)]})
    model = make_pipeline(encoder(), LinearRegression())
    path = HOME / f"{encoder.__name__}{size}"
    if not path.exists():
        model[0].fit(frame)
        width = size if encoder is OneHotEncoder else 1
        model[1].coef_, model[1].intercept_, model[1].n_features_in_ = np.ones(width), 0.5, width
    rows = HOME / f"words{size}.parquet"
    frame.iloc[:: size // 1_000 or 1].to_parquet(rows)
    return save(model, path, frame, False), rows


@contextmanager
def served(binary: Path, model: Path) -> Iterator[pyarrow.flight.FlightClient]:
    """Give a client of a service that has the model."""
    command = [binary, "serve", "--model", f"wide={model}", "--flight", "127.0.0.1:0", "--max-message-bytes", "1g"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield pyarrow.flight.connect(process.stdout.readline().split()[1])
        finally:
            process.terminate()


def exchange(client: pyarrow.flight.FlightClient, rows: pa.Table, batches: int) -> None:
    """Score the rows in several batches over one stream."""
    writer, reader = client.do_exchange(pyarrow.flight.FlightDescriptor.for_path("wide"))
    with writer:
        writer.begin(rows.schema)
        for _ in range(batches):
            writer.write_table(rows)
            reader.read_chunk()
        writer.done_writing()


def least(call: Callable[[], object], rounds: int) -> float:
    """Return the least CPU seconds of a call, with those of all processes below."""
    seconds = []
    for _ in range(rounds):
        with measured() as usage:
            call()
        seconds.append(usage.cpu)
    return min(seconds)


def score(binary: Path, *arguments: str | Path) -> Callable[[], object]:
    """Return a run of batch-score."""
    command = [binary, "batch-score", "--overwrite", *arguments]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def cases(size: int, binary: Path, rounds: int) -> Iterator[tuple[str, float]]:
    """Measure each case at one size."""
    paths, signed, bare, two = files(size), linear(size, True), linear(size, False), linear(2, True)
    parquet = ["-i", paths["parquet"], "-o", HOME / "out.parquet"]
    for kind, path in paths.items():
        yield f"columns, {kind}", least(score(binary, "-m", bare, "-i", path, "-o", HOME / f"out.{kind}"), rounds)
    yield (
        "columns, parquet, signature",
        least(score(binary, "-m", signed, *parquet), rounds),
    )
    python = ["--engine", "python", "--python", sys.executable]
    yield (
        "columns, parquet, Python",
        least(score(binary, *python, "-m", bare, *parquet), rounds),
    )
    rows = table(size)
    with served(binary, signed) as client:
        exchange(client, rows, 1)
        yield "columns, Flight, 3 batches", least(lambda: exchange(client, rows, 3), rounds)
    import mlflight

    frame = rows.to_pandas()
    model = mlflight.load_model(str(signed))
    yield "columns, load_model of pandas", least(lambda: model.predict(frame), rounds)
    for kind in ("csv", "json"):
        arguments = ["-m", two, "-i", paths[kind], "-o", HOME / f"out.{kind}"]
        yield f"keys that nobody reads, {kind}", least(score(binary, *arguments), rounds)
    for encoder in (OneHotEncoder, OrdinalEncoder):
        model_path, words = categories(size, encoder)
        arguments = ["-m", model_path, "-i", words, "-o", HOME / "out.parquet"]
        yield f"categories, {encoder.__name__}, 1,000 rows", least(score(binary, *arguments), rounds)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=Path(sys.executable).with_name("mlflight"))
    options = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    load = [os.getloadavg()[0]]
    found: dict[str, list[float]] = {}
    for size in options.sizes:
        for name, seconds in cases(size, options.binary, options.rounds):
            print(name, size, f"{seconds:.2f}", file=sys.stderr, flush=True)
            found.setdefault(name, []).append(seconds)
    print("| " + " | ".join(["CPU s (µs each)", *(f"{size:,}" for size in options.sizes)]) + " |")
    print("| --- " * (1 + len(options.sizes)) + "|")
    for name, times in found.items():
        cells = [f"{seconds:.2f} ({1e6 * seconds / size:.1f})" for seconds, size in zip(times, options.sizes, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{options.rounds} rounds; {machine([*load, os.getloadavg()[0]])}.")


if __name__ == "__main__":
    main()
