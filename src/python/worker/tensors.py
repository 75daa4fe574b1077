"""From a batch to the arrays that a tensor signature declares."""

from __future__ import annotations

from typing import Any

import numpy as np

from .failures import Refused


def tensors(batch: Any, specs: list[dict[str, Any]]) -> Any:
    """Return the batch as the array, or the dict of arrays by name, that a tensor signature declares."""
    rows = batch.num_rows

    def values(index: int, dtype: str) -> Any:
        column = batch.column(index)
        nested = False
        while hasattr(column, "flatten") and hasattr(column.type, "value_type"):
            nested = nested or column.null_count > 0
            column = column.flatten()
        # Missing numbers are NaN; whole numbers and booleans have none.
        if nested or (column.null_count and np.dtype(dtype).kind in "iub"):
            name = batch.schema.names[index]
            raise Refused("INVALID_ARGUMENT", "NULL_TENSOR", f"tensor '{name}' of {dtype} has nulls; fill them or drop the rows")
        return column.to_numpy(zero_copy_only=False)

    def tensor(index: int, spec: dict[str, Any]) -> Any:
        made = values(index, spec["dtype"]).astype(spec["dtype"], copy=False)
        try:
            return made.reshape([rows, *spec["shape"][1:]])
        except ValueError as error:
            name = batch.schema.names[index]
            raise Refused("INVALID_ARGUMENT", "TENSOR_SHAPE", f"tensor '{name}': {error}") from None

    if specs[0].get("name") is not None:
        return {spec["name"]: tensor(index, spec) for index, spec in enumerate(specs)}
    if batch.num_columns == 1:
        return tensor(0, specs[0])
    columns = [values(index, specs[0]["dtype"]) for index in range(batch.num_columns)]
    return np.stack(columns, axis=1).astype(specs[0]["dtype"], copy=False).reshape([rows, *specs[0]["shape"][1:]])
