"""`Model`: an ``MLmodel`` file as an object."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflight import _native
from mlflight.errors import invalid, unsupported
from mlflight.models.signature import ModelSignature, Schema, as_signature

__all__ = ["Model", "ModelInfo", "get_model_info"]

MLMODEL = "MLmodel"
#: Keys that stand in the file only where they have a value.
OPTIONAL = (
    "artifact_path",
    "auth_policy",
    "env_vars",
    "metadata",
    "mlflow_version",
    "model_size_bytes",
    "resources",
    "run_id",
    "saved_input_example_info",
)
#: Arguments of MLflow's ``Model.log`` that ask for something only its own client does, and the values that ask for nothing.
REFUSED = {
    "await_registration_for": (None, 300),
    "model_id": (None,),
    "model_type": (None,),
    "prompts": (None,),
    "step": (None, 0),
}


def local(uri: str | os.PathLike[str], destination: str | os.PathLike[str] | None = None) -> str:
    """Return the local directory or file of a path or URI, downloaded where that must be."""
    text = os.fspath(uri)
    if destination is None and os.path.exists(text):
        return text
    return _native.fetch(text, None if destination is None else os.fspath(destination))


class Model:
    """A model: its flavors and what else its ``MLmodel`` file says. Every key of the file is an attribute; unknown ones are kept.

    Parameters
    ----------
    artifact_path, run_id, utc_time_created, flavors, signature, saved_input_example_info, model_uuid, mlflow_version, metadata,
    model_size_bytes, resources, env_vars, auth_policy, model_id, prompts : optional
        The keys; time, id and version are made where they are not given.
    **others
        Further keys.

    Examples
    --------
    >>> from mlflight.models import Model
    >>> model = Model(metadata={"team": "risk"})
    >>> model = model.add_flavor("my_flavor", weights="weights.bin", trained=None)
    >>> print(model.to_yaml())  # doctest: +ELLIPSIS
    flavors:
      my_flavor:
        trained: null
        weights: weights.bin
    metadata:
      team: risk
    ...
    """

    def __init__(
        self,
        artifact_path: str | None = None,
        run_id: str | None = None,
        utc_time_created: Any = None,
        flavors: dict[str, Any] | None = None,
        signature: Any = None,
        saved_input_example_info: dict[str, Any] | None = None,
        model_uuid: Any = None,
        mlflow_version: str | None = None,
        metadata: dict[str, Any] | None = None,
        model_size_bytes: int | None = None,
        resources: Any = None,
        env_vars: list[str] | None = None,
        auth_policy: Any = None,
        model_id: str | None = None,
        prompts: list[str] | None = None,
        **others: Any,
    ) -> None:
        made = _native.new_mlmodel()
        self.artifact_path = artifact_path
        self.run_id = run_id
        self.utc_time_created = str(utc_time_created or made["utc_time_created"])
        self.flavors: dict[str, Any] = {} if flavors is None else flavors
        self._signature: ModelSignature | None = None
        self.signature = signature
        self.saved_input_example_info = saved_input_example_info
        self.model_uuid = model_uuid() if callable(model_uuid) else model_uuid or made["model_uuid"]
        self.mlflow_version = mlflow_version or made["mlflow_version"]
        self.metadata = metadata
        self.model_size_bytes = model_size_bytes
        self.resources = resources
        self.env_vars = env_vars
        self.auth_policy = auth_policy
        self.model_id = model_id
        self.prompts = prompts
        self._directory: str | None = None
        self.__dict__.update(others)

    @property
    def signature(self) -> ModelSignature | None:
        """What the model takes and answers."""
        return self._signature

    @signature.setter
    def signature(self, value: Any) -> None:
        if value is not False:
            self._signature = as_signature(value)

    def add_flavor(self, name: str, **attributes: Any) -> Model:
        """Add or replace a flavor.

        Parameters
        ----------
        name : str
            Its name; tools leave flavors that they do not know alone.
        **attributes
            Its keys: ``None``, booleans, numbers (numpy's too), text, bytes, ``datetime``, paths, lists, arrays, dicts.

        Returns
        -------
        Model
            This model.
        """
        self.flavors[name] = attributes
        return self

    def get_input_schema(self) -> Schema | None:
        """Return what the signature says of the inputs."""
        return None if self.signature is None else self.signature.inputs

    def get_output_schema(self) -> Schema | None:
        """Return what the signature says of the outputs."""
        return None if self.signature is None else self.signature.outputs

    def get_params_schema(self) -> Schema | None:
        """Return what the signature says of the params."""
        return None if self.signature is None else self.signature.params

    def load_input_example(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Return the saved input example, ``None`` where there is none.

        Parameters
        ----------
        path : str or path, optional
            The model's directory; by default the one that the model was loaded from.
        """
        from mlflight.models import _capture

        info = self.saved_input_example_info
        directory = path or self._directory
        if info is None or directory is None:
            return None
        return _capture.example({**info, "path": os.path.join(os.fspath(directory), info["artifact_path"])})

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of the ``MLmodel`` file."""
        keys = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        for name in OPTIONAL:
            if keys.get(name) is None:
                keys.pop(name, None)
        if self.signature is not None:
            keys["signature"] = self.signature.to_dict()
            keys["is_signature_from_type_hint"] = self.signature._is_signature_from_type_hint
            keys["type_hint_from_example"] = self.signature._is_type_hint_from_example
        return dict(sorted(keys.items()))

    def to_yaml(self, stream: Any = None) -> str | None:
        """Return the text of the ``MLmodel`` file, or write it to a stream."""
        text = _native.write_mlmodel(self.to_dict())
        if stream is None:
            return text
        stream.write(text)
        return None

    @classmethod
    def from_dict(cls, keys: Mapping[str, Any]) -> Model:
        """Return the model of such keys."""
        keys = dict(keys)
        from_hint, from_example = keys.pop("is_signature_from_type_hint", None), keys.pop("type_hint_from_example", None)
        version = keys.get("mlflow_version")
        model = cls(**{str(name): value for name, value in keys.items()})
        # What the file does not say is not made up.
        model.mlflow_version = version
        model.model_uuid = keys.get("model_uuid")
        if "utc_time_created" not in keys:
            del model.utc_time_created
        if model.signature is not None:
            model.signature._is_signature_from_type_hint = bool(from_hint)
            model.signature._is_type_hint_from_example = bool(from_example)
        return model

    @classmethod
    def of(cls, other: Any) -> Model:
        """Return a model like another one, MLflow's for instance; a new one for ``None``."""
        if other is None:
            return cls()
        return other if isinstance(other, cls) else cls.from_dict(other.to_dict())

    def _update(self, keys: dict[str, Any]) -> None:
        for name in ("model_size_bytes", "model_uuid", "utc_time_created"):
            if name in keys:
                setattr(self, name, keys[name])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ``MLmodel`` file, in one step.

        Parameters
        ----------
        path : str or path
            The model's directory, or the file itself: a path that ends in ``MLmodel``.
        """
        target = Path(path)
        directory = target.parent if target.name == MLMODEL else target
        directory.mkdir(parents=True, exist_ok=True)
        text = _native.write_mlmodel(self.to_dict())
        with tempfile.NamedTemporaryFile("w", dir=directory, prefix=".MLmodel-", delete=False, encoding="utf-8") as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, directory / MLMODEL)
        self._directory = str(directory)

    @classmethod
    def load(cls, path: str | os.PathLike[str], run_id: str | None = None) -> Model:
        """Read a model.

        Parameters
        ----------
        path : str or path
            A directory, an ``MLmodel`` file, a URI; with a run, the model's path among its artifacts.
        run_id : str, optional
            The run that logged the model.
        """
        uri = os.fspath(path).rstrip("/") if run_id is None else f"runs:/{run_id}/{os.fspath(path).strip('/')}"
        if os.path.basename(uri) == MLMODEL and not os.path.isdir(uri):
            uri = os.path.dirname(uri) or "."
        directory = local(uri)
        model = cls.from_dict(_native.load_mlmodel(directory))
        model._directory = directory
        return model

    @classmethod
    def log(
        cls,
        artifact_path: str | None = None,
        flavor: Any = None,
        registered_model_name: str | None = None,
        *,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
        run_id: str | None = None,
        alias: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ModelInfo:
        """Save a model with a flavor and log it to the tracking server.

        Parameters
        ----------
        artifact_path : str
            The model's name in the run.
        flavor : module or str
            What saves it: a module with ``save_model``, or the name of one of ``mlflight``'s flavors.
        registered_model_name : str, optional
            Registers the model as a new version of this name.
        name : str, optional
            The same as ``artifact_path``.
        metadata : dict, optional
            Written into the model.
        run_id : str, optional
            The run; by default the active one, else a new one.
        alias : str, optional
            Points to the registered version.
        params, tags : dict, optional
            Of the logged model, where the server has such.
        **kwargs
            What the flavor's ``save_model`` takes.

        Returns
        -------
        ModelInfo
        """
        from mlflight import tracking

        if name is not None and artifact_path is not None:
            raise invalid("artifact_path and name are the same: give one of them")
        name = name or artifact_path
        if not name:
            raise invalid("a logged model needs a name")
        for keyword, nothing in REFUSED.items():
            if kwargs.pop(keyword, None) not in nothing:
                raise unsupported(f"log_model does not take {keyword}: use MLflow's own client for that", "LOG_ARGUMENT")
        if isinstance(flavor, str):
            flavor = importlib.import_module(f"mlflight.{flavor}")
        model = cls(metadata=metadata)
        with tempfile.TemporaryDirectory(prefix="mlflight-") as scratch:
            directory = os.path.join(scratch, "model")
            flavor.save_model(path=directory, mlflow_model=model, **kwargs)
            logged = tracking.log_directory(
                directory,
                name,
                run_id=run_id,
                registered_model_name=registered_model_name,
                alias=alias,
                params=None if params is None else {key: str(value) for key, value in params.items()},
                tags=None if tags is None else {key: str(value) for key, value in tags.items()},
            )
        model._directory = None
        model.run_id, model.model_id = logged.get("run_id"), logged.get("model_id")
        model.artifact_path = logged.get("artifact_path")
        model.model_uuid = model.model_id or model.model_uuid
        info = model.get_model_info()
        info.model_uri = logged["model_uri"]
        info.registered_model_version = logged.get("registered_model_version")
        info.artifact_uri = logged.get("artifact_uri")
        info.name = name
        return info

    def log_artifact(
        self,
        artifact_path: str = "model",
        run_id: str | None = None,
        local_path: str | os.PathLike[str] | None = None,
    ) -> str:
        """Log this model as an artifact of the current run or of a given one.

        Parameters
        ----------
        artifact_path : str
            Its path among the run's artifacts.
        run_id : str, optional
            The run; by default the active one.
        local_path : str or path, optional
            The directory with the model's files; by default the one it was saved to or loaded from, else the ``MLmodel`` file
            alone.

        Returns
        -------
        str
            The artifact's URI.
        """
        from mlflight import tracking

        directory = local_path or self._directory
        if directory is not None:
            return tracking.log_artifacts(os.fspath(directory), artifact_path, run_id=run_id)
        with tempfile.TemporaryDirectory(prefix="mlflight-") as scratch:
            Path(scratch, MLMODEL).write_text(_native.write_mlmodel(self.to_dict()), encoding="utf-8")
            return tracking.log_artifacts(scratch, artifact_path, run_id=run_id)

    def get_model_info(self) -> ModelInfo:
        """Return what is known of the model, with its URI where it was logged."""
        return ModelInfo(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<mlflight.models.Model {', '.join(self.flavors) or 'without flavors'}>"


class ModelInfo:
    """What is known of a saved or logged model."""

    def __init__(self, model: Model) -> None:
        self.artifact_path = model.artifact_path
        self.flavors = model.flavors
        self.model_uuid = model.model_uuid
        self.model_id = model.model_id
        self.run_id = model.run_id
        self.saved_input_example_info = model.saved_input_example_info
        self.signature = model.signature
        self.utc_time_created = getattr(model, "utc_time_created", None)
        self.mlflow_version = model.mlflow_version
        self.metadata = model.metadata
        self.env_vars = model.env_vars
        self.prompts = model.prompts
        self.registered_model_version: Any = None
        self.artifact_uri: str | None = None
        self.name: str | None = None
        self.model_uri = _uri(model)

    def __repr__(self) -> str:
        return f"<mlflight.models.ModelInfo {self.model_uri!r}, {', '.join(self.flavors)}>"


def _uri(model: Model) -> str | None:
    if model.model_id:
        return f"models:/{model.model_id}"
    if model.run_id and model.artifact_path:
        return f"runs:/{model.run_id}/{model.artifact_path}"
    return model._directory


def get_model_info(model_uri: str | os.PathLike[str]) -> ModelInfo:
    """Return what is known of the model at a path or URI."""
    info = Model.load(model_uri).get_model_info()
    info.model_uri = os.fspath(model_uri)
    return info
