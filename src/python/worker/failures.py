"""What goes wrong, and how it is described to the service."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

#: Characters of an exception that are sent: of its message, or of one part of its traceback, and of the whole traceback.
MESSAGE, TRACEBACK = 2048, 65536


class Refused(Exception):
    """Something the caller can mend; ``kind`` and ``code`` go back as they are."""

    def __init__(self, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.code = kind, code


def ours(kind: str, code: str, what: str, step: Callable[..., Any], *arguments: Any) -> Any:
    """Run a step of this program, so that what it raises is not taken for an exception of the model's predict."""
    try:
        return step(*arguments)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("RESOURCE_EXHAUSTED", "MEMORY_LIMIT", f"{what}: the worker's memory does not suffice") from error
    except Exception as error:
        raise Refused(kind, code, f"{what}: {type(error).__name__}: {text_of(error)}") from error


def failure(error: BaseException, loading: bool) -> dict[str, Any]:
    """Describe an exception, its traceback without this program's own frames; never more than the bounds allow."""
    if isinstance(error, Refused):
        return {"kind": error.kind, "code": error.code, "message": text_of(error)}
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    try:
        # Each frame and each message is cut by itself, so that a long message leaves the frames.
        lines = [end_of(line, MESSAGE) for line in traceback.format_exception(type(error), error, trace or error.__traceback__)]
        lines = [line if line.endswith("\n") else line + "\n" for line in lines]
    except BaseException as other:  # noqa: BLE001 - formatting asks the model's class again
        lines = [f"<no traceback: {type(other).__name__}>\n"]
    text = end_of("".join(lines).encode("utf-8", "backslashreplace").decode(), TRACEBACK)
    described = {"type": type(error).__name__, "message": text_of(error), "traceback": text}
    if loading and isinstance(error, ModuleNotFoundError) and error.name:
        described["missing"] = error.name
    return described


def text_of(error: BaseException) -> str:
    """Return an exception's message, whatever it does when it is asked."""
    try:
        text = str(error)
    except BaseException as other:  # noqa: BLE001 - the model's class may raise anything
        text = f"<its message cannot be had: {type(other).__name__}>"
    return end_of(text.encode("utf-8", "backslashreplace").decode(), MESSAGE)


def end_of(text: str, limit: int) -> str:
    """Return the end of a text that is longer than the limit."""
    return text if len(text) <= limit else f"[the last {limit} of {len(text)} characters] {text[-limit:]}"
