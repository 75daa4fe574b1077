"""Questions about Arrow types."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def is_text(kind: Any) -> bool:
    """Whether a type is there and is text in any layout."""
    if kind is None:
        return False
    view = getattr(pa.types, "is_string_view", None)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or (view is not None and view(kind))


def is_list(kind: Any) -> bool:
    """Whether a type is a list in any layout."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def depth(kind: Any) -> int:
    """Return how many lists are around the innermost type."""
    return 1 + depth(kind.value_type) if is_list(kind) else 0


def holds_map(kind: Any) -> bool:
    """Whether a type is known and a map, or has one in it."""
    if kind is None:
        return False
    if isinstance(kind, pa.MapType):
        return True
    if isinstance(kind, pa.StructType):
        return any(holds_map(kind.field(i).type) for i in range(kind.num_fields))
    return depth(kind) > 0 and holds_map(kind.value_type)


def leaf(target: Any, name: str | None) -> Any:
    """Return the type one column of the answer is wanted in, when the result type says so."""
    if isinstance(target, pa.StructType):
        index = target.get_field_index(name) if name is not None else -1
        return target.field(index).type if index >= 0 else None
    return target.value_type if target is not None and depth(target) else target


def field_of(declared: Any, name: str) -> Any:
    """Return the declared type of one column of an answer."""
    return leaf(declared, name) if isinstance(declared, pa.StructType) else declared
