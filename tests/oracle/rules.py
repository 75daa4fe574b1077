"""mlflight's default conversion rule, written a second time: on Python values, one at a time.

The Rust engine works on whole Arrow arrays; this reference is what the committed `default` column of the oracle is made by.
"""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from typing import Any

import numpy as np
import pyarrow as pa
from mlflow.types.schema import AnyType, Array, DataType, Map, Object


class Refused(Exception):
    """A value (`row` is its row) or a type (`row` is None) that does not convert."""

    def __init__(self, row: int | None) -> None:
        super().__init__(row)
        self.row = row


def is_number(t: pa.DataType) -> bool:
    """Whether values of the type are numbers; booleans count as 0 and 1."""
    return pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t) or pa.types.is_boolean(t)


def is_bytes(t: pa.DataType) -> bool:
    """Whether values of the type are bytes."""
    return pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t)


def is_text(t: pa.DataType) -> bool:
    """Whether values of the type are text."""
    return pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t)


def is_object(t: pa.DataType) -> bool:
    """Whether pandas holds the type as Python objects: MLflow lets those through for boolean, string and binary."""
    temporal = pa.types.is_date(t) or pa.types.is_time(t)
    return is_bytes(t) or pa.types.is_nested(t) or pa.types.is_decimal(t) or temporal


def _integer(value: Any, bits: int) -> int:
    whole = int(value)
    if whole != value or not -(1 << (bits - 1)) <= whole < 1 << (bits - 1):
        raise ValueError(value)
    return whole


def _double(value: Any) -> float:
    if isinstance(value, bytes):
        return float(value.decode())
    made = float(value)
    if isinstance(value, int) and int(made) != value:
        raise ValueError(value)
    return made


def _float(value: Any) -> float:
    made = float(np.float32(float(value)))
    wide = float(value) if isinstance(value, decimal.Decimal) else value
    if made != wide and wide == wide:
        raise ValueError(value)
    return made


def _instant(value: Any, zone: str | None) -> np.datetime64:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(zoneinfo.ZoneInfo(zone or "UTC")).replace(tzinfo=None)
    return np.datetime64(value, "ns")


def _scalar(kind: DataType, t: pa.DataType, zone: str | None) -> Any:
    """Return the function that converts one value of the type, or raise `Refused`."""
    if is_number(t) and kind in (DataType.integer, DataType.long):
        return lambda value: _integer(value, 32 if kind == DataType.integer else 64)
    if is_number(t) and kind == DataType.float:
        return _float
    if (is_number(t) or is_bytes(t)) and kind == DataType.double:
        return _double
    if kind == DataType.datetime and (pa.types.is_timestamp(t) or pa.types.is_date(t)):
        return lambda value: _instant(value, zone)
    keeps = {
        DataType.boolean: pa.types.is_boolean(t) or is_object(t),
        DataType.string: pa.types.is_boolean(t) or is_text(t) or is_object(t),
        DataType.binary: pa.types.is_boolean(t) or is_text(t) or is_object(t),
    }
    if keeps.get(kind):
        return lambda value: value
    raise Refused(None)


def convert(kind: Any, t: pa.DataType, value: Any, zone: str | None) -> Any:
    """Convert one value of an Arrow type to a declared type.

    Raises
    ------
    Refused
        With row None when the types never convert.
    ValueError
        When this value would change.
    """
    if pa.types.is_dictionary(t):
        return convert(kind, t.value_type, value, zone)
    if isinstance(kind, AnyType) or pa.types.is_null(t):
        return value
    if isinstance(kind, Array):
        if not (pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t)):
            raise Refused(None)
        convert(kind.dtype, t.value_type, None, zone)
        if kind.dtype in (DataType.integer, DataType.long) and None in (value or ()):
            # An array of whole numbers has no null, in numpy as in MLflow's rules.
            raise ValueError(value)
        return None if value is None else [convert(kind.dtype, t.value_type, item, zone) for item in value]
    if isinstance(kind, Object):
        if not pa.types.is_struct(t):
            raise Refused(None)
        names = [t.field(at).name for at in range(t.num_fields)]
        declared = {p.name: p for p in kind.properties}
        if set(names) - set(declared) or {p.name for p in kind.properties if p.required} - set(names):
            raise Refused(None)
        parts = {name: (value or {}).get(name) for name in names}
        made = {name: convert(declared[name].dtype, t.field(name).type, part, zone) for name, part in parts.items()}
        return None if value is None else made
    if isinstance(kind, Map):
        if pa.types.is_struct(t):
            names = [t.field(at).name for at in range(t.num_fields)]
            made = {n: convert(kind.value_type, t.field(n).type, (value or {}).get(n), zone) for n in names}
            return None if value is None else made
        if not pa.types.is_map(t) or not is_text(t.key_type):
            raise Refused(None)
        convert(kind.value_type, t.item_type, None, zone)
        return None if value is None else {k: convert(kind.value_type, t.item_type, v, zone) for k, v in value}
    function = _scalar(kind, t, zone)
    if value is not None and pa.types.is_map(t):
        value = dict(value)
    return None if value is None else function(value)


def column(kind: Any, array: pa.Array, zone: str | None) -> list[Any]:
    """Convert a column; the first value that would change raises `Refused` with its row."""
    made = []
    for row, value in enumerate(array.to_pylist()):
        try:
            made.append(convert(kind, array.type, value, zone))
        except (ValueError, OverflowError) as error:
            raise Refused(row) from error
    return made
