"""From nested columns to the Python objects that a model sees in a data frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from .kinds import is_list, is_text


def generic(column: Any) -> Any:
    """Return a nested column as Spark's conversion gives it to a model: arrays and dicts, whole numbers beside nulls exact."""
    made = column.to_pandas(integer_object_nulls=True, **temporal())
    values = np.empty(len(made), dtype=object)
    values[:] = made
    return values


def declared(column: Any, kind: dict[str, Any]) -> list[Any]:
    """Return the values of a declared type as MLflow's enforcement gives them to a model."""
    shape, name = column.type, kind["type"]
    if not pa.types.is_nested(shape):
        return scalars(column)
    if name == "array" and is_list(shape):
        made = lists(column, kind["items"])
    elif name == "map" and pa.types.is_map(shape):
        keys, values = column.keys.to_pylist(), declared(column.items, kind["values"])
        made = [dict(zip(keys[a:b], values[a:b])) for a, b in bounds_of(column)]
    elif name in ("object", "map") and pa.types.is_struct(shape):
        names = [shape[index].name for index in range(shape.num_fields)]
        kinds = [kind["properties"][key] if name == "object" else kind["values"] for key in names]
        columns = [declared(column.field(index), inner) for index, inner in enumerate(kinds)]
        made = [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(len(column))]
    else:
        return list(generic(column))
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        made = [value if there else None for value, there in zip(made, valid)]
    return made


def scalars(column: Any) -> list[Any]:
    """Return the values of records and maps: numpy's scalars, and ``None`` for nulls."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return list(column.to_pandas(**temporal()))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return column.to_pylist()
    if not column.null_count:
        return list(column.to_numpy(zero_copy_only=False))
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    filled = column.fill_null(pa.scalar(0, pa.int8()).cast(kind)).to_numpy(zero_copy_only=False)
    return [value if there else None for value, there in zip(filled, valid)]


def lists(column: Any, kind: dict[str, Any]) -> list[Any]:
    """Return lists as the arrays MLflow makes of them."""
    item = column.type.value_type
    if pa.types.is_fixed_size_list(column.type):
        column = pa.array(column.to_pylist(), pa.list_(item))
    if kind["type"] != "any" and pa.types.is_nested(item):
        values = declared(column.values, kind)
        return [stacked(values[a:b]) for a, b in bounds_of(column)]
    if is_text(item) or pa.types.is_boolean(item):
        values = column.values.to_numpy(zero_copy_only=False)
        dtype = bool if pa.types.is_boolean(item) else str
        valid = column.values.is_valid().to_numpy(zero_copy_only=False)
        # numpy's text and booleans have no value that says "missing": arrays with nulls are of objects.
        return [values[a:b].astype(dtype) if a < b and valid[a:b].all() else values[a:b] for a, b in bounds_of(column)]
    return list(generic(column))


def stacked(values: list[Any]) -> Any:
    """Return arrays of one shape as one array with a dimension more, and what has no common shape as an array of objects."""
    shapes = {getattr(value, "shape", None) for value in values}
    if len(shapes) <= 1:
        return np.array(values)
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made


def bounds_of(column: Any) -> list[tuple[int, int]]:
    """Return where the items of each list, or the entries of each map, begin and end; nulls have none."""
    offsets = column.offsets.to_numpy(zero_copy_only=False).tolist()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return [(a, b) if there else (0, 0) for a, b, there in zip(offsets, offsets[1:], valid)]


def temporal() -> dict[str, Any]:
    """Return pyarrow's options for times and maps; older versions have none."""
    return {"maps_as_pydicts": "lossy", "coerce_temporal_nanoseconds": True} if int(pa.__version__.split(".")[0]) >= 13 else {}
