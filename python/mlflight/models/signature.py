"""Signatures: what a model takes and answers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import invalid

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ModelSignature", "Schema", "infer_signature"]


class Schema:
    """Declared columns, tensors or params, in order.

    Parameters
    ----------
    columns : list of dict or str
        As MLflow writes them: ``[{"type": "double", "name": "x", "required": True}]``, or the JSON text of that.
    """

    def __init__(self, columns: list[dict[str, Any]] | str, *, _params: bool = False) -> None:
        text = columns if isinstance(columns, str) else json.dumps(columns, default=_plain)
        at = 2 if _params else 1
        self._text: str = _native.check_signature(*[text if index == at else None for index in range(3)])[at] or "[]"
        self._columns: list[dict[str, Any]] = json.loads(self._text)
        self._is_params = _params

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the columns as MLflow writes them."""
        return json.loads(self._text)

    def to_json(self) -> str:
        """Return the same as JSON text."""
        return self._text

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Return the schema of a JSON text."""
        return cls(text)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The columns as MLflow writes them."""
        return self.to_dict()

    def input_names(self) -> list[Any]:
        """Return the names; positions where the columns have none."""
        return [column.get("name", at) for at, column in enumerate(self._columns)]

    def input_types(self) -> list[str]:
        """Return the types: MLflow's names of columns' types, numpy's of tensors'."""
        return [_type(column) for column in self._columns]

    def required_input_names(self) -> list[Any]:
        """Return the names of the columns that must be there."""
        return [name for name, column in zip(self.input_names(), self._columns, strict=True) if column.get("required", True)]

    def optional_input_names(self) -> list[Any]:
        """Return the names of the columns that may be left out."""
        required = self.required_input_names()
        return [name for name in self.input_names() if name not in required]

    def has_input_names(self) -> bool:
        """Whether the columns have names."""
        return bool(self._columns) and "name" in self._columns[0]

    def is_tensor_spec(self) -> bool:
        """Whether these are tensors."""
        return bool(self._columns) and self._columns[0].get("type") == "tensor"

    def to_arrow(self) -> pa.Schema:
        """Return the schema of a table of these columns."""
        if self._is_params:
            raise invalid("params are no columns of a table")
        return _native.schema_to_arrow(self._text)

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        parts = [f"{column.get('name', '-')}: {_type(column)}" for column in self._columns]
        return f"[{', '.join(parts)}]"


def _type(column: dict[str, Any]) -> str:
    if column["type"] == "tensor":
        spec = column["tensor-spec"]
        return f"{spec['dtype']} {tuple(spec['shape'])}"
    if column["type"] == "array":
        return f"array<{_type(column['items'])}>"
    return column["type"]


class ModelSignature:
    """What a model takes and answers.

    Parameters
    ----------
    inputs, outputs, params : Schema, list of dict, str or pyarrow.Schema, optional
        The declared columns; see `Schema`. At least one is given.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, params: Any = None) -> None:
        if inputs is None and outputs is None and params is None:
            raise ValueError("At least one of inputs, outputs or params must be provided")
        self.inputs = _schema(inputs)
        self.outputs = _schema(outputs)
        self.params = _schema(params, is_params=True)
        self._is_signature_from_type_hint = False
        self._is_type_hint_from_example = False

    def to_dict(self) -> dict[str, str | None]:
        """Return the JSON texts of the parts, as they stand in an ``MLmodel`` file."""
        parts = {"inputs": self.inputs, "outputs": self.outputs, "params": self.params}
        return {name: None if part is None else part.to_json() for name, part in parts.items()}

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> ModelSignature:
        """Return the signature of such texts."""
        return cls(*(parts.get(name) or None for name in ("inputs", "outputs", "params")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelSignature) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(tuple(self.to_dict().items()))

    def __repr__(self) -> str:
        return f"inputs: \n  {self.inputs!r}\noutputs: \n  {self.outputs!r}\nparams: \n  {self.params!r}\n"


def _schema(part: Any, *, is_params: bool = False) -> Schema | None:
    if part is None or isinstance(part, Schema):
        return part
    if hasattr(part, "to_json") and not isinstance(part, str):
        part = part.to_json()
    elif hasattr(part, "empty_table"):
        part = _native.infer_columns(part.empty_table())
    return Schema(part, _params=is_params)


def as_signature(value: Any) -> ModelSignature | None:
    """Return a signature given in any form: ours, MLflow's, or the dict of an ``MLmodel`` file."""
    if value is None or value is False or isinstance(value, ModelSignature):
        return value or None
    if isinstance(value, Mapping):
        return ModelSignature.from_dict(value)
    if hasattr(value, "to_dict"):
        made = ModelSignature.from_dict(value.to_dict())
        made._is_signature_from_type_hint = bool(getattr(value, "_is_signature_from_type_hint", False))
        made._is_type_hint_from_example = bool(getattr(value, "_is_type_hint_from_example", False))
        return made
    raise invalid(f"signature is a ModelSignature, not {type(value).__qualname__}")


def infer_signature(model_input: Any = None, model_output: Any = None, params: Mapping[str, Any] | None = None) -> ModelSignature:
    """Return the signature of data, by the rules of ``mlflow.models.infer_signature``.

    A column is optional when one of its values is missing. numpy's arrays are tensors whose first dimension is the rows.

    Parameters
    ----------
    model_input, model_output : optional
        pyarrow, pandas or polars tables, whatever gives an Arrow stream, Spark frames, series, numpy arrays, a dict of them,
        sparse matrices, a dict (one row), a list of dicts (rows), a list of values (one column without a name), or one value.
    params : dict, optional
        Inference params with their defaults.

    Returns
    -------
    ModelSignature

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mlflight.models import infer_signature
    >>> infer_signature(pa.table({"x": [1.5, None], "n": [1, 2]})).inputs
    [x: double, n: long]
    """
    parts = {
        name: None if data is None else _columns_or_any(name, data)
        for name, data in (("inputs", model_input), ("outputs", model_output))
    }
    return ModelSignature(**parts, params=infer_params(params) if params else None)


def _columns_or_any(name: str, data: Any) -> Schema:
    try:
        return infer_columns(data)
    except Exception as error:
        text = f"the schema of the {name} could not be told from the data, and is set to any: {error}"
        warnings.warn(text, stacklevel=3)
        return Schema([{"type": "any"}])


def infer_columns(data: Any) -> Schema:
    """Return the columns or tensors of data; raises where it has no such form."""
    import numpy as np
    import pyarrow as pa

    if hasattr(data, "model_dump"):
        raise invalid("a signature cannot be told from pydantic objects: give their model_dump()")
    if isinstance(data, np.ndarray):
        return Schema([_tensor(data.dtype, data.shape)])
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        return Schema([_tensor(data.dtype, data.shape)])
    if isinstance(data, dict) and data and all(isinstance(value, np.ndarray) for value in data.values()):
        return Schema([_tensor(value.dtype, value.shape, name) for name, value in data.items()])
    if type(data).__module__.startswith("pyspark.") and hasattr(data, "schema"):
        return _spark(data)
    table, named = to_arrow(data)
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    columns = json.loads(_native.infer_columns(table, named))
    if isinstance(data, dict):
        # MLflow looks into a list for what is missing.
        for column in columns:
            value = data[column["name"]]
            if isinstance(value, list) and any(item is None or item != item for item in value):
                column["required"] = False
    return Schema(columns)


def to_arrow(data: Any) -> tuple[Any, bool]:
    """Return tabular data as whatever gives an Arrow stream, and whether its columns have names."""
    import pyarrow as pa

    if isinstance(data, (pa.Table, pa.RecordBatch)):
        return data, True
    if isinstance(data, (pa.Array, pa.ChunkedArray)):
        return pa.table({"0": data}), False
    if _is_pandas(data, "DataFrame"):
        return _of_pandas(data), not has_default_columns(data)
    if _is_pandas(data, "Series"):
        table = _of_pandas(data.to_frame("0" if data.name is None else data.name))
        return table, data.name is not None
    if type(data).__module__.startswith("polars.") and hasattr(data, "to_frame"):
        return data.to_frame().to_arrow(), bool(data.name)
    if type(data).__module__.startswith("polars.") and hasattr(data, "to_arrow"):
        return data.to_arrow(), True
    if hasattr(data, "__arrow_c_stream__"):
        return data, True
    if isinstance(data, dict):
        if any(not isinstance(name, str) for name in data):
            raise invalid("the keys of a dict of columns are text")
        return pa.table({name: _array([value]) for name, value in data.items()}), True
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        names = list(dict.fromkeys(name for item in data for name in item))
        return pa.table({str(name): _array([item.get(name) for item in data]) for name in names}), True
    if isinstance(data, list):
        return pa.table({"0": _array(data) if data else pa.array([], pa.string())}), False
    return pa.table({"0": _array([data])}), False


def _array(values: list[Any]) -> Any:
    import numpy as np
    import pyarrow as pa

    if values and all(isinstance(value, np.generic) for value in values):
        return pa.array(np.array(values))
    return pa.array([value.tolist() if isinstance(value, np.generic) else value for value in values], from_pandas=True)


def _is_pandas(data: Any, name: str) -> bool:
    cls = type(data)
    return any(base.__name__ == name and base.__module__.partition(".")[0] == "pandas" for base in cls.__mro__)


def has_default_columns(frame: Any) -> bool:
    """Whether the columns of a pandas frame were never named."""
    return type(frame.columns).__name__ == "RangeIndex" and list(frame.columns) == list(range(frame.shape[1]))


def _of_pandas(frame: Any) -> Any:
    """Return a frame as a table. Dicts with differing keys are records of them all."""
    import pyarrow as pa

    columns = []
    for at in range(frame.shape[1]):
        series = frame.iloc[:, at]
        if series.dtype == object:
            series = series.infer_objects()
        columns.append(pa.array(series, from_pandas=True))
    columns = [column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column for column in columns]
    return pa.Table.from_arrays(columns, names=[str(name) for name in frame.columns])


def _tensor(dtype: Any, shape: tuple[int, ...], name: str | None = None) -> dict[str, Any]:
    if not shape:
        raise invalid("a tensor has at least one dimension: its rows")
    kind = {"U": "str", "S": "bytes", "O": "object"}.get(dtype.kind, str(dtype))
    spec = {"type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1, *shape[1:]]}}
    return spec if name is None else {"name": name, **spec}


def _spark(frame: Any) -> Schema:
    from pyspark.sql import types

    vectors = {field.name for field in frame.schema.fields if field.dataType.typeName() == "vector"}
    vectors |= {field.name for field in frame.schema.fields if type(field.dataType).__name__ == "VectorUDT"}
    plain = types.StructType([field for field in frame.schema.fields if field.name not in vectors])
    by_name: dict[str, dict[str, Any]] = {}
    if len(plain.fields):
        from pyspark.sql.pandas.types import to_arrow_schema

        try:
            # Newer versions want a zone for points in time.
            schema = to_arrow_schema(plain, timezone="UTC")
        except TypeError:
            schema = to_arrow_schema(plain)
        text = _native.infer_columns(_without_zones(schema).empty_table())
        by_name = {column["name"]: column for column in json.loads(text)}
    vector = {"type": "sparkml_vector", "required": True}
    return Schema([by_name.get(field.name) or {**vector, "name": field.name} for field in frame.schema.fields])


def _without_zones(schema: Any) -> Any:
    import pyarrow as pa

    plain = [field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field for field in schema]
    return pa.schema(plain)


def infer_params(params: Mapping[str, Any]) -> Schema:
    """Return the declared params of a dict of defaults."""
    if not isinstance(params, Mapping):
        raise invalid(f"params are a dict, not {type(params).__qualname__}")
    return Schema([_param(name, value) for name, value in params.items()], _params=True)


def _param(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        kind = json.loads(_native.infer_columns(to_arrow({"value": dict(value)})[0]))[0]
        return {"name": name, "type": "object", "properties": kind["properties"], "default": dict(value), "shape": None}
    if hasattr(value, "tolist") and not isinstance(value, (list, tuple)):
        kind = str(getattr(value, "dtype", ""))
        narrow = {"float32": "float", "float16": "float", "int32": "integer", "int16": "integer", "int8": "integer"}.get(kind)
        plain = value.tolist()
        made = _param(name, plain)
        return {**made, "type": narrow or made["type"]}
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    kinds = {_param_type(name, item) for item in items}
    if kinds == {"long", "double"}:
        kinds = {"double"}
        items = [float(item) for item in items]
    if len(kinds) != 1:
        raise invalid(f"param '{name}': the items of a list param are of one type, not {sorted(kinds) or 'none'}")
    is_list = isinstance(value, (list, tuple))
    return {"name": name, "type": kinds.pop(), "default": items if is_list else items[0], "shape": [-1] if is_list else None}


def _param_type(name: str, value: Any) -> str:
    for kind, types in (("boolean", bool), ("long", int), ("double", float), ("string", str)):
        if isinstance(value, types):
            return kind
    if hasattr(value, "isoformat"):
        return "datetime"
    raise invalid(f"param '{name}' has a value of type {type(value).__qualname__}, which no param has")


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise invalid(f"a signature cannot hold a value of type {type(value).__qualname__}")
