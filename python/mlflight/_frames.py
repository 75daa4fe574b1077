"""A pandas frame as the Arrow table that a model's signature asks for.

Lists, maps and records take their structure from the signature: a dict may be either, and only the signature says which. The
values in them keep the type they have, so that the engine can tell whether they convert exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mlflight import errors
from mlflight.errors import invalid

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NESTED = ("array", "map", "object")

#: Note on a column of text, or of nothing but missing values: what the caller's frame holds where a value is missing.
MISSING = b"mlflight.missing"
#: The same on a column of lists of lists: how many dimensions the arrays in its cells have.
DIMENSIONS = b"mlflight.dimensions"


def to_table(frame: pd.DataFrame, inputs: list[dict[str, Any]] | None) -> pa.Table:
    """Return the frame as a table; ``inputs`` are the declared columns as MLflow writes them."""
    import pyarrow as pa

    kinds = _by_column(frame, inputs or [])
    ours: dict[int, dict[str, Any] | None] = {}
    for at in range(frame.shape[1]):
        kind = kinds.get(at)
        if _needs_structure(frame.iloc[:, at], kind):
            ours[at] = kind
    rest = frame if not ours else frame.iloc[:, [at for at in range(frame.shape[1]) if at not in ours]]
    try:
        table = pa.Table.from_pandas(rest, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        # One by one, so that the column is named.
        ours = {at: kinds.get(at) for at in range(frame.shape[1])}
        table = pa.table({})
    others: Iterator[tuple[pa.Field, pa.ChunkedArray | pa.Array]] = zip(table.schema, table.columns, strict=True)
    columns = []
    for at, name in enumerate(frame.columns):
        series = frame.iloc[:, at]
        if at in ours:
            made = _column(str(name), series, ours[at])
            field, column = pa.field(str(name), made.type), made
        else:
            field, column = next(others)
        columns.append((_noted(field, column, series), column))
    return pa.Table.from_arrays([column for _, column in columns], schema=pa.schema([field for field, _ in columns]))


def _by_column(frame: pd.DataFrame, inputs: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the declared columns by their position in the frame."""
    if any("name" not in kind for kind in inputs):
        return dict(enumerate(inputs[: frame.shape[1]]))
    named = {kind["name"]: kind for kind in inputs}
    return {at: named[name] for at, name in enumerate(map(str, frame.columns)) if name in named}


def _needs_structure(series: pd.Series, kind: dict[str, Any] | None) -> bool:
    if series.dtype != object:
        return False
    if kind is None or kind["type"] == "any":
        return _are_maps(series)
    return kind["type"] in (*NESTED, "tensor", "datetime")


def _are_maps(series: pd.Series) -> bool:
    """Whether the cells are dicts with keys of their own, which a record would fill up with nulls."""
    first = next((value for value in series if not _is_missing(value)), None)
    if not isinstance(first, dict):
        return False
    return any(isinstance(value, dict) and value.keys() != first.keys() for value in series)


def _noted(field: pa.Field, column: pa.ChunkedArray | pa.Array, series: pd.Series) -> pa.Field:
    """Return the field of a column with a note on what Arrow does not say."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_list(field.type) and pa.types.is_list(field.type.value_type):
        return field.with_metadata({DIMENSIONS: str(_dimensions(series)).encode()})
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    is_empty = pa.types.is_null(field.type) and series.dtype == object
    if not column.null_count or not (is_text or is_empty):
        return field
    if isinstance(series.dtype, pd.StringDtype):
        note = b"str"
    else:
        note = b"nan" if all(isinstance(value, float) for value in series[series.isna()]) else b"none"
    return field.with_metadata({MISSING: note})


def _column(name: str, series: pd.Series, kind: dict[str, Any] | None) -> pa.Array:
    """Return one column of objects."""
    import numpy as np
    import pyarrow as pa

    if kind is not None and kind["type"] in NESTED:
        return _build(list(series), kind, name)
    if kind is not None and kind["type"] == "tensor" and any(isinstance(value, (list, np.ndarray)) for value in series):
        flat = [None if _is_missing(value) else np.asarray(value).reshape(-1) for value in series]
        return _build(flat, {"type": "array", "items": {"type": "any"}}, name)
    if kind is not None and kind["type"] == "datetime" and any(isinstance(value, str) for value in series):
        try:
            series = series.astype("datetime64[ns]")
        except (TypeError, ValueError) as error:
            raise invalid(f"column '{name}' cannot be read as datetime: {error}", "VALUE_MISMATCH") from error
    if (kind is None or kind["type"] == "any") and _are_maps(series):
        try:
            return _build(list(series), {"type": "map", "values": {"type": "any"}}, name)
        except errors.MlflightError:
            # Keys that are no text, values without a common type: a record.
            pass
    depth = _dimensions(series)
    if depth > 1:
        kind = {"type": "any"}
        for _ in range(depth):
            kind = {"type": "array", "items": kind}
        return _build(list(series), kind, name)
    made = _leaf(series, kind or {"type": "any"}, name)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _dimensions(series: pd.Series) -> int:
    """Return the most dimensions that an array in a cell has."""
    import numpy as np

    return max((value.ndim for value in series if isinstance(value, np.ndarray)), default=0)


def _build(values: list[Any], kind: dict[str, Any], where: str) -> pa.Array:
    """Return values of a declared type."""
    if kind["type"] == "array":
        return _lists([None if _is_missing(value) else _items(value, where) for value in values], kind["items"], where)
    if kind["type"] == "map":
        return _maps([None if _is_missing(value) else _dict(value, where) for value in values], kind["values"], where)
    if kind["type"] == "object":
        return _records([None if _is_missing(value) else _dict(value, where) for value in values], kind["properties"], where)
    return _leaf(values, kind, where)


def _lists(values: list[Any], items: dict[str, Any], where: str) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    given = [value for value in values if value is not None]
    numbers = given and all(isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.ndim == 1 for value in given)
    if numbers and items["type"] not in NESTED and len({value.dtype for value in given}) == 1:
        inner = pa.array(np.concatenate(given))
    else:
        inner = _build([item for value in given for item in value], items, f"{where}[]")
    return pa.ListArray.from_arrays(_offsets(values), inner)


def _maps(values: list[dict[str, Any] | None], kind: dict[str, Any], where: str) -> pa.Array:
    import pyarrow as pa

    keys = [key for value in values for key in value or ()]
    wrong = next((key for key in keys if not isinstance(key, str)), None)
    if wrong is not None:
        raise invalid(
            f"column '{where}': the keys of a map are text, and {wrong!r} is of type {type(wrong).__name__}", "TYPE_MISMATCH"
        )
    inner = _build([item for value in values for item in (value or {}).values()], kind, f"{where}{{}}")
    return pa.MapArray.from_arrays(_offsets(values), pa.array(keys, pa.string()), inner)


def _records(values: list[dict[str, Any] | None], properties: dict[str, Any], where: str) -> pa.Array:
    import pyarrow as pa

    given = [value for value in values if value is not None]
    for value in given:
        extra = [key for key in value if key not in properties]
        if extra:
            raise invalid(f"column '{where}': the record has {extra}, which the signature does not declare", "TYPE_MISMATCH")
        missing = [key for key, kind in properties.items() if kind.get("required", True) and key not in value]
        if missing:
            raise invalid(f"column '{where}': the record has no {missing}, which the signature requires", "TYPE_MISMATCH")
    # An optional property that no record has is none for the model either.
    there = [key for key in properties if not given or any(key in value for value in given)]
    columns = [_build([(value or {}).get(key) for value in values], properties[key], f"{where}.{key}") for key in there]
    mask = pa.array([value is None for value in values], pa.bool_())
    if not columns:
        return pa.array([None if value is None else {} for value in values], pa.struct([]))
    return pa.StructArray.from_arrays(columns, names=there, mask=mask)


def _offsets(values: list[Any]) -> pa.Array:
    """Return where the items of each value begin; null where there is no value."""
    import pyarrow as pa

    offsets, end = [], 0
    for value in values:
        offsets.append(None if value is None else end)
        end += 0 if value is None else len(value)
    return pa.array([*offsets, end], pa.int32())


def _leaf(values: Iterable[Any], kind: dict[str, Any], where: str) -> pa.Array:
    """Return scalars in the type they have, or in the declared one where they have no common type."""
    import pyarrow as pa

    types = {
        "boolean": pa.bool_(),
        "integer": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
        "binary": pa.binary(),
        "datetime": pa.timestamp("ns"),
    }
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        declared = types.get(kind["type"])
        if declared is not None:
            try:
                return pa.array(values, declared, from_pandas=True)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                pass
        expected = "" if declared is None else f": expected {kind['type']}"
        text = (
            f"the frame cannot be taken over as Arrow data, column '{where}': {error.args[0] if error.args else error}{expected}"
        )
        raise invalid(text, "TYPE_MISMATCH") from error


def _items(value: Any, where: str) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray) and value.ndim:
        # Numbers stay in the array's type; others become Python's objects.
        return value if value.ndim == 1 and value.dtype.kind in "biufM" else list(value)
    if isinstance(value, (list, tuple)):
        return value
    raise invalid(f"column '{where}': expected a list or an array, found {type(value).__name__}", "TYPE_MISMATCH")


def _dict(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if hasattr(value, "asDict"):
        return value.asDict()
    raise invalid(f"column '{where}': expected a dict, found {type(value).__name__}", "TYPE_MISMATCH")


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and value != value)
