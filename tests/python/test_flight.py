"""Any Arrow Flight client can score: pyarrow's, over TCP and Unix sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from serving import SHOWN, TOKEN, UPLOAD, Server, digest, score, serve, stop, upload


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    socket = tmp_path_factory.mktemp("flight") / "s"
    address = "127.0.0.1:0" if request.param == "tcp" else f"unix:{socket}"
    running = serve("--model", f"lin={models / 'linreg20' / 'model'}", "--flight", address)
    yield running
    stop(running)


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


def test_a_model_is_uploaded_and_scored_only_with_the_rights_for_it(model, tmp_path: Path) -> None:
    # Its code must run: what is scored natively needs no right to.
    lin = model("pyfunc_custom")
    token = tmp_path / "token"
    token.write_text(TOKEN)
    kept = tmp_path / "kept"
    flags = ["--token-file", str(token), "--allow-upload", str(kept), "--flight", "127.0.0.1:0"]
    running = serve(*flags)
    client = running.connect()
    with pytest.raises(flight.FlightUnauthenticatedError):
        list(client.list_flights())
    right = digest(lin.path)
    with pytest.raises(pa.ArrowInvalid, match="not what its digest says"):
        upload(client, lin.path, b"lin", "0" * 64, SHOWN)
    with pytest.raises(pa.ArrowInvalid, match="leads out"):
        upload(client, lin.path, b"lin", right, SHOWN, prefix="../")
    assert list(kept.iterdir()) == [], "a failed upload leaves nothing"
    with pytest.raises(flight.FlightError):
        upload(client, lin.path, b"lin", right, SHOWN)
    assert list(client.list_flights(options=SHOWN)) == [], "its code may not run"
    stop(running)

    running = serve(*flags, "--allow-uploaded-code")
    client = running.connect()
    assert upload(client, lin.path, b"lin", right, SHOWN).decode() == right
    (batch,) = lin.input.combine_chunks().to_batches()
    answer = score(client, [batch], options=SHOWN)
    assert answer.column("prediction").to_pylist() == pytest.approx(lin.expected.column(0).to_pylist(), rel=1e-12)
    list(client.do_action(flight.Action("unload", b"lin"), SHOWN))
    assert list(client.list_flights(options=SHOWN)) == []
    list(client.do_action(flight.Action("drain", b""), SHOWN))
    assert running.process.wait(60) == 0
