"""What a Spark Python worker does for a UDF's body: scores with the extension."""

from __future__ import annotations

import base64
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mlflight import _native
from mlflight.errors import precondition

if TYPE_CHECKING:
    import pyarrow as pa

#: How many models a worker keeps loaded, and how many streams over each: one for each schema, params and result type.
MODELS = 4
STREAMS = 16

T = TypeVar("T")


class Recent(Generic[T]):
    """The values used last, made when they are asked for; no more than a fixed number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Any, T] = OrderedDict()

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return the value of a key."""
        if key not in self._values:
            # One that cannot be made takes nobody's place.
            self._values[key] = make()
            if len(self._values) > self._size:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)


class _Loaded:
    def __init__(self, model: _native.Model) -> None:
        self.model = model
        self.streams: Recent[_native.Stream] = Recent(STREAMS)


_models: Recent[_Loaded] = Recent(MODELS)


def score(options: dict[str, Any], batch: pa.RecordBatch) -> pa.Array:
    """Score one batch with the model of a mark."""
    spec = base64.b64decode(options["spec"])
    loaded = _models.get(_native.load_key(spec), lambda: _Loaded(_load(spec, options)))
    key = (options["spec"], batch.schema.serialize().to_pybytes())
    stream = loaded.streams.get(key, lambda: loaded.model.stream(batch.schema, spec))
    return stream.score(batch).column(0)


def _load(spec: bytes, options: dict[str, Any]) -> _native.Model:
    if options["version"] != _native.__version__:
        raise precondition(
            f"the UDF was made by mlflight {options['version']} and the executors' Python has {_native.__version__}; "
            "install one version on the driver and the executors",
            "VERSION_MISMATCH",
        )
    return _native.load_spec(
        spec,
        directory=_shipped(options["digest"]),
        python=sys.executable,
        path=[path for path in sys.path if path],
    )


def _shipped(digest: str) -> str | None:
    """Return the directory of the model that the driver sent, when it did."""
    from pyspark import SparkFiles

    try:
        archive = SparkFiles.get(f"mlflight-model-{digest}.mlflight")
    except Exception:
        # No Spark files in this worker: the model's own URI has to do.
        return None
    if not digest or not os.path.isfile(archive):
        return None
    return str(_native.unpack_model(archive, digest, os.path.join(os.path.dirname(archive), "mlflight-models")))
