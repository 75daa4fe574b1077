"""`mlflight serve` under test, and what a client in Python sends to it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight

TOKEN = "0123456789abcdef"
SHOWN = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + TOKEN.encode())])
UPLOAD = pa.schema([("path", pa.utf8()), ("data", pa.binary())])


def binary() -> str:
    """Return the command under test: MLFLIGHT_TEST_BINARY, else the one of the installed package."""
    if found := os.environ.get("MLFLIGHT_TEST_BINARY"):
        return found
    import mlflight

    return str(Path(mlflight.__file__).parent / "bin" / "mlflight")


@dataclass
class Server:
    """A running `mlflight serve`."""

    process: subprocess.Popen[str]
    address: str

    @property
    def grpc_options(self) -> list[tuple[str, str]]:
        """Return what a gRPC client needs: it takes a socket's path as the authority, which HTTP/2 servers refuse."""
        return [("grpc.default_authority", "localhost")] if self.address.startswith("unix:") else []

    def connect(self, **options: object) -> flight.FlightClient:
        address = self.address.replace("unix:", "grpc+unix://")
        return flight.connect(address, generic_options=self.grpc_options, **options)


def serve(*arguments: str) -> Server:
    command = [binary(), "serve", "--python", sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["ready"], words
    return Server(process, words[1])


def stop(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0


def field(number: int, content: bytes | str) -> bytes:
    """Return a field of a protobuf message: bytes, text or a message."""
    content = content.encode() if isinstance(content, str) else content
    size, length = len(content), bytearray()
    while True:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes([number << 3 | 2]) + bytes(length) + content


def score_spec(uri: str, extra_env: dict[str, str] | None = None) -> bytes:
    """Return a ScoreSpec, written by hand as a client without mlflight would."""
    env = [field(10, field(1, name) + field(2, value)) for name, value in (extra_env or {}).items()]
    return b"\x08\x01" + field(2, uri) + b"".join(env)


def score(
    client: flight.FlightClient,
    batches: list[pa.RecordBatch],
    descriptor: flight.FlightDescriptor | None = None,
    **options: object,
) -> pa.Table:
    """Score batches one by one, reading each answer before the next batch is written."""
    writer, reader = client.do_exchange(descriptor or flight.FlightDescriptor.for_path("lin"), **options)
    answers = []
    with writer:
        writer.begin(batches[0].schema)
        for batch in batches:
            writer.write_batch(batch)
            answers.append(reader.read_chunk().data)
        writer.done_writing()
    return pa.Table.from_batches(answers)


def digest(directory: Path) -> str:
    """SHA-256 over (path, size, SHA-256) of the files, as the service computes it."""
    whole = hashlib.sha256()
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.relative_to(directory).parts):
        name, data = str(path.relative_to(directory)).encode(), path.read_bytes()
        whole.update(len(name).to_bytes(8, "little") + name + len(data).to_bytes(8, "little") + hashlib.sha256(data).digest())
    return whole.hexdigest()


def upload(
    client: flight.FlightClient, directory: Path, name: bytes, claimed: str, options: flight.FlightCallOptions, prefix: str = ""
) -> bytes:
    """Send a directory as an upload of that name and digest; return the digest the service answers."""
    command = field(1, name) + field(2, claimed)
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), UPLOAD, options)
    with writer:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            data = path.read_bytes()
            parts = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)] or [b""]
            paths = [prefix + str(path.relative_to(directory))] * len(parts)
            writer.write_batch(pa.record_batch([paths, parts], schema=UPLOAD))
        writer.done_writing()
        return reader.read().to_pybytes()
