"""Runs, and models logged to them, without mlflow.

The tracking server is that of ``MLFLOW_TRACKING_URI``: an ``http(s)://`` address, ``sqlite:///`` and a path, or a directory.
Where it is not set, what lies in the working directory is used: ``./mlruns`` if it holds experiments, else ``./mlflow.db`` if
that is there, else ``./mlruns``. Where ``mlflow`` has been imported and has an active run, models are logged to that run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import invalid

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Run",
    "active_run",
    "end_run",
    "log_artifacts",
    "log_directory",
    "set_experiment",
    "set_tracking_uri",
    "start_run",
]


@dataclass(frozen=True)
class Run:
    """A run; a context manager that ends it.

    Attributes
    ----------
    run_id : str
        Its id.
    run_name : str
        Its name.
    experiment_id : str
        The experiment it belongs to.
    artifact_uri : str
        Where its artifacts go.
    """

    run_id: str
    run_name: str = ""
    experiment_id: str = ""
    artifact_uri: str = ""

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self in _stack:
            end_run("FINISHED" if kind is None else "FAILED")


#: Runs that were begun here and have not ended, the current one last.
_stack: list[Run] = []
#: What `set_experiment` named.
_experiment: str | None = None


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Use another tracking store, in this process and those it starts.

    Parameters
    ----------
    uri : str or path
        ``http(s)://…``, ``sqlite:///PATH`` or a directory.
    """
    os.environ["MLFLOW_TRACKING_URI"] = os.fspath(uri)


def set_experiment(experiment_name: str) -> None:
    """Begin further runs in another experiment, which is made where it is not there.

    Parameters
    ----------
    experiment_name : str
        Its name.
    """
    global _experiment
    _experiment = experiment_name


def start_run(
    run_name: str | None = None,
    experiment_name: str | None = None,
    run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Run:
    """Begin a run, or go on with one.

    Parameters
    ----------
    run_name : str, optional
        The name of a new run.
    experiment_name : str, optional
        The experiment of a new run, made where it is not there. By default that of `set_experiment`, of
        ``MLFLOW_EXPERIMENT_ID`` or ``MLFLOW_EXPERIMENT_NAME``, else the first.
    run_id : str, optional
        Goes on with this run; by default with that of ``MLFLOW_RUN_ID``, where it is set and no run is active.
    tags : dict, optional
        Tags to set.

    Returns
    -------
    Run
        A context manager that ends the run: ``FAILED`` when an exception leaves it.

    Examples
    --------
    >>> with mlflight.start_run(run_name="nightly") as run:  # doctest: +SKIP
    ...     mlflight.tracking.log_directory("models/churn", "churn", registered_model_name="churn", alias="champion")
    """
    if run_id is None and not _stack:
        run_id = os.environ.get("MLFLOW_RUN_ID") or None
    found = _native.start_run(
        run_id=run_id,
        run_name=run_name,
        experiment_name=experiment_name or _experiment,
        tags=_pairs(tags),
        source_name=os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "",
    )
    run = Run(**found)
    _stack.append(run)
    return run


def active_run() -> Run | None:
    """Return the current run: one begun here, else the active run of ``mlflow`` if it has been imported."""
    if _stack:
        return _stack[-1]
    # Importing mlflow takes seconds; who has an active run of it has imported it.
    mlflow = sys.modules.get("mlflow")
    found = mlflow.active_run() if mlflow is not None and hasattr(mlflow, "active_run") else None
    if found is None:
        return None
    info = found.info
    return Run(info.run_id, info.run_name or "", str(info.experiment_id), info.artifact_uri)


def end_run(status: str = "FINISHED") -> None:
    """End the current run, if one was begun here.

    Parameters
    ----------
    status : {"FINISHED", "FAILED", "KILLED"}
        How it ended.
    """
    if status not in ("FINISHED", "FAILED", "KILLED"):
        raise invalid(f"a run ends as FINISHED, FAILED or KILLED, not as {status!r}")
    if _stack:
        run = _stack.pop()
        _native.end_run(run.run_id, status)


def log_directory(
    directory: str | os.PathLike[str],
    name: str,
    *,
    run_id: str | None = None,
    registered_model_name: str | None = None,
    alias: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Log a model's directory, which stays as it is.

    Parameters
    ----------
    directory : str or path
        Holds the ``MLmodel`` file.
    name : str
        The name to log it by.
    run_id : str, optional
        The run to log it to; by default the active one, that of ``MLFLOW_RUN_ID``, else one that is made for it and ended.
    registered_model_name : str, optional
        Registers it as a version of this model, which is made where it is not there.
    alias : str, optional
        An alias for that version.
    params, tags : dict, optional
        Params and tags of the model.

    Returns
    -------
    dict
        ``model_uri``, ``model_id`` (None on servers older than MLflow 3), ``run_id``, ``artifact_path``, ``artifact_uri`` and
        ``registered_model_version``.
    """
    if alias is not None and registered_model_name is None:
        raise invalid("an alias is that of a version: name the registered model too")
    return _native.log_directory(
        os.fspath(directory),
        name,
        run_id=_run_id(run_id),
        experiment_name=_experiment,
        registered_model_name=registered_model_name,
        alias=alias,
        params=_pairs(params),
        tags=_pairs(tags),
    )


def log_artifacts(directory: str | os.PathLike[str], artifact_path: str, run_id: str | None = None) -> str:
    """Store the files of a directory among a run's artifacts.

    Parameters
    ----------
    directory : str or path
        The directory.
    artifact_path : str
        Where to, below the run's artifacts.
    run_id : str, optional
        The run; by default the active one, else that of ``MLFLOW_RUN_ID``.

    Returns
    -------
    str
        The artifact URI of the files.
    """
    found = _run_id(run_id) or os.environ.get("MLFLOW_RUN_ID")
    if not found:
        raise invalid("there is no active run: begin one by mlflight.start_run(), or give run_id")
    return _native.log_artifacts(os.fspath(directory), artifact_path, found)


def _run_id(given: str | None) -> str | None:
    if given is not None:
        return given
    run = active_run()
    return None if run is None else run.run_id


def _pairs(values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return [(str(key), str(value)) for key, value in (values or {}).items()]
