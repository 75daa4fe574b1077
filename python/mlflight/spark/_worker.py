"""What a Spark Python worker does for a UDF's body: scores with the extension."""

from __future__ import annotations

import base64
import os
import sys
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import precondition

if TYPE_CHECKING:
    import pyarrow as pa

_models: dict[str, _native.Model] = {}
_streams: dict[tuple[str, Any], _native.Stream] = {}


def score(mark: str, options: dict[str, Any], batch: pa.RecordBatch) -> pa.Array:
    """Score one batch with the model of a mark."""
    key = (mark, batch.schema.serialize().to_pybytes())
    stream = _streams.get(key)
    if stream is None:
        stream = _streams[key] = _model(mark, options).stream(batch.schema)
    return stream.score(batch).column(0)


def _model(mark: str, options: dict[str, Any]) -> _native.Model:
    model = _models.get(mark)
    if model is None:
        if options["version"] != _native.__version__:
            raise precondition(
                f"the UDF was made by mlflight {options['version']} and the executors' Python has {_native.__version__}; "
                "install one version on the driver and the executors",
                "VERSION_MISMATCH",
            )
        model = _models[mark] = _native.load_spec(
            base64.b64decode(options["spec"]),
            directory=_shipped(options["digest"]),
            python=sys.executable,
            path=[path for path in sys.path if path],
        )
    return model


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
