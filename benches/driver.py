"""The Rust side of the kernels' measurements: building it, and asking it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from kernel_models import Subject

#: Kernel paths, the portable one first.
PATHS = ["portable", "avx2", "avx512"]


def build() -> Path:
    """Build the driver and return its path."""
    command = ["cargo", "bench", "--bench", "kernels", "--no-default-features", "--no-run", "--message-format=json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "kernels":
            return Path(message["executable"])
    sys.exit("cargo built no driver")


def arguments(subject: Subject, directory: Path, rows: int | None = None) -> list[str]:
    """Save a model and its table, or some rows of it, into a directory; return what the driver is called with."""
    model, table = directory / "model", directory / "table.arrow"
    subject.save(model)
    content = pa.Table.from_pandas(subject.table[:rows], preserve_index=False)
    with pa.OSFile(str(table), "wb") as file, pa.ipc.new_file(file, content.schema) as writer:
        writer.write_table(content)
    return [str(model), str(table), subject.method]


class Driver:
    """A process that has loaded a model for one kernel path, and scores when asked."""

    def __init__(self, program: Path, arguments: list[str], path: str) -> None:
        self.process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"MLFLIGHT_KERNEL": path},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().strip()
        #: Why the model cannot be scored, if so.
        self.refusal = None if first.startswith("ready ") else first or "the driver ended"
        #: CPU nanoseconds of loading the model.
        self.load = 0 if self.refusal else int(first.removeprefix("ready "))

    @classmethod
    def each(cls, program: Path, arguments: list[str]) -> dict[str, Driver]:
        """Return a driver for each path that this CPU can run; the portable one also when the model cannot be scored."""
        drivers = {path: cls(program, arguments, path) for path in PATHS}
        return {path: driver for path, driver in drivers.items() if not driver.refusal or path == PATHS[0]}

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

    def score(self, batch: int, rows: int, threads: int) -> float:
        """Return what a row takes, in nanoseconds: CPU time on one thread, wall time on more."""
        cpu, wall = map(int, self.ask(f"score {batch} {rows} {threads}").split())
        return (cpu if threads == 1 else wall) / rows

    def read(self, batch: int, rows: int, threads: int) -> float:
        """Return what only reading a row's numbers takes on one thread, in nanoseconds."""
        return int(self.ask(f"read {batch} {rows}")) / rows if threads == 1 else float("nan")

    def memory(self, batch: int) -> str:
        """Say what scoring one batch allocates."""
        calls, peak, given, made = map(int, self.ask(f"memory {batch}").split())
        part = peak / (given + made)
        return f"{batch:,} rows: {calls} allocations, at most {peak:,} bytes at once, {part:.2f} x input and answer"

    def end(self) -> None:
        """End the process."""
        self.process.communicate()
