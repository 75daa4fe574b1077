"""Models in object stores and on web servers: what is downloaded, kept, continued and refused. Every server is a real one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from serving import binary
from store_servers import AZURE_KEY, Fault, Proxy, Seen, azurite, files, google, google_upload, moto, serving, static

BUCKET = "models"
SECRET = "s3cr3t-of-the-user"


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    with moto() as address:
        yield address


@pytest.fixture(scope="module")
def proxies(s3_server: str) -> Iterator[Proxy]:
    with Proxy(s3_server).running() as proxy:
        yield proxy


@pytest.fixture
def proxy(proxies: Proxy) -> Proxy:
    proxies.reset()
    return proxies


@pytest.fixture(scope="module")
def s3(s3_server: str):
    config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3_server, config=config, **keys)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def put(s3, request: pytest.FixtureRequest):
    """Return a function that stores a directory below a prefix of the test's own, and says its URI."""
    prefix = request.node.name.replace("[", "-").replace("]", "")

    def upload(directory: Path, name: str = "model") -> str:
        for path in files(directory):
            s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}/{path.relative_to(directory)}", Body=path.read_bytes())
        return f"s3://{BUCKET}/{prefix}/{name}"

    return upload


@pytest.fixture
def environment(tmp_path: Path, s3_server: str) -> dict[str, str]:
    """Return the variables of a user who has a cache of their own and the rights to the S3 server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLIGHT_", "MLFLOW_"))}
    cache = {"MLFLIGHT_CACHE_DIR": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    return {**kept, **cache, **keys, "AWS_ENDPOINT_URL": s3_server, "HOME": str(tmp_path)}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


class Run:
    """The command line for one user."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [binary(), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env={**self.environment, **variables}, timeout=120)
        assert SECRET not in done.stderr
        assert SECRET not in done.stdout
        return done

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [binary(), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def through(self, proxy: Proxy) -> Run:
        return Run({**self.environment, "AWS_ENDPOINT_URL": proxy.address})

    @property
    def cache(self) -> Path:
        return Path(self.environment["MLFLIGHT_CACHE_DIR"])

    def directory(self, uri: str, **variables: str) -> Path:
        done = self("download", uri, **variables)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def refused(self, uri: str, code: int, *words: str, **variables: str) -> str:
        # Whatever scores brings all of the model.
        done = self("predict", "--model", uri, "--input-path", os.devnull, **variables)
        assert done.returncode == code, (done.returncode, done.stderr)
        assert all(word in done.stderr for word in words), done.stderr
        return done.stderr

    def models(self) -> list[Path]:
        found = self.cache / "models"
        return sorted(path for path in found.iterdir() if path.is_dir()) if found.is_dir() else []


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    return Run(environment)


def same(one: Path, other: Path) -> bool:
    def content(directory: Path) -> dict[str, bytes]:
        return {str(path.relative_to(directory)): path.read_bytes() for path in files(directory)}

    return content(one) == content(other)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Return a model that nobody scores with, of small files and one large one."""
    directory = tmp_path / "made" / "model"
    (directory / "data" / "deep er").mkdir(parents=True)
    (directory / "MLmodel").write_text("flavors: {}\n")
    (directory / "data" / "big.bin").write_bytes(os.urandom(9 << 20))
    for number in range(30):
        (directory / "data" / "deep er" / f"größe {number}%.txt").write_text(str(number))
    return directory


# Places


def test_a_model_is_read_from_every_kind_of_place(model, run: Run, put, tmp_path: Path) -> None:
    """The digest of what arrives is that of the model itself."""
    source = model("logreg_pipe").path
    expected = json.loads(run("inspect", source, "--json").stdout)["digest"]

    def digest(uri: str, **variables: str) -> str:
        run.directory(uri, **variables)
        done = run("inspect", uri, "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["digest"]

    uri = put(source)
    assert digest(uri) == digest(uri.replace("s3:", "s3a:")) == expected
    pages = tmp_path / "pages"
    shutil.copytree(source, pages / "a model")
    with tarfile.open(pages / "one.tar.gz", "w:gz") as archive:
        archive.add(source, "whatever")
    with zipfile.ZipFile(pages / "two.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files(source):
            archive.write(path, path.relative_to(source))
    named = f"mlflight-model-{expected}.mlflight"
    with tarfile.open(pages / named, "w") as archive:
        archive.add(source, ".")
    with static(pages) as address:
        for name in ["a%20model", "a%20model/", "one.tar.gz", "two.zip", named]:
            assert digest(f"{address}/{name}") == expected, name
    s3_archive = put(pages, "archives")
    assert digest(f"{s3_archive}/one.tar.gz") == expected
    with google() as address:
        google_upload(address, "google", "x/model", source)
        assert digest("gs://google/x/model", STORAGE_EMULATOR_HOST=address) == expected
    with azurite() as address:
        account = {
            "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
            f"AccountKey={AZURE_KEY};BlobEndpoint={address};"
        }
        azure_upload(address, "container", "x/model", source)
        for uri in [
            "az://container/x/model",
            "abfss://container@devstoreaccount1.dfs.core.windows.net/x/model",
            "wasbs://container@devstoreaccount1.blob.core.windows.net/x/model",
        ]:
            assert digest(uri, **account) == expected, uri


def azure_upload(address: str, container: str, prefix: str, directory: Path) -> None:
    """Store files as a client of Azure does, with requests that are signed by the shared key."""
    import base64
    import datetime
    import hashlib
    import hmac
    import urllib.parse
    import urllib.request

    def put(path: str, query: dict[str, str], body: bytes, extra: dict[str, str]) -> None:
        now = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"x-ms-date": now, "x-ms-version": "2021-12-02", **extra}
        canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        quoted = urllib.parse.quote(path)
        resource = f"/devstoreaccount1/devstoreaccount1{quoted}" + "".join(f"\n{key}:{query[key]}" for key in sorted(query))
        length = str(len(body)) if body else ""
        text = f"PUT\n\n\n{length}\n\napplication/octet-stream\n\n\n\n\n\n\n{canonical}{resource}"
        signature = base64.b64encode(hmac.digest(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256)).decode()
        headers |= {"authorization": f"SharedKey devstoreaccount1:{signature}", "content-type": "application/octet-stream"}
        url = f"{address}{quoted}?{urllib.parse.urlencode(query)}"
        urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers, method="PUT")).read()

    put(f"/{container}", {"restype": "container"}, b"", {})
    for path in files(directory):
        put(f"/{container}/{prefix}/{path.relative_to(directory)}", {}, path.read_bytes(), {"x-ms-blob-type": "BlockBlob"})


def test_a_databricks_workspace_is_read(made: Path, run: Run) -> None:
    """By the API as its documentation describes it: no workspace runs here."""
    import base64
    import urllib.parse

    (made / "data" / "big.bin").write_bytes(os.urandom(2_500_000))

    class Workspace(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            path = made / query["path"].removeprefix("/models/churn").lstrip("/")
            status, answer = 200, {}
            if self.headers["authorization"] != f"Bearer {SECRET}":
                status, answer = 403, {"error_code": "PERMISSION_DENIED"}
            elif not path.exists() or not query["path"].startswith("/models/churn"):
                status, answer = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}
            elif url.path == "/api/2.0/dbfs/list":

                def entry(child: Path) -> dict[str, object]:
                    where = f"/models/churn/{child.relative_to(made)}"
                    size = 0 if child.is_dir() else child.stat().st_size
                    return {"path": where, "is_dir": child.is_dir(), "file_size": size, "modification_time": 1}

                answer = {"files": [entry(child) for child in path.iterdir()]}
            elif url.path == "/api/2.0/dbfs/read":
                offset, length = int(query["offset"]), int(query["length"])
                assert length <= 1 << 20
                data = path.read_bytes()[offset : offset + length]
                answer = {"bytes_read": len(data), "data": base64.b64encode(data).decode()}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Workspace) as port:
        workspace = {"DATABRICKS_HOST": f"http://127.0.0.1:{port}", "DATABRICKS_TOKEN": SECRET}
        assert same(run.directory("dbfs:/models/churn", **workspace), made)
        run.refused("dbfs:/models/none", 4, "dbfs:/models/none", **workspace)
        run.refused("dbfs:/models/churn", 7, "refuses access", **{**workspace, "DATABRICKS_TOKEN": "other"})
    run.refused("dbfs:/models/churn", 7, "DATABRICKS_HOST")


def test_a_model_of_a_store_scores(model, run: Run, put, tmp_path: Path) -> None:
    sample = model("logreg_pipe")
    uri = put(sample.path)
    output = tmp_path / "out.parquet"
    done = run("batch-score", "--model", uri, "--input", sample.input_path, "--output", output)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(output)["prediction"].to_pylist() == sample.expected.column(0).to_pylist()


# The cache


def test_bytes_are_fetched_only_when_they_changed(made: Path, run: Run, put, proxy: Proxy, s3) -> None:
    uri = put(made)
    one = run.through(proxy)
    first = one.directory(uri)
    assert same(first, made)
    assert len(proxy.gets()) == 32
    proxy.reset()
    assert one.directory(uri) == first
    assert [seen.lists for seen in proxy.seen] == [True], "a look at the listing is all"
    proxy.reset()
    (made / "data" / "big.bin").write_bytes(b"other")
    put(made)
    second = one.directory(uri)
    assert same(second, made)
    assert second != first
    assert [seen.path.rsplit("/", 1)[1].split("?")[0] for seen in proxy.gets()] == ["big.bin"]


def test_a_damaged_file_of_the_cache_is_fetched_again(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    one = run.through(proxy)
    directory = one.directory(uri)
    damaged = directory / "data" / "big.bin"
    stamp = damaged.stat()
    content = bytearray(damaged.read_bytes())
    content[5] ^= 1
    damaged.write_bytes(content)
    os.utime(damaged, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    proxy.reset()
    assert same(one.directory(uri), made)
    assert len(proxy.gets()) > 0


def test_after_a_restart_of_the_machine_files_are_hashed_once(made: Path, run: Run, put, s3) -> None:
    directory = run.directory(put(made))
    manifest = directory.with_suffix(".json")
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "boots": ["another"]}))
    hashes = "checking the files of a cached model"
    uri = put(made)
    assert hashes in run("--log", "info", "download", uri).stderr
    assert hashes not in run("--log", "info", "download", uri).stderr
    # A file that a crash lost is found out.
    manifest.write_text(json.dumps({**content, "boots": ["another"]}))
    (directory / "data" / "big.bin").write_bytes(b"")
    assert same(run.directory(uri), made)


def test_without_a_network_what_is_there_is_used(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    one = run.through(proxy)
    directory = one.directory(uri)
    proxy.reset()
    assert one.directory(uri, MLFLIGHT_OFFLINE="1") == directory
    one.refused(f"{uri}-other", 10, "is not in the cache", "MLFLIGHT_OFFLINE", MLFLIGHT_OFFLINE="1")
    copy = one.cache.parent / "copy"
    assert one("download", uri, "-d", copy, MLFLIGHT_OFFLINE="1").returncode == 0
    assert same(copy, made)
    assert proxy.seen == []


def test_the_longest_unused_models_make_room_but_not_those_in_use(run: Run, put, tmp_path: Path) -> None:
    uris = []
    for number in range(3):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "MLmodel").write_text("flavors: {}\n")
        (directory / "bytes").write_bytes(os.urandom(1 << 20))
        uris.append(put(directory, str(number)))
    small = {"MLFLIGHT_CACHE_MAX_BYTES": "2500k"}
    first, second = run.directory(uris[0], **small), run.directory(uris[1], **small)
    assert run.models() == sorted([first, second])
    with open(first.with_suffix(".lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        third = run.directory(uris[2], **small)
        assert run.models() == sorted([first, third]), "the first is older, but in use"
    assert run.directory(uris[1], **small) == second
    assert run.models() == sorted([second, third]), "nobody uses it any longer"


def test_a_model_that_is_served_is_not_removed(model, run: Run, put, tmp_path: Path) -> None:
    uri = put(model("logreg_pipe").path)
    process = run.start("serve", "--model", f"m={uri}", "--flight", f"unix:{tmp_path / 's'}")
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        (directory,) = run.models()
        with open(directory.with_suffix(".lock")) as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        process.terminate()
        process.wait(60)


def test_two_processes_at_once_download_once(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    go = threading.Event()
    # Both have listed before either gets its first file.
    proxy.fault = lambda seen: None if seen.lists else Fault(hold=go)
    processes = [run.through(proxy).start("download", uri) for _ in range(3)]
    wait_for(lambda: sum(seen.lists for seen in proxy.seen) == 3)
    go.set()
    ends = [process.communicate(timeout=120) for process in processes]
    assert {process.returncode for process in processes} == {0}, ends
    assert len({out for out, _ in ends}) == 1
    assert len(proxy.gets()) == 32
    assert same(Path(ends[0][0].strip()), made)


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no disk of its own can be mounted here: {made.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_told_and_nothing_stays(made: Path, run: Run, put, proxy: Proxy, s3, tmp_path: Path) -> None:
    uri = put(made)
    disk = tmp_path / "disk"
    with small_disk(disk, "8m"):
        cache = {"MLFLIGHT_CACHE_DIR": str(disk / "cache")}
        run.refused(uri, 8, "the disk of", "MLFLIGHT_CACHE_DIR", **cache)
        # Somebody else fills the disk once the download has begun.
        (made / "data" / "big.bin").write_bytes(os.urandom(5 << 20))
        put(made)
        filled = threading.Lock()

        def fill(seen: Seen) -> None:
            # Once: a request that is still on its way must not fill it again.
            if not seen.lists and filled.acquire(blocking=False):
                (disk / "other").write_bytes(bytes(6 << 20))

        proxy.fault = fill
        run.through(proxy).refused(uri, 8, "is full", **cache)
        (disk / "other").unlink()
        left = [path for path in files(disk) if path.suffix not in (".lock", ".json")]
        assert left == []
        proxy.reset()
        assert same(run.directory(uri, **cache), made)


def test_a_cache_that_cannot_be_written_is_read(made: Path, run: Run, put, tmp_path: Path) -> None:
    uri = put(made)
    disk = tmp_path / "disk"
    with small_disk(disk, "40m"):
        cache = {"MLFLIGHT_CACHE_DIR": str(disk / "cache")}
        directory = run.directory(uri, **cache)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert run.directory(uri, **cache) == directory
        assert run.directory(uri, MLFLIGHT_OFFLINE="1", **cache) == directory
        (made / "MLmodel").write_text("flavors: {other: {}}\n")
        put(made)
        run.refused(uri, 6, "cannot be written", "MLFLIGHT_CACHE_DIR", **cache)


# What goes wrong


def test_a_server_that_is_gone_between_list_and_get(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    proxy.fault = lambda seen: None if seen.lists else Fault(close=True)
    error = run.through(proxy).refused(uri, 10, uri)
    assert "try again" in error
    assert proxy.faults > 0
    assert run.models() == []
    proxy.reset()
    assert same(run.through(proxy).directory(uri), made)


def test_a_download_that_was_cut_continues(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    cut = []

    def once(seen: Seen) -> Fault | None:
        if "big.bin" in seen.path and not cut:
            cut.append(seen)
            return Fault(cut=6 << 20)
        return None

    proxy.fault = once
    assert same(run.through(proxy).directory(uri), made)
    assert proxy.faults == 1
    asked = [seen.range for seen in proxy.gets() if "big.bin" in seen.path]
    assert asked[0] is None
    assert len(asked) == 2
    assert int(asked[1].removeprefix("bytes=").split("-")[0]) > 1 << 20, "what had arrived was not asked for again"


def test_what_arrived_before_a_failure_is_not_fetched_again(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    proxy.fault = lambda seen: Fault(cut=5 << 20 if seen.range is None else 0) if "big.bin" in seen.path else None
    run.through(proxy).refused(uri, 10, "big.bin")
    assert run.models() == []
    before = len([seen for seen in proxy.gets() if "big.bin" not in seen.path])
    proxy.reset()
    assert same(run.through(proxy).directory(uri), made)
    big = [seen for seen in proxy.gets() if "big.bin" in seen.path]
    start = int(big[0].range.removeprefix("bytes=").split("-")[0])
    assert len(big) == 1
    assert start >= 4 << 20
    assert len(proxy.gets()) - 1 + before >= 31
    assert len(proxy.gets()) < 32


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "words"),
    [
        (403, "AccessDenied", 7, "refuses access (AccessDenied)"),
        (403, "InvalidAccessKeyId", 7, "refuses access"),
        (401, "Unauthorized", 7, "does not accept the credentials"),
        (400, "ExpiredToken", 7, "have expired (ExpiredToken)"),
        (404, "NoSuchBucket", 4, "no such bucket"),
        (500, "InternalError", 10, "the store failed (InternalError)"),
        (429, "SlowDown", 10, "asks for fewer requests (SlowDown)"),
    ],
)
def test_refusals_of_a_store_are_told_apart(status, code, exit_code, words, run: Run, proxy: Proxy) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()
    proxy.fault = lambda _: Fault(status=status, body=body)
    run.through(proxy).refused(f"s3://{BUCKET}/x", exit_code, f"s3://{BUCKET}/x", words)
    assert proxy.faults == (5 if status in (429, 500) else 1), "only what may pass is asked for again"


def test_a_server_that_asks_to_wait_is_waited_for(made: Path, run: Run, put, proxy: Proxy) -> None:
    uri = put(made)
    times = []

    def busy(seen: Seen) -> Fault | None:
        if not seen.lists:
            return None
        times.append(time.monotonic())
        return Fault(status=429, headers={"retry-after": "2"}) if len(times) < 2 else None

    proxy.fault = busy
    assert same(run.through(proxy).directory(uri), made)
    assert len(times) == 2
    assert times[1] - times[0] >= 2


def test_a_model_that_changes_while_it_is_read_is_refused(made: Path, run: Run, put, proxy: Proxy, s3) -> None:
    uri = put(made)
    changed = []

    def change(seen: Seen) -> Fault | None:
        if not seen.lists and not changed:
            changed.append(seen)
            for path in files(made):
                path.write_bytes(b"new")
            put(made)
        return None

    proxy.fault = change
    run.through(proxy).refused(uri, 6, "changed while it was read")
    assert changed
    assert run.models() == []


def test_what_is_not_there_is_named(made: Path, run: Run, put, s3) -> None:
    run.refused("s3://no-such-bucket/x", 4, "no such bucket", "s3://no-such-bucket/x")
    run.refused(f"s3://{BUCKET}/no/such/key", 4, "there is nothing there", f"s3://{BUCKET}/no/such/key")
    run.refused("ftp://host/model", 11, "'ftp:' are not read", "s3")
    run.refused("hdfs://host/model", 11, "hdfs dfs -get")
    run.refused("s3://", 2, "no bucket")
    uri = put(made)
    (made / "MLmodel").unlink()
    run.refused(f"{uri}/data", 4, "there is no MLmodel, only big.bin")
    run.refused(uri.rpartition("/")[0], 4, "there is no MLmodel, only ", "name the model's own directory, such as .../model")
    run.refused(uri, 10, "cannot be reached", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    run.refused(
        uri, 7, "no credentials were found", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="1"
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [(["a", "A"], "would be one file"), (["x/a", "X/b"], "would be one file"), (["a\\b"], "backslash"), (["../a"], "")],
)
def test_names_that_no_model_has_are_refused(keys, words, run: Run, s3, request: pytest.FixtureRequest) -> None:
    prefix = request.node.name.replace("/", "_")
    for key in ["MLmodel", *keys]:
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=b"x")
    run.refused(f"s3://{BUCKET}/{prefix}", 3, words)
    assert run.models() == []


def test_a_web_page_does_not_lead_out_of_the_directory(run: Run, tmp_path: Path) -> None:
    class Evil(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = b"<html><a href='MLmodel'>MLmodel</a><a href='..%2F..%2Fevil'>evil</a></html>"
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

    with serving(Evil) as port:
        run.refused(f"http://127.0.0.1:{port}/model", 3, "leads out of the directory")


def test_archives_are_bounded_and_stay_inside(made: Path, run: Run, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    with tarfile.open(pages / "link.tar", "w") as archive:
        link = tarfile.TarInfo("MLmodel")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(pages / "out.tgz", "w:gz") as archive:
        archive.add(made / "MLmodel", "../../evil")
    with zipfile.ZipFile(pages / "out.zip", "w") as archive:
        archive.write(made / "MLmodel", "../../evil")
    with zipfile.ZipFile(pages / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("MLmodel", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    wrong = f"mlflight-model-{'0' * 64}.mlflight"
    with tarfile.open(pages / wrong, "w") as archive:
        archive.add(made, ".")
    (pages / "no.zip").write_bytes(b"no archive")
    with static(pages) as address:
        run.refused(f"{address}/link.tar", 3, "no regular file")
        run.refused(f"{address}/out.tgz", 3, "leaves the model's directory")
        run.refused(f"{address}/out.zip", 3, "leaves the model's directory")
        run.refused(f"{address}/{wrong}", 3, "another model than its name says", "0" * 64)
        run.refused(f"{address}/no.zip", 3, "no readable zip archive")
        assert run("inspect", f"{address}/bomb.zip").returncode != 0
    assert run.models() == []
    assert not (tmp_path / "evil").exists()
    left = [path for path in files(run.cache) if path.suffix not in (".lock", ".json")]
    assert sum(path.stat().st_size for path in left) < 64 << 20


def test_a_server_without_ranges_is_read_again_from_the_start(made: Path, run: Run, tmp_path: Path) -> None:
    """Python's own server gives no ranges; behind the proxy its connection breaks once."""
    (made / "data" / "huge.bin").write_bytes(os.urandom(70 << 20))
    with static(made.parent) as address, Proxy(address).running() as proxy:
        cut = []

        def once(seen: Seen) -> Fault | None:
            if seen.method == "GET" and "bin" in seen.path and len(cut) < 2:
                cut.append(seen)
                return Fault(cut=7 << 20)
            return None

        proxy.fault = once
        assert same(run.directory(f"{proxy.address}/model"), made)
        assert proxy.faults == 2


def test_a_password_in_the_uri_of_a_bucket_is_refused(run: Run) -> None:
    """Run asserts that the secret is not in what a command prints."""
    done = run("--log", "trace", "inspect", f"s3://id:{SECRET}@{BUCKET}/model")
    assert done.returncode == 2
    assert "user and a password" in done.stderr


def test_an_output_that_holds_its_input_is_refused(model, run: Run, s3, put, tmp_path: Path) -> None:
    case = model("logreg_pipe")
    (tmp_path / "rows" / "day=1").mkdir(parents=True)
    shutil.copy(case.input_path, tmp_path / "rows" / "day=1" / "a.parquet")
    uri = put(tmp_path / "rows", "in")
    score = ["batch-score", "--model", case.path, "--overwrite", "--input"]
    for arguments in ([f"{uri}/day=1/", "--output", f"{uri}/"], [f"{uri}/day=*/a.parquet", "--output", uri]):
        done = run(*score, *arguments)
        assert done.returncode == 2
        assert "holds the input" in done.stderr
    done = run(*score, tmp_path / "rows", "--output", f"s3://{BUCKET}")
    assert done.returncode == 2
    assert "whole bucket" in done.stderr
    done = run(*score, tmp_path / "rows" / "day=1", "--output", tmp_path / "rows")
    assert done.returncode == 2
    assert (tmp_path / "rows" / "day=1" / "a.parquet").is_file()
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{uri.partition(BUCKET)[2][1:]}/")["KeyCount"] == 1


def test_secrets_show_nowhere(run: Run, tmp_path: Path) -> None:
    """Run asserts that the secret is not in what a command prints."""
    for uri in [f"http://user:{SECRET}@127.0.0.1:1/model", f"http://127.0.0.1:1/model.zip?sig={SECRET}"]:
        done = run("--log", "trace", "inspect", uri)
        assert done.returncode == 10
        assert "127.0.0.1" in done.stderr
    sas = {"AZURE_STORAGE_SAS_TOKEN": f"sig={SECRET}&se=2030", "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:1"}
    done = run("--log", "debug", "inspect", "abfss://c@account.dfs.core.windows.net/x", **sas)
    assert done.returncode == 10
    assert "abfss://c@account.dfs.core.windows.net/x" in done.stderr


def test_inspect_asks_for_what_it_shows_alone(model, run: Run, put, proxy: Proxy, tmp_path: Path) -> None:
    source = tmp_path / "model"
    shutil.copytree(model("logreg_pipe").path, source)
    (source / "artifacts").mkdir()
    (source / "artifacts" / "weights.bin").write_bytes(bytes(3 << 20))
    uri = put(source)
    through = run.through(proxy)
    there = json.loads(through("inspect", uri, "--json").stdout)
    here = json.loads(run("inspect", source, "--json").stdout)
    assert {"MLmodel", "conda.yaml"} < {Path(seen.path).name.split("?")[0] for seen in proxy.gets()}
    assert not [seen for seen in proxy.gets() if "weights" in seen.path]
    assert there.pop("digest") is None
    assert there.pop("model") == uri
    del here["digest"], here["model"]
    assert there == here
    assert run.models() == []
    # What is in the cache is known whole.
    through.directory(uri)
    assert json.loads(through("inspect", uri, "--json").stdout)["digest"]


def test_what_is_no_model_is_not_downloaded(run: Run, put, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "data" / "churn").mkdir(parents=True)
    (tmp_path / "data" / "churn" / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "data" / "table.parquet").write_bytes(bytes(1 << 20))
    uri = put(tmp_path / "data", "data")
    for command in ("inspect", "predict"):
        arguments = [uri] if command == "inspect" else ["--model", uri, "--input-path", os.devnull]
        done = run.through(proxy)(command, *arguments)
        assert done.returncode == 4
        assert "there is no MLmodel" in done.stderr
        assert ".../churn" in done.stderr
    assert proxy.gets() == []


# Destinations


def test_a_destination_gets_all_files_or_none(made: Path, run: Run, put, proxy: Proxy, tmp_path: Path) -> None:
    uri = put(made)
    target = tmp_path / "there" / "copy"
    proxy.fault = lambda seen: Fault(status=403) if "big.bin" in seen.path else None
    assert run.through(proxy)("download", uri, "-d", target).returncode == 7
    assert list((tmp_path / "there").iterdir()) == []
    done = run("download", uri, "-d", target)
    assert done.returncode == 0
    assert done.stdout.strip() == str(target)
    assert same(target, made)
    assert run("download", uri, "-d", target).returncode == 5
    assert run("download", made, "-d", tmp_path / "local").returncode == 0
    assert same(tmp_path / "local", made)


def test_an_interrupted_download_leaves_no_half_destination(made: Path, run: Run, put, proxy: Proxy, tmp_path: Path) -> None:
    uri = put(made)
    go = threading.Event()
    proxy.fault = lambda seen: Fault(hold=go) if "big.bin" in seen.path else None
    process = run.through(proxy).start("download", uri, "-d", tmp_path / "there" / "copy")
    wait_for(lambda: proxy.faults)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    go.set()
    assert list((tmp_path / "there").iterdir()) == []


# batch-score


@pytest.fixture
def table(model, tmp_path: Path) -> Path:
    """Return a directory of input files for the model `logreg_pipe`."""
    rows = model("logreg_pipe").input
    directory = tmp_path / "table"
    (directory / "day=1").mkdir(parents=True)
    (directory / "day=2").mkdir()
    half = rows.num_rows // 2
    pq.write_table(rows.slice(0, half), directory / "day=1" / "a.parquet")
    pq.write_table(rows.slice(half), directory / "day=2" / "b.parquet")
    (directory / "_SUCCESS").write_text("")
    return directory


def objects(s3, uri: str) -> list[str]:
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix).lstrip("/") for entry in listed]


def fetch_table(s3, uri: str) -> pa.Table:
    body = s3.get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    return pq.read_table(pa.BufferReader(body))


def test_batch_score_reads_and_writes_a_store(model, table: Path, run: Run, put, s3, tmp_path: Path) -> None:
    sample = model("logreg_pipe")
    uri = put(table, "table")
    base = uri.rpartition("/")[0]
    expected = sample.expected.column(0).to_pylist()

    def score(source: str, target: str, *more: str) -> subprocess.CompletedProcess[str]:
        return run("batch-score", "--model", sample.path, "--input", source, "--output", target, *more)

    done = score(uri, f"{base}/one.parquet")
    assert done.returncode == 0, done.stderr
    out = fetch_table(s3, f"{base}/one.parquet")
    assert out["prediction"].to_pylist() == expected
    assert out["day"].to_pylist()[0] == 1
    assert score(uri, f"{base}/one.parquet").returncode == 5
    assert score(f"{uri}/day=2/*.parquet", f"{base}/one.parquet", "--overwrite").returncode == 0
    half = sample.input.num_rows // 2
    assert fetch_table(s3, f"{base}/one.parquet")["prediction"].to_pylist() == expected[half:]
    assert score(f"{uri}/*", f"{base}/out").returncode == 0
    assert objects(s3, f"{base}/out") == ["day=1/a.parquet", "day=2/b.parquet"]
    assert score(f"{uri}/day=1/a.parquet", f"{base}/out", "--overwrite").returncode == 0
    assert objects(s3, f"{base}/out") == ["a.parquet"], "what the new output does not have is gone"
    local = tmp_path / "local.parquet"
    assert score(uri, str(local)).returncode == 0
    assert pq.read_table(local)["prediction"].to_pylist() == expected
    assert score(f"{uri}/*.csv", str(tmp_path / "no.parquet")).returncode == 4
    sql = score(uri, str(tmp_path / "sql.csv"), "--sql", "SELECT predict() AS p FROM input")
    assert sql.returncode == 0, sql.stderr
    assert not list(tmp_path.glob("mlflight-batch-*")), "what was copied is gone"


def test_a_failed_run_leaves_nothing_in_a_store(model, table: Path, run: Run, put, s3, proxy: Proxy) -> None:
    sample = model("logreg_pipe")
    uri = put(table, "table")
    base = uri.rpartition("/")[0]

    def score(runs: Run, target: str) -> subprocess.CompletedProcess[str]:
        return runs("batch-score", "--model", sample.path, "--input", uri, "--output", target)

    def part(seen: Seen) -> Fault | None:
        return Fault(status=403) if "partNumber" in seen.path and "b.parquet" in seen.path else None

    def end(seen: Seen) -> Fault | None:
        return Fault(status=403) if seen.method == "POST" and "uploadId" in seen.path and "b.parquet" in seen.path else None

    for what, fault in [("a part", part), ("the end", end)]:
        proxy.reset()
        proxy.fault = fault
        done = score(run.through(proxy), f"{base}/out")
        assert done.returncode == 7, (what, done.stderr)
        assert proxy.faults > 0
        assert f"{base}/out" in done.stderr, done.stderr
        assert "/+/" not in done.stderr, done.stderr
        assert objects(s3, f"{base}/out") == [], what
        assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == [], what
    s3.put_object(Bucket=BUCKET, Key=f"{uri.removeprefix(f's3://{BUCKET}/')}/day=2/b.parquet", Body=b"no parquet")
    done = score(run, f"{base}/out")
    assert done.returncode != 0
    assert f"{uri}/day=2/b.parquet" in done.stderr, done.stderr
    assert objects(s3, f"{base}/out") == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_an_interrupted_run_leaves_nothing_in_a_store(model, table: Path, run: Run, put, s3, proxy: Proxy) -> None:
    uri = put(table, "table")
    out = f"{uri.rpartition('/')[0]}/out"
    go = threading.Event()
    proxy.fault = lambda seen: Fault(hold=go) if "partNumber" in seen.path else None
    source = ["--model", model("logreg_pipe").path, "--input", uri]
    process = run.through(proxy).start("batch-score", *source, "--output", out)
    wait_for(lambda: proxy.faults)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    go.set()
    assert process.wait(60) == 130
    assert objects(s3, out) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert not list(run.cache.parent.glob("mlflight-batch-*"))
