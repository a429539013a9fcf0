"""Pages of a list, newest first."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_CURSOR: Final = 1400  # the longest sort key is a user id: 255 characters of up to 4 bytes each, in base64


@dataclass(frozen=True)
class Page:
    """`after`: the sort key of the last item of the previous page. A filter matches any of its values."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def encode_cursor(after: str | None) -> str | None:
    """The opaque `next_cursor` of a page whose last item sorts by `after`; None: it is the last page."""
    return None if after is None else base64.urlsafe_b64encode(after.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Raises ValueError, also for what no column could hold."""
    if len(cursor) > MAX_CURSOR:
        raise ValueError("too long")
    found = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    if not found.isprintable():
        raise ValueError("not printable")
    return found
