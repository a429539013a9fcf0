"""Bounds of the objects whose fields the API does not name: a model's settings, suggested changes."""

from __future__ import annotations

import json
from typing import Any, Final

MAX_CHARACTERS: Final = 16_384
"""As JSON. Four texts of the greatest length, or every setting of the largest model, have room."""
MAX_NAMES: Final = 100
MAX_NAME: Final = 100
MAX_TEXT: Final = 4000
_LARGEST: Final = 2**63 - 1


def size_problem(value: Any) -> str | None:
    """What is wrong with the size of such an object, as a predicate of it, or None."""
    if len(json.dumps(value, ensure_ascii=False, default=str)) > MAX_CHARACTERS:
        return f"must have at most {MAX_CHARACTERS} characters as JSON"
    return _problem(value)


def _problem(value: Any) -> str | None:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"must not contain texts of more than {MAX_TEXT} characters"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "must not contain whole numbers of more than 64 bits"
    if isinstance(value, dict):
        if len(value) > MAX_NAMES:
            return f"must have at most {MAX_NAMES} fields"
        if any(len(str(name)) > MAX_NAME for name in value):
            return f"must not have names of more than {MAX_NAME} characters"
        return next(filter(None, map(_problem, value.values())), None)
    return next(filter(None, map(_problem, value)), None) if isinstance(value, list) else None
