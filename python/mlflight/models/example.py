"""Examples of inputs, saved beside a model in MLflow's forms."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from mlflight.errors import invalid
from mlflight.models.signature import ModelSignature, Schema, infer_columns, infer_params, to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflight._native import Draft


class Example:
    """An input, or a pair of an input and params."""

    def __init__(self, value: Any) -> None:
        self.params: dict[str, Any] | None = None
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict):
            value, self.params = value
        self.data = value.model_dump() if hasattr(value, "model_dump") else value

    def write(self, draft: Draft) -> dict[str, Any]:
        """Write the example's files and return ``saved_input_example_info``."""
        import numpy as np

        params = None if self.params is None else dump(self.params)
        data = self.data
        if isinstance(data, np.ndarray):
            return draft.write_json_example("ndarray", dump(_tensor(data)), params=params)
        if isinstance(data, dict) and any(isinstance(value, np.ndarray) for value in data.values()):
            if not all(isinstance(value, np.ndarray) for value in data.values()):
                raise invalid("an input example is a dict of arrays, or a dict without arrays")
            tensors = {name: _tensor(value) for name, value in data.items()}
            return draft.write_json_example("ndarray", dump(tensors), params=params)
        if hasattr(data, "toarray") and hasattr(data, "indptr"):
            parts = {"data": _tensor(data.data), "indices": data.indices, "indptr": data.indptr, "shape": list(data.shape)}
            form = f"sparse_matrix_{data.format}"
            return draft.write_json_example(form, dump(parts), dump(data.toarray()), params=params)
        if is_table(data):
            table, named = to_arrow(data)
            return draft.write_table_example(table, named, params)
        if isinstance(data, (dict, list, str, bytes, bool, int, float, np.generic)) or hasattr(data, "isoformat"):
            return draft.write_json_example("json_object", dump(data), params=params)
        if type(data).__module__.startswith("pyspark."):
            raise invalid("an input example is no Spark frame: take a few rows of it with limit(5).toPandas()")
        raise invalid(
            "an input example is a table (pandas, pyarrow, polars), an array, a dict of arrays, a sparse matrix, a dict, a list "
            f"or one value, not {type(data).__qualname__}"
        )

    def as_input(self) -> Any:
        """Return the data as the model's ``predict`` is given it."""
        import sys

        if not is_table(self.data):
            if isinstance(self.data, dict) and not any(hasattr(value, "dtype") for value in self.data.values()):
                import pandas as pd

                return pd.DataFrame([self.data])
            return self.data
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(self.data, pandas.DataFrame):
            return self.data.copy()
        import pyarrow as pa

        table, _ = to_arrow(self.data)
        return pa.table(table).to_pandas()

    def signature(self, predict: Callable[..., Any]) -> ModelSignature:
        """Return the signature of the example and of the answer to it."""
        import numpy as np

        inputs = infer_columns(self.data)
        params = infer_params(self.params) if self.params else None
        answer = predict(self.as_input(), params=self.params)
        if not inputs.is_tensor_spec() and isinstance(answer, np.ndarray) and answer.ndim == 1:
            answer = answer.tolist() if answer.dtype == object else _series(answer)
        try:
            outputs = infer_columns(answer)
        except Exception:
            outputs = Schema([{"type": "any"}])
        return ModelSignature(inputs, outputs, params)


def _series(answer: Any) -> Any:
    import pandas as pd

    return pd.Series(answer)


def is_table(data: Any) -> bool:
    """Whether data has columns."""
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "to_arrow"):
        return True
    return hasattr(data, "iloc") or hasattr(data, "__arrow_c_array__")


def _tensor(array: Any) -> Any:
    import numpy as np

    if not np.issubdtype(array.dtype, np.number):
        return array
    return np.where(np.isnan(array), None, array)


def dump(value: Any) -> str:
    """Return the JSON of an example: arrays are lists, times ISO texts, bytes base64."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if hasattr(value, "model_dump"):
        return value.model_dump()
    raise invalid(f"an input example cannot hold a value of type {type(value).__qualname__}")
