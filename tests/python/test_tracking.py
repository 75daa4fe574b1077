"""Tracking and registry against MLflow's own servers, files and clients."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow_servers as servers
import pytest
from mlflow_servers import RELEASES, Server, forward, json_answer, scripted
from serving import binary

import mlflight
from mlflight.errors import MlflightError

tracking = pytest.importorskip("mlflight.tracking")

#: What MLflow's client knows of a model that mlflight logged to a server of MLflow 3.
SEEN_BY_3 = """
import json, sys
from mlflow import MlflowClient
run, model_id, name, alias = sys.argv[1:]
client = MlflowClient()
run = client.get_run(run)
found = client.search_logged_models([run.info.experiment_id], filter_string="name = 'churn'")
[model] = [model for model in found if model.model_id == model_id]
version = client.get_model_version_by_alias(name, alias)
print(json.dumps({
    "status": str(model.status), "run": model.source_run_id, "params": model.params, "tags": model.tags,
    "outputs": [output.model_id for output in run.outputs.model_outputs], "run_status": run.info.status,
    "version": int(version.version), "source": version.source, "version_status": version.status,
}))
"""

#: The same on a server of MLflow 2.
SEEN_BY_2 = """
import json, sys
from mlflow import MlflowClient
run, path, name, alias = sys.argv[1:]
client = MlflowClient()
run = client.get_run(run)
[model] = [model for model in json.loads(run.data.tags["mlflow.log-model.history"]) if model["artifact_path"] == path]
version = client.get_model_version_by_alias(name, alias)
files = sorted(file.path for file in client.list_artifacts(run.info.run_id, path))
print(json.dumps({
    "flavors": sorted(model["flavors"]), "run": model["run_id"], "version": int(version.version), "source": version.source,
    "files": files, "run_status": run.info.status,
}))
"""

PREDICT = """
import json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
frame = pd.read_parquet(sys.argv[2]).head(5)
print(json.dumps([float(value) for value in model.predict(frame)]))
"""

#: Logs a model's directory as MLflow itself would, and registers it with an alias.
LOG_BY_MLFLOW = """
import json, sys
import mlflow, yaml
from mlflow import MlflowClient
from pathlib import Path
directory, name = Path(sys.argv[1]), sys.argv[2]
client = MlflowClient()
experiment = client.create_experiment(name)
run = client.create_run(experiment).info
client.log_artifacts(run.run_id, str(directory), "plain")
found = {"run": run.run_id, "plain": run.artifact_uri + "/plain"}
if hasattr(client, "create_logged_model"):
    model = client.create_logged_model(experiment, name="churn", source_run_id=run.run_id)
    client.log_model_artifacts(model.model_id, str(directory))
    client.finalize_logged_model(model.model_id, "READY")
    found["model_id"], source = model.model_id, f"models:/{model.model_id}"
else:
    client.log_artifacts(run.run_id, str(directory), "churn")
    source = run.artifact_uri + "/churn"
if len(sys.argv) == 3:
    client.create_registered_model(name)
    extra = {"model_id": found["model_id"]} if "model_id" in found else {}
    version = client.create_model_version(name, source, run.run_id, **extra)
    client.set_registered_model_alias(name, "champion", version.version)
    client.transition_model_version_stage(name, version.version, "Staging")
client.set_terminated(run.run_id)
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's own is seen, and nothing is left with them."""
    for key in [key for key in os.environ if key.startswith(("MLFLOW_", "DATABRICKS_")) or key == "MLFLIGHT_OFFLINE"]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tracking, "_experiment", None)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Return a function from a release and where its artifacts go to its one server."""
    found: dict[str, Server] = {}

    def named(name: str) -> Server:
        if name not in found:
            release, _, artifacts = name.partition("-")
            directory = tmp_path_factory.mktemp(f"server-{name}")
            proxied = ["--artifacts-destination", str(directory / "artifacts")]
            direct = ["--no-serve-artifacts", "--default-artifact-root", str(directory / "artifacts")]
            found[name] = servers.start(RELEASES[release], directory, *(proxied if artifacts == "proxied" else direct))
        return found[name]

    yield named
    for server in found.values():
        server.stop()


@pytest.fixture(params=["3.18-proxied", "2.22-proxied", "3.18-direct", "2.22-direct"])
def server(request: pytest.FixtureRequest, running: Callable[[str], Server]) -> Server:
    """Return a server of one release, whose artifacts go through it or straight to a directory."""
    return running(request.param)


@pytest.fixture
def server3(running: Callable[[str], Server]) -> Server:
    """Return a server of MLflow 3 with artifacts of its own."""
    return running("3.18-proxied")


@pytest.fixture
def churn(model, tmp_path: Path) -> Path:
    """Return a model's directory that nobody may change."""
    directory = tmp_path / "churn-model"
    shutil.copytree(model("linreg20").path, directory)
    return directory


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def same_model(uri: str, model) -> None:
    """Check that what a URI names scores as the model does."""
    table = model.input.slice(0, 5)
    expected = mlflight.load_model(model.path).predict(table)
    assert mlflight.load_model(uri).predict(table).equals(expected), uri


def mlflight_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary(), *arguments], capture_output=True, text=True)


def failure(uri: str) -> MlflightError:
    with pytest.raises(MlflightError) as caught:
        mlflight.load_model(uri)
    return caught.value


def test_mlflow_sees_a_logged_model_as_its_own(server: Server, model, churn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    before = files(churn)
    with mlflight.start_run(run_name="nightly", experiment_name="own", tags={"team": "risk"}) as run:
        assert tracking.active_run() == run
        logged = tracking.log_directory(
            churn, "churn", registered_model_name="own", alias="champion", params={"depth": 3}, tags={"stage": "test"}
        )
    assert tracking.active_run() is None
    assert files(churn) == before, "the user's own directory is never changed"
    assert set(logged) == {"model_uri", "model_id", "run_id", "artifact_path", "artifact_uri", "registered_model_version"}
    assert (logged["run_id"], logged["artifact_path"], logged["registered_model_version"]) == (run.run_id, "churn", 1)
    if server.release.name.startswith("3"):
        seen = server.client(SEEN_BY_3, run.run_id, logged["model_id"], "own", "champion")
        model_id = logged["model_id"]
        assert seen == {
            "status": "READY",
            "run": run.run_id,
            "params": {"depth": "3"},
            "tags": {"stage": "test", "mlflow.modelVersions": '[{"name": "own", "version": 1}]'},
            "outputs": [model_id],
            "run_status": "FINISHED",
            "version": 1,
            "source": f"models:/{model_id}",
            "version_status": "READY",
        }
        assert logged["model_uri"] == f"models:/{model_id}"
        shown = server.rest(f"logged-models/{model_id}")["model"]["info"]
        assert (shown["name"], shown["status"]) == ("churn", "LOGGED_MODEL_READY")
        listing = server.rest(f"logged-models/{model_id}/artifacts/directories")
        assert {file["path"] for file in listing["files"]} == set(before)
    else:
        seen = server.client(SEEN_BY_2, run.run_id, "churn", "own", "champion")
        assert seen == {
            "flavors": ["python_function", "sklearn"],
            "run": run.run_id,
            "version": 1,
            "source": f"{run.artifact_uri}/churn",
            "files": sorted(f"churn/{name}" for name in before),
            "run_status": "FINISHED",
        }
        assert (logged["model_id"], logged["model_uri"]) == (None, f"runs:/{run.run_id}/churn")
    info = server.rest(f"runs/get?run_id={run.run_id}")["run"]
    assert info["info"]["run_name"] == "nightly"
    assert {"key": "team", "value": "risk"} in info["data"]["tags"]
    # MLflow's own client loads it from the server, by what mlflight returned.
    uri = logged["model_uri"]
    variables = {"MLFLOW_TRACKING_URI": server.uri}
    answer = RELEASES["3.18"].run(PREDICT, uri, str(model("linreg20").input_path), **variables)
    expected = model("linreg20").expected.column(0).to_pylist()[:5]
    assert answer == pytest.approx(expected, rel=1e-12)
    for named in (uri, "models:/own@champion", "models:/own/1", "models:/own/latest", f"runs:/{run.run_id}/churn"):
        same_model(named, model("linreg20"))


def test_what_mlflow_logged_is_found(server: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    found = server.client(LOG_BY_MLFLOW, str(model("linreg20").path), "theirs")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    run = found["run"]
    uris = ["models:/theirs@champion", "models:/theirs/1", "models:/theirs/latest", "models:/theirs/Staging"]
    uris += [f"runs:/{run}/churn", f"runs:/{run}/plain", found["plain"]]
    if "model_id" in found:
        uris.append(f"models:/{found['model_id']}")
    for uri in uris:
        same_model(uri, model("linreg20"))


def test_what_is_not_there_has_an_error_of_its_own(server: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    logged = tracking.log_directory(model("linreg20").path, "churn", registered_model_name="lonely")
    for uri, code in [
        ("models:/nobody/1", "MODEL_VERSION_NOT_FOUND"),
        ("models:/nobody/latest", "REGISTERED_MODEL_NOT_FOUND"),
        ("models:/lonely/7", "MODEL_VERSION_NOT_FOUND"),
        ("models:/lonely/Production", "MODEL_VERSION_NOT_FOUND"),
        ("models:/lonely@nobody", "ALIAS_NOT_FOUND"),
        ("models:/m-00000000000000000000000000000000", "LOGGED_MODEL_NOT_FOUND"),
        ("runs:/00000000000000000000000000000000/churn", "RUN_NOT_FOUND"),
        (f"runs:/{logged['run_id']}/other", "MODEL_NOT_FOUND"),
    ]:
        error = failure(uri)
        assert (error.kind, error.code) == ("NOT_FOUND", code), (uri, str(error))
    assert not list(Path(os.environ["MLFLIGHT_CACHE_DIR"], "models").glob("[0-9a-f]*/")), "nothing half-written stays"


def test_an_alias_that_is_known_costs_one_request(server: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    name = "warm"
    tracking.log_directory(model("linreg20").path, "churn", registered_model_name=name, alias="champion")
    with scripted(forward(server.uri)) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        mlflight.load_model(f"models:/{name}@champion")
        proxy.requests.clear()
        mlflight.load_model(f"models:/{name}@champion")
        assert proxy.requests == [f"GET /api/2.0/mlflow/registered-models/alias?name={name}&alias=champion"]
        # The alias moves: it is asked again each time.
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        tracking.log_directory(model("logreg_pipe").path, "churn", registered_model_name=name, alias="champion")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        same_model(f"models:/{name}@champion", model("logreg_pipe"))


#: What a laptop has: who wrote it, where, and the variable that names it; nothing where it is found by itself.
LAPTOPS = {
    "3.18 mlflow.db": ("3.18", "sqlite:///{}/mlflow.db", False),
    "3.18 sqlite": ("3.18", "sqlite:///{}/other.db", True),
    "3.18 mlruns": ("3.18", "{}/mlruns", False),
    "2.22 mlruns": ("2.22", "{}/mlruns", False),
    "2.22 sqlite": ("2.22", "sqlite:///{}/other.db", True),
}


@pytest.mark.parametrize("laptop", LAPTOPS)
def test_what_a_notebook_left_behind_works(
    laptop: str, model, churn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, uri, named = LAPTOPS[laptop]
    release, home = RELEASES[version], tmp_path / "work"
    home.mkdir()
    uri = uri.format(home)
    found = release.run(LOG_BY_MLFLOW, str(model("linreg20").path), "theirs", directory=home, MLFLOW_TRACKING_URI=uri)
    monkeypatch.chdir(home)
    if named:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    uris = ["models:/theirs@champion", "models:/theirs/1", "models:/theirs/latest", "models:/theirs/Staging"]
    uris += [f"runs:/{found['run']}/churn", f"runs:/{found['run']}/plain"]
    uris += [f"models:/{found['model_id']}"] if "model_id" in found else []
    for model_uri in uris:
        same_model(model_uri, model("linreg20"))
    # What mlflight logs there, the MLflow that made the store takes for its own.
    with mlflight.start_run(experiment_name="ours") as run:
        logged = tracking.log_directory(
            churn, "churn", registered_model_name="ours", alias="champion", params={"depth": 3}, tags={"stage": "test"}
        )
    if logged["model_id"]:
        seen = release.run(SEEN_BY_3, run.run_id, logged["model_id"], "ours", "champion", directory=home, MLFLOW_TRACKING_URI=uri)
        assert (seen["status"], seen["outputs"], seen["params"]) == ("READY", [logged["model_id"]], {"depth": "3"})
        assert seen["tags"].pop("mlflow.modelVersions").replace(" ", "") == '[{"name":"ours","version":1}]'
        assert seen["tags"] == {"stage": "test"}
    else:
        seen = release.run(SEEN_BY_2, run.run_id, "churn", "ours", "champion", directory=home, MLFLOW_TRACKING_URI=uri)
        assert seen["flavors"] == ["python_function", "sklearn"]
    assert (seen["run"], seen["version"], seen["run_status"]) == (run.run_id, 1, "FINISHED")
    same_model("models:/ours@champion", model("linreg20"))
    if version == "3.18":
        answer = release.run(
            PREDICT, "models:/ours@champion", str(model("linreg20").input_path), directory=home, MLFLOW_TRACKING_URI=uri
        )
        assert answer == pytest.approx(model("linreg20").expected.column(0).to_pylist()[:5], rel=1e-12)
    # A copy on another machine works as well.
    moved = tmp_path / "moved"
    home.rename(moved)
    monkeypatch.chdir(moved)
    if named:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{moved}/other.db")
    same_model("models:/theirs@champion", model("linreg20"))
    same_model(f"runs:/{found['run']}/plain", model("linreg20"))


def test_a_directory_of_the_first_mlflow_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/data/mlruns-1.30` was written by MLflow 1.30 in another place."""
    shutil.copytree(servers.ROOT / "tests" / "data" / "mlruns-1.30", tmp_path / "work" / "mlruns")
    monkeypatch.chdir(tmp_path / "work")
    [run] = [path.parent.name for path in Path("mlruns/0").glob("*/meta.yaml")]
    loaded = mlflight.load_model(f"runs:/{run}/model")
    assert loaded.flavor == "lightgbm"
    logged = tracking.log_directory(f"mlruns/0/{run}/artifacts/model", "again")
    assert mlflight.load_model(logged["model_uri"]).flavor == "lightgbm"


def test_a_database_of_an_unknown_revision_is_only_read(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    found = RELEASES["3.18"].run(
        LOG_BY_MLFLOW, str(model("linreg20").path), "theirs", directory=tmp_path, MLFLOW_TRACKING_URI=uri
    )
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    database.close()
    before = (tmp_path / "mlflow.db").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    same_model(f"runs:/{found['run']}/churn", model("linreg20"))
    with pytest.raises(MlflightError) as caught:
        tracking.log_directory(model("linreg20").path, "churn")
    assert (caught.value.kind, caught.value.code) == ("FAILED_PRECONDITION", "TRACKING_SCHEMA")
    assert "ffffffffffff" in str(caught.value)
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_the_command_line_logs_and_lists(server3: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server3.uri)
    done = mlflight_command(
        "log",
        str(model("linreg20").path),
        "--name",
        "line",
        "--register",
        "Line-Up",
        "--alias",
        "prod",
        "--experiment",
        "e",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    logged = json.loads(done.stdout)
    assert logged["registered_model_version"] == 1
    same_model("models:/Line-Up@prod", model("linreg20"))
    done = mlflight_command("log", str(model("linreg20").path), "--run-id", logged["run_id"])
    assert done.returncode == 0, done.stderr
    assert logged["run_id"] in done.stdout
    [found] = json.loads(mlflight_command("models", "search", "line-u", "--json").stdout)
    assert (found["name"], found["latest_version"], found["aliases"]) == ("Line-Up", 1, {"prod": 1})
    table = mlflight_command("models", "list").stdout.splitlines()
    assert table[0].split()[:2] == ["NAME", "LATEST"]
    assert any(line.startswith("Line-Up ") and "@prod=1" in line for line in table)
    assert json.loads(mlflight_command("models", "search", "no such name", "--json").stdout) == []
    done = mlflight_command("log", "/nonexistent/model")
    assert done.returncode == 4
    assert "/nonexistent/model" in done.stderr


def test_the_active_run_of_mlflow_is_used(server3: Server, model) -> None:
    code = """
import json, os, sys
import mlflow
from mlflight import tracking
with mlflow.start_run() as run:
    logged = tracking.log_directory(sys.argv[1], "beside")
    uri = tracking.log_artifacts(sys.argv[1], "files")
os.environ["MLFLOW_RUN_ID"] = run.info.run_id
named = tracking.log_directory(sys.argv[1], "named")
print(json.dumps([run.info.run_id, logged["run_id"], named["run_id"], uri, run.info.artifact_uri]))
"""
    import sys

    variables = {**os.environ, "MLFLOW_TRACKING_URI": server3.uri, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(model("linreg20").path)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run, logged, named, uri, root = json.loads(done.stdout.strip().splitlines()[-1])
    assert (logged, named, uri) == (run, run, f"{root}/files")
    assert server3.rest(f"runs/get?run_id={run}")["run"]["info"]["status"] == "FINISHED"


def test_a_run_that_an_exception_leaves_has_failed(server3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server3.uri)
    with pytest.raises(ZeroDivisionError), mlflight.start_run() as run:
        _ = 1 / 0
    assert server3.rest(f"runs/get?run_id={run.run_id}")["run"]["info"]["status"] == "FAILED"


def test_a_model_that_cannot_be_sent_has_failed(server3: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes the model's record, and refuses its files."""
    real = forward(server3.uri)
    with scripted(
        lambda method, *rest: json_answer(403, {"message": "full"}) if method == "PUT" else real(method, *rest)
    ) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        with pytest.raises(MlflightError) as caught:
            tracking.log_directory(model("linreg20").path, "broken", registered_model_name="never")
    assert any(request.startswith("PUT") for request in proxy.requests), "the fault has happened"
    assert caught.value.code == "TRACKING_PERMISSION"
    found = server3.rest("logged-models/search", {"experiment_ids": ["0"], "filter": "name = 'broken'"})["models"]
    assert [model["info"]["status"] for model in found] == ["LOGGED_MODEL_UPLOAD_FAILED"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server3.uri)
    assert failure(f"models:/{found[0]['info']['model_id']}").code == "MODEL_NOT_READY"
    assert failure("models:/never/1").code == "MODEL_VERSION_NOT_FOUND"


def test_users_and_passwords_let_in(tmp_path_factory, model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path_factory.mktemp("server-auth")
    config = directory / "auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{directory}/auth.db\nadmin_username = admin\n"
        "admin_password = correct-horse-1\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    server = servers.start(
        RELEASES["3.18"],
        directory,
        "--app-name",
        "basic-auth",
        "--artifacts-destination",
        str(directory / "artifacts"),
        MLFLOW_AUTH_CONFIG_PATH=str(config),
        MLFLOW_FLASK_SERVER_SECRET_KEY="not a secret",
    )
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        error = failure("models:/churn/1")
        assert (error.kind, error.code) == ("UNAUTHENTICATED", "TRACKING_UNAUTHENTICATED")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong-horse-2")
        error = failure("models:/churn/1")
        assert error.code == "TRACKING_UNAUTHENTICATED"
        assert "wrong-horse-2" not in str(error)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse-1")
        tracking.log_directory(model("linreg20").path, "churn", registered_model_name="churn")
        same_model("models:/churn/1", model("linreg20"))
        RELEASES["3.18"].run(
            "import mlflow.server\n"
            "client = mlflow.server.get_app_client('basic-auth', tracking_uri=mlflow.get_tracking_uri())\n"
            "client.create_user('reader', 'reader-pass-3')\nprint('null')",
            MLFLOW_TRACKING_URI=server.uri,
            MLFLOW_TRACKING_USERNAME="admin",
            MLFLOW_TRACKING_PASSWORD="correct-horse-1",
        )
        # Names and passwords in MLflow's own file, and in the address.
        monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
        monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = reader\nmlflow_tracking_password = reader-pass-3\n"
        )
        same_model("models:/churn/1", model("linreg20"))
        with pytest.raises(MlflightError) as caught:
            tracking.log_directory(model("linreg20").path, "churn", registered_model_name="churn")
        assert (caught.value.kind, caught.value.code) == ("PERMISSION_DENIED", "TRACKING_PERMISSION")
        (tmp_path / ".mlflow" / "credentials").unlink()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri.replace("://", "://reader:reader-pass-3@"))
        same_model("models:/churn/1", model("linreg20"))
        assert "reader-pass-3" not in str(failure("models:/churn/9"))
    finally:
        server.stop()


def test_a_token_is_shown_and_its_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def answer(_method: str, _path: str, _body: bytes, headers: dict[str, str]):
        seen.append(headers.get("Authorization") or headers.get("authorization"))
        return json_answer(401, {"error_code": "UNAUTHENTICATED", "message": "token expired"})

    with scripted(answer) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "sesame")
        error = failure("models:/churn@champion")
    assert seen == ["Bearer sesame"]
    assert (error.kind, error.code) == ("UNAUTHENTICATED", "TRACKING_UNAUTHENTICATED")
    assert "token expired" in str(error)
    assert "sesame" not in str(error)
    assert "MLFLOW_TRACKING_TOKEN" in str(error)


def test_a_busy_server_is_asked_again_when_it_says(server3: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server3.uri)
    tracking.log_directory(model("linreg20").path, "churn", registered_model_name="busy")
    real, refusals = forward(server3.uri), [1]

    def answer(*request):
        return json_answer(429, {}, Retry_After="1") if refusals and refusals.pop() else real(*request)

    with scripted(answer) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        same_model("models:/busy/1", model("linreg20"))
    assert not refusals
    assert proxy.requests[0] == proxy.requests[1]
    assert proxy.times[1] - proxy.times[0] >= 1.0


def test_a_server_that_goes_away_between_requests_is_named(server3: Server, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server3.uri)
    tracking.log_directory(model("linreg20").path, "churn", registered_model_name="gone")
    real = forward(server3.uri)
    with scripted(lambda method, path, *rest: real(method, path, *rest) if "/model-versions/get?" in path else None) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
        error = failure("models:/gone/1")
    assert len(proxy.requests) >= 2, "the first was answered, and the second was not"
    assert error.kind == "UNAVAILABLE"
    assert proxy.uri in str(error)
    assert not list(Path(os.environ["MLFLIGHT_CACHE_DIR"], "models").glob("[0-9a-f]*/"))


def test_no_server_and_no_mlflow_server_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{servers.free_port()}")
    started = time.monotonic()
    error = failure("models:/churn/1")
    assert (error.kind, error.code) == ("UNAVAILABLE", "CONNECT")
    assert time.monotonic() - started < 30
    for status in (200, 404):
        with scripted(lambda *_, status=status: (status, {"Content-Type": "text/html"}, b"<html>hello</html>")) as server:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
            for uri in ("models:/churn/1", "models:/churn@a", "models:/churn/latest", "runs:/abc/model"):
                error = failure(uri)
                assert error.code == "NO_MLFLOW_SERVER", (uri, str(error))
                assert server.uri in str(error)


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("MLFLOW_REGISTRY_URI", "databricks-uc", "REGISTRY_UNSUPPORTED"),
        ("MLFLOW_REGISTRY_URI", "uc:http://localhost:8080", "REGISTRY_UNSUPPORTED"),
        ("MLFLOW_TRACKING_URI", "postgresql://me:hunter2@host/db", "TRACKING_URI"),
        ("MLFLOW_TRACKING_URI", "sqlite:////nonexistent/mlflow.db", "TRACKING_STORE_NOT_FOUND"),
        ("MLFLOW_TRACKING_URI", "databricks", "DATABRICKS_CREDENTIALS"),
    ],
)
def test_stores_that_cannot_be_used_are_named(variable: str, value: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    error = failure("models:/churn/1")
    assert error.code == code
    assert "hunter2" not in str(error)
    assert ";" in str(error), "a remedy is given"


def test_a_fresh_database_gets_its_first_experiment(tmp_path: Path, model) -> None:
    """MLflow makes it when its client first opens the file; `mlflow db upgrade` does not."""
    release = RELEASES["3.18"]
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    upgrade = [release.python, "-m", "mlflow", "db", "upgrade", uri]
    subprocess.run(upgrade, env=release.environment, cwd=tmp_path, check=True, capture_output=True)
    command = [binary(), "log", str(model("linreg20").path), "--register", "lin", "--json"]
    environment = {**release.environment, "MLFLOW_TRACKING_URI": uri}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = (
        "import json, mlflow\n"
        "model = mlflow.pyfunc.load_model('models:/lin/1')\n"
        "print(json.dumps([model.metadata.run_id, [found.name for found in mlflow.search_experiments()]]))"
    )
    seen = release.run(code, directory=tmp_path, MLFLOW_TRACKING_URI=uri)
    assert seen == [json.loads(done.stdout)["run_id"], ["Default"]]
