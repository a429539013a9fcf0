"""Range, If-Range, If-None-Match and Content-Disposition (RFC 9110, RFC 6266)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_RANGE: Final = re.compile(r"bytes\s*=\s*([0-9]*)-([0-9]*)", re.IGNORECASE)
_LONGEST: Final = 18  # digits of the largest size: an exabyte


class Unsatisfiable(Exception):
    """No byte of the file lies in the range."""


def parse_range(value: str | None, size: int) -> tuple[int, int] | None:
    """(first, last) of one range, or None: send the whole file, as for anything that we cannot read and for several
    ranges at once, which a server may ignore. Raises Unsatisfiable."""
    found = _RANGE.fullmatch(value.strip()) if value else None
    if found is None:
        return None
    start, end = found.groups()
    if not start and not end:
        return None
    if not start:
        length = _bytes(end)
        if length == 0 or size == 0:
            raise Unsatisfiable
        return max(0, size - length), size - 1
    first = _bytes(start)
    if end and _bytes(end) < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, min(_bytes(end), size - 1) if end else size - 1


def _bytes(digits: str) -> int:
    """A position or length of any number of digits; beyond every file all of them are the same."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _LONGEST else 10**_LONGEST


def matches(if_none_match: str | None, etag: str) -> bool:
    """The client has it already. Weak comparison, as for every If-None-Match."""
    if if_none_match is None:
        return False
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in given or etag in given


def range_holds(if_range: str | None, etag: str) -> bool:
    """Whether the range may be answered; else the whole file is sent. We give no dates, so a date never matches."""
    return if_range is None or if_range.strip() == etag


def disposition(filename: str, *, attachment: bool) -> str:
    """With an ASCII name for old clients and the true one beside it."""
    kind = "attachment" if attachment else "inline"
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
