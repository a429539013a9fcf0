"""Bounds of a JSON body's shape, checked on its bytes before any parser recurses into it or builds its values."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from typing import Final

MAX_DEPTH: Final = 32
"""Levels of nesting. The deepest body of the API has 8; the rest is room for what `suggested_changes` may record."""
MAX_VALUES: Final = 50_000
"""Values and names in one body: 500 segments with 100 each."""
MAX_FIELDS: Final = 1000
"""Fields of one object."""

_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # possessive, and an open end: linear time
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level in, one level out
_NO_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))


def json_problem(body: bytes) -> str | None:
    """What is wrong with the shape of a body, as a predicate of it, or None. A body that is no JSON may pass: the
    parser says where it is wrong."""
    if b"\x00" in body:  # UTF-16 and UTF-32, in which the bytes below mean other characters
        return "must be UTF-8"
    if body.count(b'"') - body.count(b'\\"') > 2 * MAX_VALUES:
        return _too_many()
    opened = body.count(b"[") + body.count(b"{")
    separators = body.count(b",") + body.count(b":")
    if opened <= MAX_DEPTH and opened + separators < MAX_VALUES:
        return None
    bare = _STRING.sub(b"", body)
    if sum(bare.count(mark) for mark in (b"[", b"{", b",", b":")) >= MAX_VALUES:
        return _too_many()
    steps = array("b", bare.translate(_STEPS, _NO_BRACKETS))
    if max(accumulate(steps), default=0) > MAX_DEPTH:
        return f"must not be nested more than {MAX_DEPTH} levels deep"
    return None


def _too_many() -> str:
    return f"must have at most {MAX_VALUES} values; send it in parts"
