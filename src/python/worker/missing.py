"""What the model was fitted on where a value was missing."""

from __future__ import annotations

from collections import deque
from types import ModuleType
from typing import Any

#: Parts of a model that are looked at.
PARTS = 10_000


def knows_none(model: Any) -> bool:
    """Whether a part of the model was fitted on ``None`` as what stands for missing text: scikit-learn tells it from NaN."""
    seen: set[int] = set()
    waiting = deque([model])
    while waiting and len(seen) < PARTS:
        part = waiting.popleft()
        if id(part) in seen or isinstance(part, (type, ModuleType)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
        elif isinstance(getattr(part, "__dict__", None), dict):
            if hasattr(part, "fit") and "missing_values" in part.__dict__ and part.missing_values is None:
                return True
            categories = part.__dict__.get("categories_")
            if isinstance(categories, (list, tuple)) and any(value is None for values in categories for value in values):
                return True
            waiting.extend(part.__dict__.values())
    return False
