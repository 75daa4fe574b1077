"""The mark of a UDF's function: what Spark's planner reads instead of running the function."""

from __future__ import annotations

import base64
import json
import typing
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

#: How the text of a mark begins.
OPEN = "MLFLIGHT1{"


@dataclass(frozen=True)
class Mark:
    """Which model scores, and how."""

    version: str
    #: Base64 of the ScoreSpec.
    spec: str
    uri: str
    digest: str
    engine: str
    mode: str | None
    server: str | None
    inputs: list[str] | None
    required: int | None
    #: JSON of the UDF's Spark type: a UDF of another type made from the same function is not ours.
    result: str
    #: Whether the function may score at all where Spark runs it.
    fallback: bool
    #: Whether whole-number columns arrive as pandas series and must be restored (Spark 3.5); the names of such columns.
    whole: list[str]
    #: Base64 of an Arrow schema: the types of declared lists, maps and records, which pandas series do not have.
    nested: str | None = None

    def text(self) -> str:
        """Return the mark as one string constant; compressed, because Spark hides a function above 1 MB from its planner."""
        content = base64.b64encode(zlib.compress(json.dumps(asdict(self)).encode())).decode()
        return f"{OPEN}{content}}}"


class Marked:
    """A function whose pickle says, outside of the function's own pickle, that the planner may score in its place.

    The pickle is the call ``typing.cast(mark, function)``, which returns the function. The planner (``Mark.scala``) takes a UDF
    for ours only when its whole function is such a call. A user's own function that holds this one in its closure, in its globals
    or in a ``partial`` is another call, whatever lies inside it, and Spark runs it.
    """

    __slots__ = ("_function", "_mark")

    def __init__(self, mark: str, function: Callable[..., Any]) -> None:
        self._mark = mark
        self._function = function

    @property
    def __name__(self) -> str:
        return self._function.__name__

    # Without type hints: Spark would look for the hints of a function, which this is not.
    def __call__(self, *values, **named):
        return self._function(*values, **named)

    def __reduce__(self) -> tuple[Any, tuple[str, Callable[..., Any]]]:
        return typing.cast, (self._mark, self._function)
