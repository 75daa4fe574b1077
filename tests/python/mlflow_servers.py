"""Real MLflow servers of several versions, MLflow's own clients beside them, and servers that follow a script."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("MLFLIGHT_TEST_PYTHON", str(ROOT / ".venv" / "bin" / "python"))


@dataclass(frozen=True)
class Release:
    """One release of MLflow: an interpreter, and what it needs in its environment."""

    name: str
    python: str
    path: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that this release runs with; none of MLflow's are inherited."""
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "MLFLIGHT_", "PYTHONPATH"))
        }
        own = {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
        # Its job runners are twenty processes that nothing here asks anything of.
        own["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
        return {**inherited, **own, **({"PYTHONPATH": self.path} if self.path else {})}

    def run(self, code: str, *arguments: str, directory: Path | None = None, **variables: str) -> object:
        """Run a script of MLflow's client, and return what its last line says in JSON."""
        done = subprocess.run(
            [self.python, "-c", code, *arguments],
            env={**self.environment, **variables},
            cwd=directory,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.strip().splitlines()[-1])


#: Its own packages differ from those of 3.17 by mlflow alone.
RELEASES = {
    "3.18": Release("3.18", PYTHON, str(ROOT / "build" / "mlflow-3.18")),
    "2.22": Release("2.22", str(ROOT / ".venv-mlflow222" / "bin" / "python")),
}


@dataclass
class Server:
    """A running `mlflow server`."""

    release: Release
    uri: str
    directory: Path
    process: subprocess.Popen[bytes]

    def client(self, code: str, *arguments: str, **variables: str) -> object:
        """Run a script of this release's own client against the server."""
        return self.release.run(code, *arguments, MLFLOW_TRACKING_URI=self.uri, **variables)

    def rest(self, path: str, body: object | None = None) -> dict:
        """Ask the API that MLflow's user interface asks."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.uri}/ajax-api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def stop(self) -> None:
        """End it with all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(release: Release, directory: Path, *arguments: str, **variables: str) -> Server:
    """Start `mlflow server` over a database in a directory, and wait until it answers."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [release.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{directory}/mlflow.db", *arguments]
    with open(directory / "log", "wb") as log:
        environment = {**release.environment, **variables}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=directory, start_new_session=True)
    uri = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 300
    while True:
        try:
            urllib.request.urlopen(f"{uri}/version", timeout=5).close()
            return Server(release, uri, directory, process)
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return Server(release, uri, directory, process)
            raise
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError((directory / "log").read_text()[-4000:]) from None
            time.sleep(0.2)


@dataclass
class Scripted:
    """A server that answers as a function says."""

    uri: str
    requests: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


Answer = tuple[int, dict[str, str], bytes]


@contextlib.contextmanager
def scripted(answer: Callable[[str, str, bytes, dict[str, str]], Answer | None]) -> Iterator[Scripted]:
    """Answer each request by a function of method, path, body and headers; None cuts the connection."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_all(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.requests.append(f"{self.command} {self.path}")
            found.times.append(time.monotonic())
            reply = answer(self.command, self.path, body, dict(self.headers))
            if reply is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, headers, content = reply
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = handle_all

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def forward(target: str) -> Callable[[str, str, bytes, dict[str, str]], Answer]:
    """Return an answer that another server gives."""

    def answer(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        kept = {key: value for key, value in headers.items() if key.lower() not in ("host", "connection", "content-length")}
        request = urllib.request.Request(target + path, body or None, kept, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, {"Content-Type": response.headers["Content-Type"] or ""}, response.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": error.headers["Content-Type"] or ""}, error.read()

    return answer


def json_answer(status: int, content: object, **headers: str) -> Answer:
    """Return an answer in JSON."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return status, {"Content-Type": "application/json", **named}, json.dumps(content).encode()


if __name__ == "__main__":
    sys.exit("helpers of test_tracking.py")
