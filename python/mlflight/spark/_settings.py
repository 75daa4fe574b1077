"""The configuration keys ``spark.mlflight.*``: read, and checked where the UDF is made."""

from __future__ import annotations

import difflib
import warnings
from typing import TYPE_CHECKING, Any

from mlflight import _native
from mlflight.errors import invalid

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PREFIX = "spark.mlflight."

#: Every key there is, without the prefix.
KEYS = (
    "server",
    "mode",
    "engine",
    "fallback.enabled",
    "fetch",
    "nativePath",
    "tls.caFile",
    "token",
    "batch.maxRecords",
)

#: Spark's own integers end here.
LARGEST = 2**31 - 1


def text(spark: SparkSession, name: str) -> str | None:
    """Return the value of a key, when it is set."""
    value: Any = spark.conf.get(PREFIX + name, "")
    return value.strip() or None


def choice(spark: SparkSession, name: str, allowed: tuple[str, ...]) -> str | None:
    """Return the value of a key that may have only these."""
    value = text(spark, name)
    if value is not None and value not in allowed:
        *most, last = (f"'{one}'" for one in allowed)
        raise invalid(f"{PREFIX}{name} is '{value}'; it may be {', '.join(most)} or {last}")
    return value


def server(spark: SparkSession) -> str | None:
    """Return the address of the service that the session names."""
    value = text(spark, "server")
    if value is not None:
        _native.check_server(value, f"{PREFIX}server")
    return value


def fallback(spark: SparkSession) -> bool:
    """Whether Spark's Python workers may score."""
    value = text(spark, "fallback.enabled")
    if value is not None and value.lower() not in ("true", "false"):
        raise invalid(f"{PREFIX}fallback.enabled is '{value}'; it may be 'true' or 'false'")
    return value is None or value.lower() == "true"


def check(spark: SparkSession) -> None:
    """Check the keys that only the planner and the executors read, and warn of keys that there are not."""
    rows = text(spark, "batch.maxRecords")
    if rows is not None and not (rows.isascii() and rows.isdigit() and 1 <= int(rows) <= LARGEST):
        raise invalid(f"{PREFIX}batch.maxRecords is '{rows}'; it may be a whole number from 1 to {LARGEST}")
    token = text(spark, "token")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise invalid(f"{PREFIX}token has a character that a header cannot carry; it may be printable ASCII text")
    for key in _unknown(spark):
        near = difflib.get_close_matches(key, [PREFIX + name for name in KEYS], n=1)
        meant = f"; is {near[0]} meant?" if near else f"; there are {', '.join(PREFIX + name for name in KEYS)}"
        warnings.warn(f"{key} is set, and mlflight has no such setting{meant}", stacklevel=3)


def _unknown(spark: SparkSession) -> list[str]:
    # Spark 3.5 has no list of what is set.
    settings = getattr(spark.conf, "getAll", None)
    known = {PREFIX + name for name in KEYS}
    return [] if settings is None else sorted(key for key in settings if key.startswith(PREFIX) and key not in known)
