"""What a client in another language may do and see: health, reflection, rights, limits, TLS and the end of a service."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from serving import SHOWN, TOKEN, Server, digest, field, score, score_spec, serve, stop, upload

TLS = Path(__file__).resolve().parents[1] / "data" / "tls"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"

SHOWS_ENVIRONMENT = """
import os
class Model:
    def predict(self, frame):
        return [os.environ.get("GREETING", "nothing")] * len(frame)
def _load_pyfunc(path):
    return Model()
"""


@pytest.fixture
def token(tmp_path: Path) -> list[str]:
    """Return the flags of a service on a free port that wants the token."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return ["--token-file", str(path), "--flight", "127.0.0.1:0"]


@pytest.fixture
def greeter(tmp_path: Path) -> Path:
    """Return a model that answers with a variable of its environment."""
    directory = tmp_path / "greeter"
    (directory / "code").mkdir(parents=True)
    (directory / "code" / "greeter_model.py").write_text(SHOWS_ENVIRONMENT)
    (directory / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: greeter_model\n    code: code\n")
    return directory


def named(spec: bytes) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(spec)


def channel(server: Server) -> grpc.Channel:
    return grpc.insecure_channel(server.address.removeprefix("grpc://"), options=server.grpc_options)


def health(channel: grpc.Channel, service: str = "") -> bytes:
    return channel.unary_unary("/grpc.health.v1.Health/Check")(field(1, service) if service else b"", timeout=30)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_health_and_reflection_answer_any_grpc_client(model, tmp_path: Path, kind: str) -> None:
    address = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path / 's'}"
    server = serve("--model", f"lin={model('linreg20').path}", "--flight", address)
    with channel(server) as line:
        assert health(line) == health(line, "arrow.flight.protocol.FlightService") == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            health(line, "other")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        reflect = line.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        (services,) = reflect(iter([field(7, "")]), timeout=30)
        assert b"arrow.flight.protocol.FlightService" in services
        assert b"grpc.health.v1.Health" in services
        (file,) = reflect(iter([field(4, "arrow.flight.protocol.FlightService")]), timeout=30)
        assert b"DoExchange" in file
    stop(server)


def test_sigterm_lets_a_stream_end_and_takes_no_other(model) -> None:
    lin = model("linreg20")
    server = serve("--model", f"lin={lin.path}", "--flight", "127.0.0.1:0")
    (batch,) = lin.input.combine_chunks().to_batches()
    client = server.connect()
    writer, reader = client.do_exchange(flight.FlightDescriptor.for_path("lin"))
    writer.begin(batch.schema)
    writer.write_batch(batch)
    before = reader.read_chunk().data
    with channel(server) as line:
        watch = line.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=60)
        assert next(watch) == SERVING
        server.process.send_signal(signal.SIGTERM)
        assert next(watch) == NOT_SERVING
        watch.cancel()
    with pytest.raises(flight.FlightUnavailableError):
        score(client, [batch])
    writer.write_batch(batch)
    assert reader.read_chunk().data.equals(before)
    writer.done_writing()
    writer.close()
    assert server.process.wait(60) == 0


def test_models_of_an_allowed_prefix_are_loaded_described_and_unloaded(models: Path, model, token: list[str]) -> None:
    custom = model("pyfunc_custom")
    server = serve(*token, "--allow-load", str(models))
    client = server.connect()
    spec = score_spec(str(custom.path))
    (loaded,) = client.do_action(flight.Action("load", spec), SHOWN)
    described = json.loads(loaded.body.to_pybytes())
    assert (described["name"], described["digest"]) == (str(custom.path), digest(custom.path))
    assert described["memory"] > 1 << 20, "a worker has loaded the model"
    (batch,) = custom.input.combine_chunks().to_batches()
    answer = score(client, [batch], named(spec), options=SHOWN)
    assert answer.column("prediction").to_pylist() == pytest.approx(custom.expected.column(0).to_pylist(), rel=1e-12)
    assert client.get_schema(named(spec), SHOWN).schema.names == ["prediction"]
    assert client.get_flight_info(named(spec), SHOWN).schema.names == ["prediction"]
    for outside in (str(models.parent), str(models) + "2/x", f"{models}/../x"):
        with pytest.raises(flight.FlightUnauthorizedError, match="may not load a model by its URI"):
            list(client.do_action(flight.Action("load", score_spec(outside)), SHOWN))
    for action in ("load", "describe", "unload", "drain"):
        with pytest.raises(flight.FlightUnauthenticatedError):
            list(client.do_action(flight.Action(action, spec)))
    list(client.do_action(flight.Action("drain", b""), SHOWN))
    assert server.process.wait(60) == 0


def test_an_uploaded_model_is_described_and_unloaded(model, token: list[str], tmp_path: Path) -> None:
    xgb = model("xgb_reg")
    server = serve(*token, "--allow-upload", str(tmp_path / "kept"))
    client = server.connect()
    # A native model runs no code of its own: it needs no right for that.
    assert upload(client, xgb.path, b"xgb", digest(xgb.path), SHOWN).decode() == digest(xgb.path)
    (info,) = client.list_flights(options=SHOWN)
    assert info.descriptor.path == [b"xgb"]
    (described,) = client.do_action(flight.Action("describe", b"xgb"), SHOWN)
    assert json.loads(described.body.to_pybytes())["engine"] == "native"
    (batch,) = xgb.input.combine_chunks().to_batches()
    answer = score(client, [batch], flight.FlightDescriptor.for_path("xgb"), options=SHOWN)
    assert answer.column("prediction").to_pylist() == xgb.expected.column(0).to_pylist()
    list(client.do_action(flight.Action("unload", b"xgb"), SHOWN))
    with pytest.raises(KeyError, match="it serves no model"):
        list(client.do_action(flight.Action("describe", b"xgb"), SHOWN))
    stop(server)


def test_variables_of_the_environment_need_their_flag(greeter: Path, token: list[str]) -> None:
    batch = pa.record_batch({"a": [1.0, 2.0]})
    result = field(11, pa.schema([("prediction", pa.utf8())]).serialize().to_pybytes())
    asked = named(score_spec("greeter", {"GREETING": "hello"}) + result)
    server = serve(*token, "--model", str(greeter))
    with pytest.raises(flight.FlightUnauthorizedError, match="--allow-extra-env"):
        score(server.connect(), [batch], asked, options=SHOWN)
    stop(server)
    server = serve(*token, "--model", str(greeter), "--allow-extra-env")
    client = server.connect()
    for descriptor, answer in [(asked, "hello"), (named(score_spec("greeter") + result), "nothing")]:
        assert score(client, [batch], descriptor, options=SHOWN).column("prediction").to_pylist() == [answer] * 2
    # By this variable MLflow overrides a model's config, which has a right of its own.
    config = named(score_spec("greeter", {"MLFLOW_PYFUNC_INFERENCE_CONFIG": "{}"}) + result)
    with pytest.raises(flight.FlightUnauthorizedError, match="--allow-load"):
        score(server.connect(), [batch], config, options=SHOWN)
    stop(server)


def test_columns_are_matched_by_name(model) -> None:
    lin = model("linreg20")
    server = serve("--model", f"lin={lin.path}", "--flight", "127.0.0.1:0")
    table = lin.input.select(lin.input.column_names[::-1]).append_column("beside", pa.array(["x"] * len(lin.input)))
    (batch,) = table.combine_chunks().to_batches()
    answer = score(server.connect(), [batch])
    assert answer.column("prediction").to_pylist() == pytest.approx(lin.expected.column(0).to_pylist(), rel=1e-12)
    with pytest.raises(pa.ArrowInvalid, match="missing"):
        score(server.connect(), [batch.select(batch.schema.names[1:5])])
    stop(server)


def test_batches_of_every_size_up_to_the_cap(model) -> None:
    lin = model("linreg20")
    server = serve("--model", f"lin={lin.path}", "--flight", "127.0.0.1:0", "--max-message-bytes", "256k")
    (batch,) = lin.input.combine_chunks().to_batches()
    expected = lin.expected.column(0).to_pylist()
    client = server.connect()
    answers = score(client, [batch.slice(0, 0), batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)])
    assert [len(chunk) for chunk in answers.column(0).chunks] == [0, 1, 0, len(expected) - 1]
    assert answers.column("prediction").to_pylist() == pytest.approx(expected, rel=1e-12)
    (large,) = pa.Table.from_batches([batch] * 4).combine_chunks().to_batches()
    assert large.nbytes > 256 << 10 > batch.nbytes
    with pytest.raises(pa.ArrowInvalid, match="raise --max-message-bytes"):
        score(client, [large])
    assert score(client, [batch]).num_rows == len(expected), "the service goes on"
    stop(server)


def test_pyarrow_scores_over_tls(model, token: list[str]) -> None:
    lin = model("linreg20")
    identity = ["--tls-cert", str(TLS / "server.pem"), "--tls-key", str(TLS / "server.key")]
    server = serve(*token, *identity, "--model", f"lin={lin.path}")
    assert server.address.startswith("grpc+tls://127.0.0.1:")
    (batch,) = lin.input.combine_chunks().to_batches()
    client = server.connect(tls_root_certs=(TLS / "ca.pem").read_bytes())
    answer = score(client, [batch], options=SHOWN)
    assert answer.column("prediction").to_pylist() == pytest.approx(lin.expected.column(0).to_pylist(), rel=1e-12)
    with pytest.raises(flight.FlightUnauthenticatedError):
        score(client, [batch])
    stranger = server.connect(tls_root_certs=(TLS / "other-ca.pem").read_bytes())
    with pytest.raises(flight.FlightUnavailableError, match=r"(?i)certificate"):
        list(stranger.list_flights(options=SHOWN))
    stop(server)
