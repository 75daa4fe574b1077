"""Processes as /proc shows them: who started whom, and what has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

SERVICE = "mlflight-service"


def _stat(pid: int) -> list[str]:
    """Return the state, the parent and what follows in /proc/PID/stat; nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody waited for does not."""
    stat = _stat(pid)
    return bool(stat) and stat[0] not in ("Z", "X")


def program(pid: int) -> Path:
    """Return the program that a process runs."""
    return Path(os.readlink(f"/proc/{pid}/exe"))


def children(pid: int) -> list[int]:
    """Return the living processes that a process started."""
    everyone = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [one for one in everyone if (stat := _stat(one)) and int(stat[1]) == pid and alive(one)]


def descendants(pid: int) -> list[int]:
    """Return the living processes that a process and its children started."""
    found = children(pid)
    for one in found:
        found += children(one)
    return found


def services(pid: int) -> list[int]:
    """Return the scoring services that a process started."""
    return [one for one in children(pid) if program(one).name == SERVICE]


def driver(spark: SparkSession) -> int:
    """Return the process id of the driver's JVM."""
    return int(spark._jvm.java.lang.ProcessHandle.current().pid())


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
