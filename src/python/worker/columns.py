"""From one column of an answer, whatever holds it, to an Arrow array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .failures import Refused
from .kinds import holds_map, is_text

#: What pyarrow and conversions raise where values are not of a type.
UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)


def to_column(values: Any, target: Any, declared: Any, record: bool = False, exact: bool = True) -> Any:
    """Return one column as Arrow.

    ``target`` is the type wanted of Python objects and text, where one is; ``declared`` tells which dicts are maps where none is.
    ``record`` says that the column goes into a struct. ``exact`` keeps missing values of a text missing.
    """
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return joined(values)
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return nested(values)
    if isinstance(values, pd.Index):
        values = pd.Series(values)
    if not isinstance(values, (np.ndarray, pd.Series)):
        items = [values] if np.isscalar(values) or not hasattr(values, "__iter__") else list(values)
        return texts(items) if is_text(target) else from_objects(items, target, declared)
    values = values.reshape(-1) if isinstance(values, np.ndarray) else values
    return as_text(pd.Series(values), target, record, exact) if is_text(target) else from_pandas(values, target, declared)


def from_pandas(values: Any, target: Any, declared: Any) -> Any:
    """Return a one-dimensional array, or a column of pandas, as Arrow."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        array = values.to_numpy() if isinstance(values, pd.Series) else values
        return pa.array(array.astype(np.float32) if dtype == np.float16 else array, from_pandas=False)
    if dtype == object:
        return from_objects(list(values), target, declared, missing=True)
    try:
        array = joined(pa.array(values, from_pandas=True))
    except UNFIT:
        return from_objects(list(values), target, declared, missing=True)
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) and array.nbytes < 2**31 else array


def from_objects(items: list[Any], target: Any = None, declared: Any = None, missing: bool = False) -> Any:
    """Return Python objects as Arrow: in the type they have in common, else in the one wanted.

    ``missing`` says that they come from pandas: NaN stands for a missing value, and nested values are tried in the wanted type
    first. Else NaN is a number among numbers.
    """

    def as_given() -> list[Any]:
        return items

    def as_plain() -> list[Any]:
        return [plain(item) for item in items]

    ways: list[tuple[Any, Any, bool]] = []
    if holds_map(declared):
        ways.append((lambda: [shaped(item, declared) for item in items], declared, True))
    if not missing:
        ways.append((as_given, None, False))
    ways.append((lambda: unsigned(items), None, False))
    kinds = [None] if target is None else [None, target]
    if missing and target is not None and pa.types.is_nested(target):
        kinds.reverse()
    for kind in kinds:
        ways += [(as_given, kind, True), (as_plain, kind, True)]
    for make, kind, nan_is_missing in ways:
        try:
            return pa.array(make(), kind, from_pandas=nan_is_missing)
        except UNFIT:
            continue
    refuse_surrogate(items)
    names = sorted({type(item).__name__ for item in items if item is not None})[:5]
    message = f"the model's answers ({', '.join(names)}) have no common Arrow type; ask for the result type string"
    raise Refused("MODEL_FAILED", "MIXED_ANSWER", message)


def plain(value: Any) -> Any:
    """Return a value without numpy's and pydantic's types."""
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):
        made = value.tolist()
        # Python has no number for numpy's long double.
        return made if type(made) is type(value) else plain(made)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def shaped(value: Any, kind: Any) -> Any:
    """Return a value as Arrow takes one of a type, maps as pairs. A record with a key that the type lacks is not of that type."""
    value = plain(value)
    if value is None or not pa.types.is_nested(kind):
        return value
    if isinstance(kind, (pa.MapType, pa.StructType)) and not isinstance(value, dict):
        raise TypeError
    if isinstance(kind, pa.MapType):
        return [(key, shaped(item, kind.item_type)) for key, item in value.items()]
    if isinstance(kind, pa.StructType):
        if set(value) - {kind.field(i).name for i in range(kind.num_fields)}:
            raise TypeError
        return {name: shaped(item, kind.field(name).type) for name, item in value.items()}
    return [shaped(item, kind.value_type) for item in value]


def unsigned(items: list[Any]) -> Any:
    """Return whole numbers of which some are beyond 64 bits with a sign."""
    if not all(isinstance(item, (int, np.integer)) and item >= 0 for item in items):
        raise TypeError
    whole = np.asarray(items)
    if whole.dtype.kind != "u":
        raise TypeError
    return whole


def as_text(series: Any, target: Any, record: bool, exact: bool) -> Any:
    """Return the values of a pandas column as text; as they are where a record's column has nothing but missing ones."""
    # A NaN among numbers is a number.
    keep = exact and not (isinstance(series.dtype, np.dtype) and series.dtype.kind in "biufc")
    if not record:
        items = list(series.astype(object))
        return texts(items) if keep else pa.array([str(item) for item in items], pa.string())
    gone = series.isna()
    if keep:
        return pa.array([None if missing else item for item, missing in zip(series.astype(str), gone)], pa.string())
    return from_pandas(series if gone.all() else series.astype(str), target, None)


def texts(items: list[Any]) -> Any:
    """Return the text of every value, and null for those that are missing."""
    gone = pd.isna(pd.Series(items, dtype=object))
    made = [None if missing else str(item) for item, missing in zip(items, gone)]
    try:
        return pa.array(made, pa.string())
    except UnicodeEncodeError:
        refuse_surrogate(made)
        raise


def refuse_surrogate(items: list[Any]) -> None:
    """Refuse an answer that has a text with half of a surrogate pair, which cannot be encoded."""
    for row, item in enumerate(items):
        if isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise Refused("MODEL_FAILED", "INVALID_TEXT", f"the model's answer to row {row} is a text with a lone surrogate")


def nested(values: Any) -> Any:
    """Return an n-dimensional array as nested lists, one a row, without making Python objects."""
    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(values.shape[1:]):
        count = len(array) // size if size else int(np.prod(values.shape[: values.ndim - 1]))
        array = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * size), array)
    return array


def joined(column: Any) -> Any:
    """Return a column as one array, dictionaries as their values."""
    array = column.combine_chunks() if hasattr(column, "chunks") else column
    if hasattr(array, "chunks"):
        array = array.chunk(0) if array.num_chunks == 1 else pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if hasattr(array, "dictionary_decode") else array
