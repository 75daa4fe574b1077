"""What every measurement shares: candidates in turn, CPU time and memory of whole process trees, tables of ratios."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SET_CHILD_SUBREAPER = 36
#: How often memory is looked at, in seconds.
SAMPLING = 0.02


@dataclass
class Usage:
    """What one run took: seconds of wall clock and of CPU, and the most resident bytes of its processes together."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0


def tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [root]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on; none for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def resident(root: int) -> int:
    """Return the resident bytes of a process and its descendants."""
    return sum(int(fields[21]) * PAGE for fields in map(stat, tree(root)) if fields)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its descendants, with those of the children they have waited for."""
    return sum(sum(map(int, fields[11:15])) / TICKS for fields in map(stat, tree(os.getpid())))


def cpu_clock(pid: int) -> float:
    """Return the CPU seconds of all threads of a process, those that have ended too, to the nanosecond."""
    # As clock_getcpuclockid(3) makes the clock's number.
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure what this process and the processes below it do inside the block, all but their memory."""
    usage = Usage()
    cpu, start = cpu_seconds(), time.perf_counter()
    yield usage
    usage.wall, usage.cpu = time.perf_counter() - start, cpu_seconds() - cpu


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end, and that of all it started; it must succeed."""
    # Orphans come to this process, so that their CPU time is counted too.
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    usage = Usage()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    text: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda stream: text.append(stream.read()), args=(process.stderr,))
    reader.start()
    while process.poll() is None:
        usage.peak = max(usage.peak, resident(process.pid))
        time.sleep(SAMPLING)
    usage.wall = time.perf_counter() - start
    reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{''.join(text)[-4000:]}")
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    usage.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return usage


@dataclass
class Table:
    """Candidates and their runs, round by round."""

    title: str
    rows: int
    runs: dict[str, list[Usage]] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)

    def rounds(self, candidates: Mapping[str, Callable[[], Usage]], count: int) -> Table:
        """Run all candidates in turn, ``count`` times."""
        for number in range(count):
            for name, candidate in candidates.items():
                self.load.append(os.getloadavg()[0])
                usage = candidate()
                self.runs.setdefault(name, []).append(usage)
                print(f"  {self.title}, round {number + 1}: {name}: {usage.wall:.2f} s, {usage.cpu:.2f} CPU s", file=sys.stderr)
        return self

    def ratio(self, name: str, base: str, what: str) -> list[float]:
        """Return how many times more than ``name`` the candidate ``base`` took, a figure a round, sorted."""
        pairs = zip(self.runs[base], self.runs[name], strict=True)
        return sorted(getattr(theirs, what) / getattr(ours, what) for theirs, ours in pairs)

    def show(self, base: str) -> None:
        """Print the table, ratios against ``base``: above 1 is better than it."""
        print(f"\n### {self.title}\n")
        print(f"| {self.rows:,} rows | wall s | rows/s | CPU s | peak MB | wall: x {base} | CPU: x {base} |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, runs in self.runs.items():
            wall = statistics.median(usage.wall for usage in runs)
            peak = statistics.median(usage.peak for usage in runs) / 1e6
            cells = [name, span([usage.wall for usage in runs]), f"{self.rows / wall:,.0f}"]
            cells += [span([usage.cpu for usage in runs]), f"{peak:,.0f}" if peak else "-"]
            cells += [span(self.ratio(name, base, what)) for what in ("wall", "cpu")]
            print("| " + " | ".join(cells) + " |")
        count = max(map(len, self.runs.values()))
        print(f"\nRounds, candidates in turn: {count}; {machine(self.load)}.", flush=True)


def span(values: Sequence[float]) -> str:
    """Return the median, with the least and the greatest."""
    digits = 2 if statistics.median(values) < 20 else 1
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def machine(load: Sequence[float]) -> str:
    """Return what it ran on, and the load average before the runs."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {name}, load {min(load):.1f} to {max(load):.1f}"
