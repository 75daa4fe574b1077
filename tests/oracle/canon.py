"""One spelling of values for both languages: JSON where a type has none is an object of one key."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd


def value(v: Any, exact: bool = False) -> Any:
    """Spell a value; pandas' missing values are null, and NaN too unless `exact`."""
    if v is None or v is pd.NaT or v is pd.NA:
        return None
    if isinstance(v, (bool, np.bool_)):
        return bool(v)
    if isinstance(v, (int, np.integer)) and not isinstance(v, np.timedelta64):
        return int(v)
    if isinstance(v, (float, np.floating)):
        v = float(v)
        if math.isnan(v):
            return {"f": "nan"} if exact else None
        return {"f": "inf" if v > 0 else "-inf"} if math.isinf(v) else v
    if isinstance(v, str):
        return str(v)
    if isinstance(v, bytes):
        return {"b": v.hex()}
    if isinstance(v, (np.datetime64, dt.datetime)):
        v = np.datetime64(v, "ns")
        return None if np.isnat(v) else {"t": str(v)}
    if isinstance(v, dt.date):
        return {"d": v.isoformat()}
    if isinstance(v, dt.time):
        return {"h": v.isoformat()}
    if isinstance(v, decimal.Decimal):
        return {"n": format(v, "f")}
    if isinstance(v, dict):
        return {"o": {key: value(item, exact) for key, item in v.items()}}
    if isinstance(v, (list, tuple, np.ndarray, pd.Series)):
        return [value(item, exact) for item in v]
    raise TypeError(type(v))


def column(series: pd.Series) -> list[Any]:
    """Spell a pandas column."""
    return [value(v) for v in series]


def tensor(made: Any) -> dict[str, Any]:
    """Spell one tensor or several: a flat list a row."""
    named = made if isinstance(made, dict) else {"": made}

    def flat(array: np.ndarray) -> dict[str, Any]:
        rows = [value(row) for row in array.reshape(len(array), -1)]
        return {"dtype": str(array.dtype), "shape": list(array.shape), "values": rows}

    return {"tensors": {name: flat(array) for name, array in named.items()}}
