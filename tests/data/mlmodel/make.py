"""Save small models with the MLflow that is installed, and keep their MLmodel files.

Usage: ``python make.py OUT_DIR``. Writes ``OUT_DIR/<mlflow version>/<model>.MLmodel``. README.md says what to install.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import mlflow
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from sklearn.linear_model import LogisticRegression

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])


class Echo(mlflow.pyfunc.PythonModel):
    """Return what comes in."""

    def predict(self, context, model_input, params=None):
        """Return the input."""
        return model_input


def sklearn_frame(path: str) -> None:
    """Save a classifier over a data frame, with an input example."""
    frame = pd.DataFrame({"age": [1.0, 2.0, 3.0], "on": [1, 0, 1], "größe": [0.5, 0.1, 0.2]})
    model = LogisticRegression().fit(frame.to_numpy(), [0, 1, 0])
    signature = infer_signature(frame, model.predict(frame.to_numpy()))
    options = {} if VERSION < (3, 15) else {"serialization_format": "cloudpickle"}
    mlflow.sklearn.save_model(model, path, signature=signature, input_example=frame.head(1), **options)


def pyfunc_types(path: str) -> None:
    """Save a Python model that declares every scalar type, optional columns and metadata that YAML misreads unquoted."""
    columns = [ColSpec(kind, kind.name) for kind in DataType]
    if VERSION >= (2, 0):
        keyword = {"optional": True} if VERSION < (2, 5) else {"required": False}
        columns.append(ColSpec(DataType.double, "maybe", **keyword))
    signature = ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.long)]))
    options = {}
    if VERSION >= (2, 2):
        strings = ["on", "1_000", "1:30", "2020-01-02", "1e5", "0o7", "~", "", "null", "é\n\t", "a: b # c", " x "]
        values = [1e16, 1e-7, float("inf"), 10**20, True, None, 2**40]
        options["metadata"] = {"strings": strings, "values": values, "no": {"nested": [[], {}, [1, [2]]]}}
    mlflow.pyfunc.save_model(path, python_model=Echo(), signature=signature, **options)


def pyfunc_tensors(path: str) -> None:
    """Save a Python model over named tensors."""
    inputs = Schema([TensorSpec(np.dtype("float32"), (-1, 28, 28), "image"), TensorSpec(np.dtype("str"), (-1,), "label")])
    outputs = Schema([TensorSpec(np.dtype("float64"), (-1, 10))])
    mlflow.pyfunc.save_model(path, python_model=Echo(), signature=ModelSignature(inputs=inputs, outputs=outputs))


def pyfunc_nested(path: str) -> None:
    """Save a Python model with nested columns and params."""
    from mlflow.types import ParamSchema, ParamSpec
    from mlflow.types.schema import Array, Map, Object, Property

    thing = Object([Property("b", Array(DataType.string)), Property("a", DataType.double, required=False)])
    columns = [
        ColSpec(Array(Array(DataType.long)), "lists"),
        ColSpec(thing, "thing"),
        ColSpec(Map(thing), "things", required=False),
    ]
    if VERSION >= (2, 20):
        from mlflow.types.schema import AnyType

        columns.append(ColSpec(AnyType(), "any"))
    params = [
        ParamSpec("temperature", "double", 0.5),
        ParamSpec("limits", "float", [1.0, float("nan"), float("inf")], shape=(-1,)),
        ParamSpec("when", "datetime", np.datetime64("2024-01-02T03:04:05")),
        ParamSpec("text", "string", "NaN"),
        ParamSpec("none", "string", None),
    ]
    signature = ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.string)]), params=ParamSchema(params))
    mlflow.pyfunc.save_model(path, python_model=Echo(), signature=signature, model_config={"k": [1, "x"], "deep": {"e": 1e-5}})


def main(out: Path) -> None:
    """Save each model that the version can save."""
    models = [sklearn_frame, pyfunc_types, pyfunc_tensors]
    if VERSION >= (2, 20):
        models.append(pyfunc_nested)
    out = out / mlflow.__version__
    out.mkdir(parents=True, exist_ok=True)
    for save in models:
        with tempfile.TemporaryDirectory() as scratch:
            save(f"{scratch}/model")
            shutil.copy(f"{scratch}/model/MLmodel", out / f"{save.__name__}.MLmodel")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
