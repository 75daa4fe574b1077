"""Measure the tree kernels against the libraries' own predictions and their fastest peers, in turn in one run.

``kernels.py [--driver PATH] [--rounds N] [MODEL ...]`` trains the models of ``kernel_models.py`` and prints a table for each:
nanoseconds of CPU a row on one thread by batch size, of wall clock on two, the median of the rounds, and the median of each
round's ratio. Ours goes from Arrow columns of doubles through the model's signature to the Arrow column of answers; a peer
takes the matrix it likes best. Without ``--driver`` it builds the driver.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyarrow as pa
from kernel_models import ROWS, Predict, Subject, frame, subjects
from measure import machine

#: Batch size, rows of one run, threads.
RUNS = [(1, 2_000, 1), (100, 20_000, 1), (10_000, 100_000, 1), (100_000, 100_000, 1), (50_000, 100_000, 2)]
PATHS = ["portable", "avx2"]


def build() -> Path:
    """Build the driver and return its path."""
    command = ["cargo", "bench", "--bench", "kernels", "--no-default-features", "--no-run", "--message-format=json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "kernels":
            return Path(message["executable"])
    sys.exit("cargo built no driver")


class Driver:
    """The Rust side: one process for all rounds, on one kernel path."""

    def __init__(self, program: Path, model: Path, table: Path, method: str, path: str) -> None:
        self.process = subprocess.Popen(
            [program, model, table, method],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLFLIGHT_KERNEL": path},
        )
        assert self.process.stdout is not None
        #: Why the model cannot be scored, if so.
        self.refusal = self.process.stdout.readline().strip().removeprefix("ready")

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

    def nanoseconds(self, batch: int, rows: int, threads: int) -> float:
        """Return what a row takes: CPU time on one thread, wall time on more."""
        cpu, wall = map(int, self.ask(f"{batch} {rows} {threads}").split())
        return (cpu if threads == 1 else wall) / rows


def peer(predict: Predict, x: np.ndarray, batch: int, rows: int, threads: int) -> float:
    """Return what a row takes a peer, as `Driver.nanoseconds` does."""
    slices = [x[at % ROWS : at % ROWS + batch] for at in range(0, rows, batch)]
    predict(slices[0])
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    with ThreadPoolExecutor(threads) as pool:
        start = clock()
        # One thread is this one: handing calls over would count as the peer's.
        list(map(predict, slices) if threads == 1 else pool.map(predict, slices))
        return (clock() - start) / rows


def measure(subject: Subject, drivers: dict[str, Driver], rounds: int) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "| batch | " + " | ".join([*subject.peers, *PATHS, *(f"avx2: x {name}" for name in subject.peers)]) + " |"
    yield "|" + " --- |" * (1 + 2 * len(subject.peers) + len(PATHS))
    for batch, rows, threads in RUNS:
        times: dict[str, list[float]] = {name: [] for name in [*subject.peers, *PATHS]}
        for _ in range(rounds):
            for name, (predict, x) in subject.peers.items():
                times[name].append(peer(predict, x, batch, rows, threads))
            for path, driver in drivers.items():
                times[path].append(driver.nanoseconds(batch, rows, threads))
        cells = [f"{batch:,}" if threads == 1 else f"{batch:,} on each of {threads} threads, wall"]
        cells += [f"{statistics.median(values):,.0f}" for values in times.values()]
        for name in subject.peers:
            ratios = [theirs / ours for theirs, ours in zip(times[name], times["avx2"], strict=True)]
            cells.append(f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
        yield "| " + " | ".join(cells) + " |"


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
            model, table = Path(directory, "model"), Path(directory, "table.arrow")
            subject.save(model)
            content = pa.Table.from_pandas(frame(subject.x), preserve_index=False)
            with pa.OSFile(str(table), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
                writer.write_table(content)
            drivers = {path: Driver(program, model, table, subject.method, path) for path in PATHS}
            if refusal := drivers["avx2"].refusal:
                print(f"Not measured: {refusal}")
                continue
            predict, x = next(iter(subject.peers.values()))
            wanted = np.asarray(predict(x), "float64").ravel()
            for path, driver in drivers.items():
                driver.ask(f"save {directory}/{path}")
                got = np.fromfile(f"{directory}/{path}", "float64")
                differ = np.count_nonzero(got.view("u8") != wanted.view("u8"))
                print(f"{path}: {differ:,} of {len(wanted):,} predictions differ from the library's in a bit.")
            print(*(f"No {peer}: {why}." for peer, why in subject.missing.items()), "", sep="\n")
            for line in measure(subject, drivers, options.rounds):
                print(line, flush=True)
        print(f"\nRounds, in turn: {options.rounds}; {machine([*load, os.getloadavg()[0]])}.")


if __name__ == "__main__":
    main()
