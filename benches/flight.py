"""Measure the Flight service against pyarrow's server, both asked by pyarrow's client: 1M rows x 20 doubles in, one column out.

pyarrow's server answers with the first column, so its side does no scoring at all; ours scores a linear model.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import data
import pyarrow as pa
import pyarrow.flight as flight
from measure import Table, Usage, cpu_clock, machine, span

ROWS, FEATURES = 1_000_000, 20
SIZES = (10_000, 16_384, 65_536)
#: For glibc's allocator, as the installed command sets it for the binary.
HEAP = ["env", f"MALLOC_MMAP_THRESHOLD_={32 << 20}", f"MALLOC_TRIM_THRESHOLD_={128 << 20}"]


class FirstColumn(flight.FlightServerBase):
    """Answers each batch with its first column."""

    def do_exchange(self, context, descriptor, reader, writer) -> None:
        """Answer until the client has no more."""
        del context, descriptor
        schema = pa.schema([pa.field("prediction", pa.float64())])
        writer.begin(schema)
        for chunk in reader:
            writer.write_batch(pa.RecordBatch.from_arrays([chunk.data.column(0)], schema=schema))


@dataclass
class Service:
    """A running service."""

    address: str
    pid: int


@contextmanager
def service(command: list[str | Path]) -> Iterator[Service]:
    """Start a service that prints its address, and end it."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "grpc" in line:
                yield Service(line[line.index("grpc") :].split()[0].strip("'\",."), process.pid)
                break
        else:
            sys.exit(f"{command[0]} gave no address")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@dataclass
class Exchange(Usage):
    """What one exchange took: CPU seconds of either side, and of both."""

    client: float = 0.0
    server: float = 0.0


def exchange(service: Service, batches: list[pa.RecordBatch]) -> Callable[[], Exchange]:
    """Return a run that sends the batches and reads as many rows back."""
    client = flight.connect(service.address.replace("grpc://", "grpc+tcp://"))

    def ask() -> int:
        writer, reader = client.do_exchange(flight.FlightDescriptor.for_path("model"))

        def write() -> None:
            writer.begin(batches[0].schema)
            for batch in batches:
                writer.write_batch(batch)
            writer.done_writing()

        sender = threading.Thread(target=write)
        sender.start()
        rows = sum(chunk.data.num_rows for chunk in reader)
        sender.join()
        writer.close()
        return rows

    def once() -> Exchange:
        clocks = [lambda: cpu_clock(os.getpid()), lambda: cpu_clock(service.pid), time.perf_counter]
        before = [clock() for clock in clocks]
        rows = ask()
        client, server, wall = (clock() - start for clock, start in zip(clocks, before, strict=True))
        assert rows == ROWS, rows
        return Exchange(wall, client + server, client=client, server=server)

    return once


def show(table: Table, base: str) -> None:
    """Print the table, ratios against ``base``: above 1 is better than it."""
    print(f"\n### {table.title}\n")
    print(f"| candidate | client ms | server ms | both ms | wall ms | CPU: x {base} | wall: x {base} |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, runs in table.runs.items():
        medians = [statistics.median(getattr(run, what) for run in runs) for what in ("client", "server", "cpu", "wall")]
        cells = [f"{1e3 * median:.1f}" for median in medians]
        cells += [span(table.ratio(name, base, what)) for what in ("cpu", "wall")]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\nRounds, candidates in turn: {len(table.runs[base])}; {machine(table.load)}.", flush=True)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", nargs="*", metavar="NAME=PATH", help="builds of mlflight to compare (the installed one)")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows of a batch")
    parser.add_argument("--serve", action="store_true", help="be pyarrow's server")
    options = parser.parse_args()
    if options.serve:
        server = FirstColumn("grpc://127.0.0.1:0")
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        print(f"grpc://127.0.0.1:{server.port}", flush=True)
        server.serve()
        return
    builds = dict(build.split("=", 1) for build in options.binaries) or {"mlflight": Path(sys.executable).with_name("mlflight")}
    ours = ["serve", "--model", f"model={data.model('linreg20')}", "--flight", "127.0.0.1:0"]
    commands = {"pyarrow": [sys.executable, __file__, "--serve"]} | {name: [*HEAP, path, *ours] for name, path in builds.items()}
    table = pa.concat_tables([data.block(FEATURES, seed) for seed in range(ROWS // data.BLOCK)]).combine_chunks()
    with ExitStack() as stack:
        services = {name: stack.enter_context(service(command)) for name, command in commands.items()}
        for size in options.sizes:
            batches = table.to_batches(max_chunksize=size)
            candidates = {name: exchange(service, batches) for name, service in services.items()}
            Table("warm-up", ROWS).rounds(candidates, 2)
            show(Table(f"Flight, batches of {size:,}", ROWS).rounds(candidates, options.rounds), "pyarrow")


if __name__ == "__main__":
    main()
