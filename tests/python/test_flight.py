"""Any Arrow Flight client can score: pyarrow's, over TCP and Unix sockets."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

TOKEN = "0123456789abcdef"


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

    def connect(self) -> flight.FlightClient:
        # gRPC takes a socket's path as the authority, which HTTP/2 servers refuse.
        options = [("grpc.default_authority", "localhost")] if self.address.startswith("unix:") else []
        return flight.connect(self.address.replace("unix:", "grpc+unix://"), generic_options=options)


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


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    socket = tmp_path_factory.mktemp("flight") / "s"
    address = "127.0.0.1:0" if request.param == "tcp" else f"unix:{socket}"
    running = serve("--model", f"lin={models / 'linreg20' / 'model'}", "--flight", address)
    yield running
    stop(running)


def score(client: flight.FlightClient, batches: list[pa.RecordBatch], **options: object) -> pa.Table:
    """Score batches one by one, reading each answer before the next batch is written."""
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_path("lin"), **options)
    answers = []
    with writer:
        writer.begin(batches[0].schema)
        for batch in batches:
            writer.write_batch(batch)
            answers.append(reader.read_chunk().data)
        writer.done_writing()
    return pa.Table.from_batches(answers)


def test_pyarrow_scores(server: Server, model) -> None:
    lin = model("linreg20")
    table = lin.input.combine_chunks()
    (whole,) = table.to_batches()
    batches = [whole.slice(0, 1), whole.slice(1, 0), whole.slice(1)]
    answer = score(server.connect(), batches)
    assert answer.column_names == ["prediction"]
    expected = lin.expected.column(0).to_pylist()
    assert answer.column("prediction").to_pylist() == pytest.approx(expected, rel=1e-12)


def test_the_model_is_described(server: Server) -> None:
    client = server.connect()
    descriptor = flight.FlightDescriptor.for_path("lin")
    assert [info.descriptor.path for info in client.list_flights()] == [[b"lin"]]
    assert client.get_flight_info(descriptor).schema.names == ["prediction"]
    assert client.get_schema(descriptor).schema.names == ["prediction"]
    (result,) = client.do_action(flight.Action("describe", b"lin"))
    described = json.loads(result.body.to_pybytes())
    assert (described["name"], described["output"][0]["name"]) == ("lin", "prediction")
    assert {action.type for action in client.list_actions()} == {"describe", "load", "unload", "drain"}


def test_refusals_have_their_types(server: Server) -> None:
    client = server.connect()
    with pytest.raises(KeyError, match="it serves lin"):
        client.get_flight_info(flight.FlightDescriptor.for_path("other"))
    with pytest.raises(flight.FlightUnauthorizedError, match="may not load a model by its URI"):
        client.get_flight_info(flight.FlightDescriptor.for_path("/models/other"))
    for action in ("drain", "unload"):
        with pytest.raises(flight.FlightUnauthorizedError, match="--token-file"):
            list(client.do_action(flight.Action(action, b"lin")))
    # The refusal may come before the first write has ended, or after.
    with pytest.raises(flight.FlightUnauthorizedError, match="may not upload"):
        client.do_put(flight.FlightDescriptor.for_command(b""), UPLOAD)[0].close()


UPLOAD = pa.schema([("path", pa.utf8()), ("data", pa.binary())])


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
    command = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(claimed)]) + claimed.encode()
    writer, reader = client.do_put(flight.FlightDescriptor.for_command(command), UPLOAD, options)
    with writer:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            data = path.read_bytes()
            parts = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)] or [b""]
            paths = [prefix + str(path.relative_to(directory))] * len(parts)
            writer.write_batch(pa.record_batch([paths, parts], schema=UPLOAD))
        writer.done_writing()
        return reader.read().to_pybytes()


def test_a_model_is_uploaded_and_scored_only_with_the_rights_for_it(model, tmp_path: Path) -> None:
    # Its code must run: what is scored natively needs no right to.
    lin = model("pyfunc_custom")
    token = tmp_path / "token"
    token.write_text(TOKEN)
    kept = tmp_path / "kept"
    flags = ["--token-file", str(token), "--allow-upload", str(kept), "--flight", "127.0.0.1:0"]
    shown = flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + TOKEN.encode())])
    running = serve(*flags)
    client = running.connect()
    with pytest.raises(flight.FlightUnauthenticatedError):
        list(client.list_flights())
    right = digest(lin.path)
    with pytest.raises(pa.ArrowInvalid, match="not what its digest says"):
        upload(client, lin.path, b"lin", "0" * 64, shown)
    with pytest.raises(pa.ArrowInvalid, match="leads out"):
        upload(client, lin.path, b"lin", right, shown, prefix="../")
    assert list(kept.iterdir()) == [], "a failed upload leaves nothing"
    with pytest.raises(flight.FlightError):
        upload(client, lin.path, b"lin", right, shown)
    assert list(client.list_flights(options=shown)) == [], "its code may not run"
    stop(running)

    running = serve(*flags, "--allow-uploaded-code")
    client = running.connect()
    assert upload(client, lin.path, b"lin", right, shown).decode() == right
    (batch,) = lin.input.combine_chunks().to_batches()
    answer = score(client, [batch], options=shown)
    assert answer.column("prediction").to_pylist() == pytest.approx(lin.expected.column(0).to_pylist(), rel=1e-12)
    list(client.do_action(flight.Action("unload", b"lin"), shown))
    assert list(client.list_flights(options=shown)) == []
    list(client.do_action(flight.Action("drain", b""), shown))
    assert running.process.wait(60) == 0
