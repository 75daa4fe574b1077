"""Measure the Flight service against pyarrow's server, both asked by pyarrow's client: 1M rows x 20 doubles in, one column out.

pyarrow's server answers with the first column, so its side does no scoring at all; ours scores a small native model.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import data
import pyarrow as pa
import pyarrow.flight as flight
from measure import Table, Usage, measured

ROWS, FEATURES = 1_000_000, 20
#: Exchanges of one run: CPU time is counted in hundredths of a second.
REPEAT = 5
BINARY = Path(sys.executable).with_name("mlflight")
SIZES = (10_000, 16_384, 65_536)


class FirstColumn(flight.FlightServerBase):
    """Answers each batch with its first column."""

    def do_exchange(self, context, descriptor, reader, writer) -> None:
        """Answer until the client has no more."""
        del context, descriptor
        schema = pa.schema([pa.field("prediction", pa.float64())])
        writer.begin(schema)
        for chunk in reader:
            writer.write_batch(pa.RecordBatch.from_arrays([chunk.data.column(0)], schema=schema))


@contextmanager
def service(command: list[str | Path]) -> Iterator[str]:
    """Start a service that prints its address, and end it."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "grpc" in line:
                yield line[line.index("grpc") :].split()[0].strip("'\",.")
                break
        else:
            sys.exit(f"{command[0]} gave no address")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def exchange(address: str, batches: list[pa.RecordBatch]) -> Callable[[], Usage]:
    """Return a run that sends the batches and reads as many rows back."""
    client = flight.connect(address.replace("grpc://", "grpc+tcp://"))

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

    def once() -> Usage:
        with measured() as usage:
            rows = sum(ask() for _ in range(REPEAT))
        assert rows == REPEAT * ROWS, rows
        return usage

    return once


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", action="store_true", help="be pyarrow's server")
    options = parser.parse_args()
    if options.serve:
        server = FirstColumn("grpc://127.0.0.1:0")
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        print(f"grpc://127.0.0.1:{server.port}", flush=True)
        server.serve()
        return
    table = pa.concat_tables([data.block(FEATURES, seed) for seed in range(ROWS // data.BLOCK)]).combine_chunks()
    ours = [BINARY, "serve", "--model", f"model={data.model('xgb_small')}", "--flight", "127.0.0.1:0"]
    with service([sys.executable, __file__, "--serve"]) as pyarrow, service(ours) as mlflight:
        for size in SIZES:
            batches = table.to_batches(max_chunksize=size)
            candidates = {"pyarrow": exchange(pyarrow, batches), "mlflight": exchange(mlflight, batches)}
            Table("warm-up", REPEAT * ROWS).rounds(candidates, 1)
            Table(f"Flight, batches of {size:,}", REPEAT * ROWS).rounds(candidates, options.rounds).show("pyarrow")


if __name__ == "__main__":
    main()
