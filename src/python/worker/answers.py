"""From what predict gave to named columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .columns import to_column
from .failures import Refused
from .kinds import depth, field_of, is_text, leaf

#: Values that are not written as one text where others can be columns.
COLLECTIONS = (list, tuple, dict)


def to_arrow(result: Any, target: Any, declared: Any, exact: bool) -> tuple[list[str], list[Any]]:
    """Return what predict gave as names and Arrow arrays.

    With a result type, ``target``, they are the columns of the library's own answer; without one they have the types that the
    answer has itself, and ``declared``, the signature's type, tells which dicts are maps. ``exact`` keeps missing values of a
    text missing, else they are ``None`` and ``nan`` as in MLflow.
    """
    result = simple(result)
    if target is not None:
        record = isinstance(target, pa.StructType)
        columns = [(name, to_column(part, kind, None, record, exact)) for name, part, kind in wanted(result, target, exact)]
    else:
        try:
            columns = [(name, to_column(part, None, kind)) for name, part, kind in own(result, declared)]
        except Refused:
            if not are_records(result):
                raise
            columns = [(name, to_column(part, None, None)) for name, part, _ in own(pd.DataFrame(result), None)]
    return [name for name, _ in columns], [array for _, array in columns]


def simple(result: Any) -> Any:
    """Return what predict gave without forms that few models answer in: matrices, sparse ones too, and pydantic models."""
    if result is None:
        raise Refused("MODEL_FAILED", "NO_ANSWER", "the model's predict returned None")
    if isinstance(result, (set, frozenset)):
        raise Refused("MODEL_FAILED", "NO_ORDER", "the model's predict returned a set, which has no order of rows")
    if isinstance(result, np.matrix):
        return np.asarray(result)
    if hasattr(result, "toarray") and hasattr(result, "nnz"):
        return result.toarray()
    if isinstance(result, list) and result and hasattr(result[0], "model_dump"):
        return [item.model_dump() for item in result]
    return result


def own(result: Any, declared: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the columns that an answer has by itself: name, what holds the values, declared type."""
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        yield from zip(result.schema.names, result.columns, [None] * result.num_columns)
    elif isinstance(result, pd.DataFrame):
        for index, name in enumerate(map(str, result.columns)):
            yield name, result.iloc[:, index], field_of(declared, name)
    elif isinstance(result, pd.Series):
        yield "0" if result.name is None else str(result.name), result, declared
    elif isinstance(result, np.ndarray) and result.ndim == 2:
        yield from by_place(result, None)
    elif isinstance(result, dict) and isinstance(declared, pa.MapType):
        yield "0", [result], declared
    elif isinstance(result, dict):
        for name, values in result.items():
            yield str(name), values, field_of(declared, str(name))
    elif isinstance(result, (np.ndarray, list, tuple)) or np.isscalar(result):
        yield "0", result, declared
    else:
        yield from own(pd.DataFrame(result), None)


def is_array(item: Any) -> bool:
    """Whether an item of an answer holds values in order, as NumPy's arrays and pandas' series do."""
    return hasattr(item, "__array__") and getattr(item, "ndim", 0) > 0


def are_records(result: Any) -> bool:
    """Whether an answer is records of one length without names: where they have no common type, each place is a column."""
    if not isinstance(result, (list, tuple)) or not all(isinstance(item, (list, tuple)) for item in result):
        return False
    return len({len(item) for item in result}) == 1


def wanted(result: Any, target: Any, exact: bool) -> Iterator[tuple[str, Any, Any]]:
    """Yield the columns of an answer that shall be of a type: name, what holds the values, the type wanted of them."""
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        result = result.to_pandas()
    listed = isinstance(result, list)
    # A list of arrays is one of rows, of which the first column is taken.
    rows = listed and bool(result) and all(map(is_array, result))
    if exact and listed and is_text(target) and not rows and not any(isinstance(item, COLLECTIONS) for item in result):
        yield "0", result, target
        return
    if isinstance(target, pa.MapType) and isinstance(result, dict):
        result = [result]
    if (isinstance(target, pa.MapType) or depth(target) > 1) and isinstance(result, (list, np.ndarray)):
        yield "0", pd.Series(result, dtype=object) if isinstance(result, list) else result, target
        return
    if isinstance(result, np.ndarray) and result.ndim > 2:
        yield "0", result, target
        return
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        yield from by_place(result.reshape(-1, 1) if result.ndim < 2 else result, leaf(target, None))
        return
    lists = lists_of(result) if exact else None
    if lists is not None:
        for name, items in lists.items():
            yield name, items, leaf(target, name)
        return
    if isinstance(result, pd.Series):
        result = result.to_frame("0" if result.name is None else result.name)
    elif isinstance(result, dict):
        result = pd.DataFrame({key: list(value) for key, value in result.items()})
    elif not isinstance(result, pd.DataFrame):
        result = pd.DataFrame([result] if np.isscalar(result) else result)
    for index, name in enumerate(map(str, result.columns)):
        yield name, result.iloc[:, index], leaf(target, name)


def by_place(matrix: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the columns of a matrix, with the one type that is known of them."""
    for index in range(matrix.shape[1]):
        yield str(index), matrix[:, index], kind


def lists_of(result: Any) -> dict[str, list[Any]] | None:
    """Return the columns of an answer in lists, named as in a data frame; ``None`` of other answers.

    A data frame would make doubles of whole numbers beside missing ones, and NaN of a key that a dict lacks.
    """
    if isinstance(result, dict):
        lists = all(isinstance(items, (list, tuple)) for items in result.values())
        return {str(key): list(items) for key, items in result.items()} if lists and result else None
    if not isinstance(result, (list, tuple)) or not result:
        return None
    if all(isinstance(item, dict) for item in result):
        return {str(key): [item.get(key) for item in result] for key in dict.fromkeys(key for item in result for key in item)}
    if all(isinstance(item, (list, tuple)) and not hasattr(item, "_fields") for item in result):
        width = max(map(len, result))
        return {str(i): [item[i] if i < len(item) else None for item in result] for i in range(width)}
    if any(isinstance(item, COLLECTIONS) or is_array(item) for item in result):
        return None
    return None if any(hasattr(item, "__dataclass_fields__") for item in result) else {"0": list(result)}
