"""Measure the kernels against the libraries' own predictions and their fastest peers, in turn in one run.

``kernels.py [--driver PATH] [--rounds N] [MODEL ...]`` trains the models of ``kernel_models.py`` and prints a table for each:
nanoseconds of CPU a row on one thread by batch size, of wall clock on two, the median of the rounds, and the median of each
round's ratio. Ours goes from Arrow columns through the model's signature to the Arrow column of answers; a peer takes the
matrix it likes best. Below stands what a batch allocates. Without ``--driver`` it builds the driver.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from driver import Driver, arguments, build
from kernel_models import ROWS, Predict, Subject, subjects
from measure import machine

#: Batch size, rows of one run, threads.
RUNS = [(1, 20_000, 1), (100, 20_000, 1), (10_000, 100_000, 1), (100_000, 100_000, 1), (50_000, 100_000, 2)]
#: A slow peer scores fewer rows than asked, as many as take so many nanoseconds.
PATIENCE = 1_500_000_000


def peer(predict: Predict, x: Any, batch: int, rows: int, threads: int) -> float:
    """Return what a row takes a peer, as `Driver.score` does."""
    slices = [x[at % ROWS : at % ROWS + batch] for at in range(0, rows, batch)]
    predict(slices[0])
    start = time.perf_counter_ns()
    predict(slices[0])
    slices = slices[: max(threads, PATIENCE // (time.perf_counter_ns() - start))]
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    with ThreadPoolExecutor(threads) as pool:
        start = clock()
        # One thread is this one: handing calls over would count as the peer's.
        list(map(predict, slices) if threads == 1 else pool.map(predict, slices))
        return (clock() - start) / (batch * len(slices))


def measure(subject: Subject, drivers: dict[str, Driver], rounds: int) -> Iterator[str]:
    """Yield the lines of a table."""
    candidates: dict[str, Callable[[int, int, int], float]] = {}
    for name, (predict, x) in subject.peers.items():
        candidates[name] = lambda *run, predict=predict, x=x: peer(predict, x, *run)
    for path, driver in drivers.items():
        candidates[path] = driver.score
    ours, driver = list(drivers.items())[-1]
    others = [*subject.peers, *(path for path in drivers if path != ours)]
    if subject.read:
        candidates["reading"] = driver.read
        others.append("reading")
    yield "| batch | " + " | ".join([*candidates, *(f"{ours}: x {name}" for name in others)]) + " |"
    yield "|" + " --- |" * (1 + len(candidates) + len(others))
    for run in RUNS:
        times: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(rounds):
            for name, candidate in candidates.items():
                times[name].append(candidate(*run))
        batch, _, threads = run
        cells = [f"{batch:,}" if threads == 1 else f"{batch:,} on each of {threads} threads, wall"]
        # What is only measured on one thread is no number on two.
        known = {name: statistics.median(values) for name, values in times.items() if not np.isnan(values).any()}
        cells += [f"{known[name]:,.{0 if known[name] > 99 else 1}f}" if name in known else "-" for name in times]
        for name in others:
            ratios = [theirs / own for theirs, own in zip(times[name], times[ours], strict=True)]
            cells.append(f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})" if name in known else "-")
        yield "| " + " | ".join(cells) + " |"


def difference(got: np.ndarray, wanted: np.ndarray) -> str:
    """Say how predictions differ from the library's."""
    bits = np.count_nonzero(got.view("u8") != wanted.view("u8"))
    if not bits:
        return f"all {len(wanted):,} predictions equal the library's in every bit"
    return f"{bits:,} of {len(wanted):,} predictions differ from the library's, by at most {np.abs(got - wanted).max():.1e}"


def main() -> None:
    """Run and print."""
    known = subjects()
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("models", nargs="*", choices=[*known, []])
    options = parser.parse_args()
    program = options.driver or build()
    for name in options.models or known:
        load = [os.getloadavg()[0]]
        subject = known[name]()
        print(f"\n### {subject.title}\n")
        with tempfile.TemporaryDirectory() as directory:
            called = arguments(subject, Path(directory))
            drivers = Driver.each(program, called)
            if refusal := next(iter(drivers.values())).refusal:
                print(f"Not measured: {refusal}")
                continue
            predict, x = next(iter(subject.peers.values()))
            wanted = np.asarray(predict(x), "float64").ravel()
            for path, driver in drivers.items():
                driver.ask(f"save {directory}/{path}")
                print(f"{path}: {difference(np.fromfile(f'{directory}/{path}', 'float64'), wanted)}.")
            print(*(f"No {peer}: {why}." for peer, why in subject.missing.items()), "", sep="\n")
            for line in measure(subject, drivers, options.rounds):
                print(line, flush=True)
            print("\nOne batch:\n", *(f"- {driver.memory(batch)}." for batch in (100, 10_000, 100_000)), sep="\n")
            for driver in drivers.values():
                driver.end()
        print(f"\nRounds, in turn: {options.rounds}; {machine([*load, os.getloadavg()[0]])}.", flush=True)


if __name__ == "__main__":
    main()
