"""The mark in a UDF's Python function: what Spark's planner reads instead of running the function."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

#: What the planner looks for in the pickled function.
OPEN = "MLFLIGHT1{"
#: The same for a function that is to run as it is.
BODY_ONLY = "MLFLIGHT0{"


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
    #: Whether the function may score at all where Spark runs it.
    fallback: bool
    #: Whether whole-number columns arrive as pandas series and must be restored (Spark 3.5); the names of such columns.
    whole: list[str]
    #: Base64 of an Arrow schema: the types of declared lists, maps and records, which pandas series do not have.
    nested: str | None = None

    def text(self, planned: bool) -> str:
        """Return the mark as a string constant; `planned` is whether the planner may replace the function."""
        content = base64.b64encode(json.dumps(asdict(self)).encode()).decode()
        return f"{OPEN if planned else BODY_ONLY}{content}}}"


def options(text: str) -> dict[str, Any]:
    """Read a mark's text again."""
    return json.loads(base64.b64decode(text[text.index("{") + 1 : -1]))
