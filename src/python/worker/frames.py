"""From a batch to the data frame that MLflow's schema enforcement would give the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .failures import Refused
from .kinds import is_text
from .nested import declared, generic, temporal


def frame(batch: Any, body: Any, spec: dict[str, Any]) -> Any:
    """Return the batch as the data frame that MLflow's schema enforcement would give the model."""
    unnamed = spec.get("unnamed")
    names = list(range(batch.num_columns)) if unnamed else batch.schema.names
    matrix = same_doubles(batch, body)
    if matrix is not None:
        return pd.DataFrame(matrix, columns=names, copy=False)
    kinds = spec.get("columns") or []
    named = {} if unnamed else {kind["name"]: kind for kind in kinds}
    objects, plain = {}, {}
    for index, column in enumerate(batch.columns):
        kind = (kinds[index] if index < len(kinds) else None) if unnamed else named.get(names[index])
        values = as_objects(batch.schema.field(index), column, kind, spec.get("none"))
        if values is None:
            plain[index] = column
        else:
            objects[index] = pd.Series(values, dtype=object)
    if objects:
        data = pd.DataFrame(objects)
        if plain:
            table = pa.Table.from_arrays([*plain.values()], names=[str(index) for index in plain])
            left = table.to_pandas(use_threads=False, **temporal())
            left.columns = [*plain]
            data = pd.concat([left, data], axis=1)[[*range(batch.num_columns)]]
    else:
        data = pa.Table.from_batches([batch]).to_pandas(use_threads=False, **temporal())
    data.columns = names
    return data


def same_doubles(batch: Any, body: Any) -> Any:
    """Return the batch as a matrix over its own memory when it is null-free float64 columns at equal distances, else ``None``."""
    columns = batch.columns
    if len(columns) < 2 or any(column.type != pa.float64() or column.null_count for column in columns):
        return None
    starts = [column.buffers()[1].address + 8 * column.offset for column in columns]
    step = starts[1] - starts[0]
    if step <= 0 or any(start != starts[0] + step * index for index, start in enumerate(starts)):
        return None
    offset = starts[0] - body.address
    if offset < 0 or offset + step * (len(starts) - 1) + 8 * batch.num_rows > body.size:
        return None
    return np.ndarray((batch.num_rows, len(starts)), np.float64, body, offset, (8, step))


def as_objects(field: Any, column: Any, kind: dict[str, Any] | None, none: bool | None) -> Any:
    """Return a column whose cells are Python objects as these; ``None`` where pandas converts it.

    ``none`` is whether the model was fitted on text that is ``None`` where it is missing.
    """
    notes = field.metadata or {}
    if pa.types.is_nested(field.type):
        if kind is None and int(notes.get(b"mlflight.dimensions", 0)) > 1:
            kind = {"type": "any"}
            for _ in range(int(notes[b"mlflight.dimensions"])):
                kind = {"type": "array", "items": kind}
        return generic(column) if kind is None else declared(column, kind)
    if not column.null_count:
        return None
    if is_text(field.type):
        # A pandas frame that the caller made says what it holds where text is missing; Arrow has one null for all.
        missing = notes.get(b"mlflight.missing", b"none" if none else None)
        if missing in (None, b"str"):
            return None
        values = column.to_numpy(zero_copy_only=False)
        if missing == b"nan":
            values[~column.is_valid().to_numpy(zero_copy_only=False)] = float("nan")
        return values
    if kind is not None and pa.types.is_integer(field.type) and field.type.bit_width == 64:
        refuse_rounding(field.name, column)
    return None


def refuse_rounding(name: str, column: Any) -> None:
    """Refuse whole numbers beside nulls that the doubles pandas makes of them cannot hold."""
    bounds = pc.min_max(column)
    for bound in (bounds["min"].as_py(), bounds["max"].as_py()):
        if bound is not None and abs(bound) > 2**53:
            message = f"column '{name}' has nulls beside {bound}: pandas holds such a column as doubles, which would round it"
            raise Refused("INVALID_ARGUMENT", "VALUE_MISMATCH", f"{message}; fill the nulls or drop the rows")
