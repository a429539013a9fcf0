"""Pages of a list, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200


@dataclass(frozen=True)
class Page:
    """`after`: the sort key of the last item of the previous page. A filter matches any of its values."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """`next`: the `Page.after` of the following page; None: this is the last page."""

    data: list[dict[str, Any]]
    next: str | None = None
