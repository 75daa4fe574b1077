"""The model: loaded once, bound to the params and types of a session, asked batch by batch."""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from . import loaders
from .answers import to_arrow
from .failures import Refused, ours
from .frames import frame
from .missing import knows_none
from .tensors import tensors


class Model:
    """A loaded model: its predict function and the form of input it takes."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        sys.path[:0] = ([spec["code"]] if spec.get("code") else []) + spec.get("path", [])
        importlib.invalidate_caches()
        config = configuration(spec.get("config"), spec.get("overrides"))
        implementation = implement(spec, config)
        spec["none"] = knows_none(implementation)
        name = spec.get("predict_fn") or "predict"
        self.predict: Callable[..., Any] | None = getattr(implementation, name, None)
        if self.predict is None:
            raise Refused("INVALID_MODEL", "NO_PREDICT", f"the model has no method {name}")
        parameter = inspect.signature(self.predict).parameters.get("params")
        self.takes_params = parameter is not None and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        self.example = None
        if spec.get("example"):
            from mlflow.models import Model as Metadata

            self.example = Metadata.load(spec["directory"]).load_input_example(spec["directory"])
        self.header: bytes | None = None
        self.params: dict[str, Any] = {}
        self.target: Any = None
        self.declared: Any = None
        self.exact = True

    def bind(self, header: bytes) -> None:
        """Take params and result type from a request; the same request again costs nothing."""
        if header == self.header:
            return
        request = json.loads(header)
        self.params = request.get("params") or {}
        for name in request.get("datetimes", ()):
            if self.params.get(name) is not None:
                self.params[name] = datetimes(self.params[name])
        if self.params and not self.takes_params:
            print(f"params {', '.join(self.params)} ignored, the model's predict has no argument 'params'")
        self.target, self.declared = kind(request.get("result")), kind(request.get("declared"))
        self.exact = request.get("exact", True)
        self.header = header

    def input(self, body: Any) -> Any:
        """Return what predict takes, from an IPC stream of one batch."""
        with pa.ipc.open_stream(body) as reader:
            batch = reader.read_next_batch()
        data = tensors(batch, self.spec["tensors"]) if self.spec.get("tensors") else frame(batch, body, self.spec)
        if self.example is not None:
            from mlflow.models.utils import _convert_dataframe_to_example_format

            data = _convert_dataframe_to_example_format(data, self.example)
        return data

    def score(self, header: bytes, body: Any) -> Any:
        """Score one batch, given and returned as an IPC stream."""
        ours("INTERNAL", "REQUEST_INVALID", "the request could not be read", self.bind, header)
        data = ours("INTERNAL", "INPUT_CONVERSION", "the batch could not be made into the model's input", self.input, body)
        result = self.predict(data, params=self.params) if self.takes_params else self.predict(data)
        del data
        what = f"the model answered, and its answer (a {type(result).__name__}) could not be made into columns"
        return ours("MODEL_FAILED", "ANSWER_CONVERSION", what, self.reply, result)

    def reply(self, result: Any) -> Any:
        """Return what predict gave as an IPC stream of one batch."""
        names, arrays = to_arrow(result, self.target, self.declared, self.exact)
        del result
        if not arrays:
            raise Refused("MODEL_FAILED", "NO_ANSWER", "the model's predict returned no columns")
        sink = pa.BufferOutputStream()
        out = pa.RecordBatch.from_arrays(arrays, names=names)
        with pa.ipc.new_stream(sink, out.schema) as writer:
            writer.write_batch(out)
        return sink.getvalue()


def implement(spec: dict[str, Any], config: dict[str, Any] | None) -> Any:
    """Load the model by its loader module; those of MLflow have a stand-in where it is not installed."""
    name = spec["loader"]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "mlflow" or not loaders.has(name):
            raise
        module = None
    if module is None:
        return loaders.load(name, spec["data"], spec["directory"], spec.get("flavors") or {}, config)
    loader = getattr(module, "_load_pyfunc", None) or getattr(module, "load_pyfunc", None)
    if loader is None:
        raise Refused("INVALID_MODEL", "NO_LOADER", f"module {name} has no function _load_pyfunc")
    return loader(spec["data"], config) if config else loader(spec["data"])


def configuration(own: dict[str, Any] | None, given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the flavor's config with the caller's values for the keys it has (MLflow's rule)."""
    overrides = dict(json.loads(os.environ.get("MLFLOW_PYFUNC_INFERENCE_CONFIG") or "{}"), **(given or {}))
    ignored = [key for key in overrides if key not in (own or {})]
    if ignored:
        print(f"model_config: {', '.join(ignored)} ignored, the model was saved without such keys")
    return dict(own, **{k: v for k, v in overrides.items() if k in own}) if own else None


def datetimes(value: Any) -> Any:
    """Return ISO text, or a list of it, as ``datetime``."""
    return [datetimes(item) for item in value] if isinstance(value, list) else np.datetime64(value).item()


def kind(text: str | None) -> Any:
    """Return the type of a schema's one field, sent as base64."""
    if not text:
        return None

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0).type
