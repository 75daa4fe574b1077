"""What strangers sent, uploaded and asked for: nothing of it ends the service, leaves its bounds or takes a right nobody gave."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from serving import SHOWN, TOKEN, Server, binary, digest, field, score, score_spec, serve, stop, upload

CODECS = ["zstd", "lz4"]
LIMIT = 32 << 20

READS = """
import os
class Model:
    def predict(self, frame):
        return [os.environ.get("GREETING", "nothing")] * len(frame)
def _load_pyfunc(path):
    return Model()
"""


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def flight_data(header: bytes, body: bytes, descriptor: bytes = b"") -> bytes:
    """Return a FlightData message."""
    parts = [(1, descriptor), (2, header), (1000, body)]
    return b"".join(varint(number << 3 | 2) + varint(len(part)) + part for number, part in parts if part)


def encoded(batch: pa.RecordBatch, codec: str | None) -> list[tuple[bytes, bytes]]:
    """Return header and body of the messages of a stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)
    reader = pa.ipc.MessageReader.open_stream(sink.getvalue())
    messages = [reader.read_next_message() for _ in range(2)]
    return [(bytes(message.metadata), bytes(message.body or b"")) for message in messages]


def exchange(server: Server, messages: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Send messages as they are to the model `lin`."""
    path = field(3, "lin") + b"\x08\x01"
    (schema, _), *rest = messages
    sent = [flight_data(schema, b"", path), *(flight_data(header, body) for header, body in rest)]
    with grpc.insecure_channel(server.address.removeprefix("grpc://")) as channel:
        call = channel.stream_stream("/arrow.flight.protocol.FlightService/DoExchange")
        return list(call(iter(sent), timeout=60))


def peak(server: Server) -> int:
    """Return the most memory the service ever had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    flags = ["--memory-limit", str(LIMIT), "--batch-timeout", "20s"]
    running = serve("--model", f"lin={models / 'linreg20' / 'model'}", "--flight", "127.0.0.1:0", *flags)
    yield running
    stop(running)


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_batches_are_scored(server: Server, model, codec: str) -> None:
    lin = model("linreg20")
    (batch,) = lin.input.combine_chunks().to_batches()
    options = flight.FlightCallOptions(write_options=pa.ipc.IpcWriteOptions(compression=codec))
    answer = score(server.connect(), [batch], options=options)
    assert answer.column("prediction").to_pylist() == pytest.approx(lin.expected.column(0).to_pylist(), rel=1e-12)


@pytest.mark.parametrize("codec", CODECS)
def test_a_length_that_a_buffer_only_claims_is_not_believed(server: Server, model, codec: str) -> None:
    (batch,) = model("linreg20").input.slice(0, 16).combine_chunks().to_batches()
    batch = pa.record_batch({name: np.zeros(1000) for name in batch.schema.names})
    schema, (header, body) = encoded(batch, codec)
    length = (8000).to_bytes(8, "little")
    assert body.count(length) == batch.num_columns
    for claim, code in [
        (1 << 40, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ((1 << 63) - 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (-5, grpc.StatusCode.INVALID_ARGUMENT),
        (7999, grpc.StatusCode.INVALID_ARGUMENT),
        (8001, grpc.StatusCode.INVALID_ARGUMENT),
    ]:
        wrong = body.replace(length, claim.to_bytes(8, "little", signed=True))
        with pytest.raises(grpc.RpcError) as refused:
            exchange(server, [schema, (header, wrong)])
        assert refused.value.code() is code, (claim, refused.value.details())
    assert len(exchange(server, [schema, (header, body)])) == 2, "the service goes on"


@pytest.mark.parametrize("codec", CODECS)
def test_what_a_batch_decodes_to_is_counted(server: Server, model, codec: str) -> None:
    names = model("linreg20").input.schema.names
    large = pa.record_batch({name: np.zeros(1 << 20) for name in names})
    schema, (header, body) = encoded(large, codec)
    assert len(body) < 2 << 20 < 128 << 20 < large.nbytes
    before = peak(server)
    with pytest.raises(grpc.RpcError, match="--memory-limit"):
        exchange(server, [schema, (header, body)])
    nulls = pa.record_batch({name: pa.nulls(1 << 24) for name in names})
    with pytest.raises(grpc.RpcError, match="--memory-limit"):
        exchange(server, encoded(nulls, None))
    indices = np.zeros(1 << 16, np.int8)
    beside = pa.DictionaryArray.from_arrays(pa.array(indices), ["x" * 1000])
    with pytest.raises(pa.ArrowException, match="--memory-limit"):
        score(server.connect(), [pa.record_batch({**dict.fromkeys(names, indices), "beside": beside})])
    assert score(server.connect(), [pa.record_batch(dict.fromkeys(names, indices))]).num_rows == 1 << 16
    assert peak(server) < before + (LIMIT << 1) + (64 << 20)


@pytest.fixture
def token(tmp_path: Path) -> list[str]:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return ["--token-file", str(path), "--flight", "127.0.0.1:0"]


def test_rights_hold_for_the_directory_that_is_loaded(model, token: list[str], tmp_path: Path) -> None:
    allowed, secret = tmp_path / "models", tmp_path / "secret" / "model"
    lin = model("xgb_reg").path
    for place in (allowed / "my model", allowed / "a%2F..%2F..%2Fsecret" / "model", secret):
        shutil.copytree(lin, place)
    (allowed / "link").symlink_to(secret)
    server = serve(*token, "--allow-load", str(allowed))
    client = server.connect()

    def load(uri: str) -> None:
        list(client.do_action(flight.Action("load", score_spec(uri)), SHOWN))

    for uri in (
        f"{allowed}/my model",
        f"file://{allowed}/my%20model",
        f"file:{allowed}/my%20model",
        f"file://localhost{allowed}/my%20model",
        f"{allowed}/a%2F..%2F..%2Fsecret/model",
        f"file://{allowed}/a%252F..%252F..%252Fsecret/model",
    ):
        load(uri)
    for uri in (
        f"file://{allowed}/a%2F..%2F..%2Fsecret/model",
        f"file:{allowed}/%2e%2e/secret/model",
        f"{allowed}/../secret/model",
        f"{allowed}/link",
        f"file://{secret}",
        f"{tmp_path}/not/there",
    ):
        with pytest.raises(flight.FlightUnauthorizedError, match="may not load a model by its URI"):
            load(uri)
    stop(server)


def python_model(directory: Path, name: str) -> Path:
    (directory / "code").mkdir(parents=True)
    (directory / "code" / f"{name}.py").write_text(READS)
    (directory / "MLmodel").write_text(f"flavors:\n  python_function:\n    loader_module: {name}\n    code: code\n")
    return directory


# Each makes the interpreter, the loader, or what they start, run code of the caller's choice.
VARIABLES = [
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONWARNINGS", "PYTHONBREAKPOINT"),
    *("PYTHONPYCACHEPREFIX", "PYTHONINSPECT", "HOME", "PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_EXE", "BASH_ENV", "ENV"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "OPENSSL_CONF", "PERL5LIB"),
    *("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "PIP_INDEX_URL", "UV_INDEX_URL", "NUMBA_CACHE_DIR"),
    *("HF_MODULES_CACHE", "KERAS_HOME", "OMP_TOOL_LIBRARIES", "MPLBACKEND", "CC"),
]


def test_no_variable_runs_what_was_uploaded(model, token: list[str], tmp_path: Path) -> None:
    kept, proof = tmp_path / "kept", tmp_path / "proof"
    greeter = python_model(tmp_path / "greeter", "reported_greeter")
    evil = tmp_path / "evil"
    shutil.copytree(model("xgb_reg").path, evil)
    (evil / "sitecustomize.py").write_text(f"open({str(proof)!r}, 'w').write('ran')\n")
    batch = pa.record_batch({"a": [1.0]})
    result = field(11, pa.schema([("prediction", pa.utf8())]).serialize().to_pybytes())

    def asked(name: str, value: str) -> flight.FlightDescriptor:
        return flight.FlightDescriptor.for_command(score_spec("greeter", {name: value}) + result)

    flags = [*token, "--model", str(greeter), "--allow-upload", str(kept), "--allow-extra-env"]
    server = serve(*flags)
    client = server.connect()
    name = digest(evil)
    upload(client, evil, b"", name, SHOWN)
    place = str(kept / name)
    for variable in VARIABLES:
        for value in (place, "x"):
            with pytest.raises(flight.FlightUnauthorizedError, match="--allow-uploaded-code"):
                score(client, [batch], asked(variable, value), options=SHOWN)
    for value in (place, f"/usr/lib:{place}", f"file://{place}"):
        with pytest.raises(flight.FlightUnauthorizedError, match="path of the uploads"):
            score(client, [batch], asked("GREETING", value), options=SHOWN)
    with pytest.raises(pa.ArrowInvalid, match="cannot be an environment variable"):
        score(client, [batch], asked("A=B", "x"), options=SHOWN)
    assert score(client, [batch], asked("GREETING", "hello"), options=SHOWN).column(0).to_pylist() == ["hello"]
    assert not proof.exists()
    stop(server)
    # Whoever may run uploaded code may set them.
    server = serve(*flags, "--allow-uploaded-code")
    assert score(server.connect(), [batch], asked("PYTHONPATH", place), options=SHOWN).num_rows == 1
    assert proof.read_text() == "ran"
    stop(server)


def test_uploaded_code_does_not_run_by_its_path_either(token: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    uploaded = python_model(kept / ("0" * 64), "reported_uploaded")
    server = serve(*token, "--allow-upload", str(kept), "--allow-load", str(tmp_path))
    with pytest.raises(flight.FlightError, match="runs its own Python code"):
        list(server.connect().do_action(flight.Action("load", score_spec(str(uploaded))), SHOWN))
    stop(server)


def test_names_of_uploads_and_what_a_refused_one_leaves(model, token: list[str], tmp_path: Path) -> None:
    lin, xgb, custom, kept = model("linreg20"), model("xgb_reg"), model("pyfunc_custom"), tmp_path / "kept"
    server = serve(*token, "--allow-upload", str(kept), "--model", f"lin={lin.path}")
    client = server.connect()
    for name in (b"\0", b"a\nb", b"n" * 100_000, b"a b", b".hidden", b"-flag", b"a/b", b"a=b", "größe".encode(), b"n" * 129):
        with pytest.raises(pa.ArrowInvalid, match="cannot be uploaded under this name"):
            upload(client, xgb.path, name, digest(xgb.path), SHOWN)
    for name, source in [(b"lin", xgb), (b"lin", lin)]:
        with pytest.raises(pa.ArrowException, match="has another model 'lin'"):
            upload(client, source.path, name, digest(source.path), SHOWN)
    with pytest.raises(flight.FlightError, match="runs its own Python code"):
        upload(client, custom.path, b"custom", digest(custom.path), SHOWN)
    assert not kept.exists() or list(kept.iterdir()) == [], "what was refused leaves nothing"
    (info,) = client.list_flights(options=SHOWN)
    assert info.descriptor.path == [b"lin"]
    right = digest(xgb.path)
    for _ in range(2):  # The answer to the first may have been lost.
        assert upload(client, xgb.path, b"x.g_b-1", right, SHOWN).decode() == right
    with pytest.raises(pa.ArrowException, match="has another model"):
        upload(client, lin.path, b"x.g_b-1", digest(lin.path), SHOWN)
    assert [path.name for path in kept.iterdir()] == [right], "nor does a refusal take what is served"
    stop(server)


def spoil(path: Path, what: str) -> None:
    """Replace a file by something that is none, or by one without an end."""
    content = path.read_bytes()
    path.unlink()
    if what == "fifo":
        os.mkfifo(path)
    elif what == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        except PermissionError:  # Devices are the superuser's to make.
            os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    elif what == "link":
        path.with_suffix(".real").write_bytes(content)
        path.symlink_to(path.with_suffix(".real"))
    elif what == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 40)


@pytest.mark.parametrize("file", ["MLmodel", "model.ubj"])
@pytest.mark.parametrize("what", ["fifo", "device", "directory", "link", "sparse"])
def test_only_regular_files_of_bounded_size_are_read(model, tmp_path: Path, file: str, what: str) -> None:
    xgb = model("xgb_reg")
    place = tmp_path / "model"
    shutil.copytree(xgb.path, place)
    spoil(place / file, what)
    rows = str(xgb.path.parent / "input.parquet")
    for command in (
        ["inspect", str(place)],
        ["batch-score", "-m", str(place), "-i", rows, "-o", str(tmp_path / "out.parquet")],
        ["predict", "-m", str(place), "-i", rows],
        ["serve", "--model", f"x={place}", "--flight", "127.0.0.1:0"],
    ):
        run = subprocess.run([binary(), *command], capture_output=True, text=True, timeout=10, check=False)
        assert run.returncode == 3, (command, run.stderr)
        assert file in run.stderr or what == "sparse", run.stderr


def limited(command: list[str], limit: int, value: int, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command under a limit of the system."""
    restrict = lambda: resource.setrlimit(limit, (value, value))  # noqa: E731
    return subprocess.run(
        command, preexec_fn=restrict, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False, **options
    )


def test_a_limit_that_is_too_low_is_named(model) -> None:
    with tempfile.TemporaryDirectory() as name:
        # A user of its own: the superuser's processes are not counted.
        place = Path(name)
        place.chmod(0o755)
        program = shutil.copy(binary(), place / "mlflight")
        shutil.copytree(model("xgb_reg").path.parent, place / "xgb")
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        scoring = ["batch-score", "-m", f"{place}/xgb/model", "-i", f"{place}/xgb/input.parquet", "-o", "/nowhere/out.parquet"]
        serving = ["serve", "--model", f"x={place}/xgb/model", "--flight", "127.0.0.1:0"]
        # As little as the program itself can start with.
        starts = lambda space: limited([program, "--version"], resource.RLIMIT_AS, space).returncode == 0  # noqa: E731
        least = next(space for space in range(32 << 20, 1 << 31, 16 << 20) if starts(space))
        for limit, value, word, options in (
            (resource.RLIMIT_NOFILE, 5, "ulimit -n", {}),
            (resource.RLIMIT_AS, least + (8 << 20), "ulimit -v", {}),
            (resource.RLIMIT_NPROC, 1, "ulimit -u", user),
        ):
            for command in (scoring, serving):
                run = limited([program, *command], limit, value, **options)
                assert run.returncode == 6, (word, command, run.stderr)
                assert word in run.stderr, run.stderr
                assert "panicked" not in run.stderr, run.stderr
