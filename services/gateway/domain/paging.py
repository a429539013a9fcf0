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
    """`after` is what the last item of the page before sorts by. A filter with several values means any of them."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """`next` is what `Page.after` of the following page must be; None: this was the last one."""

    data: list[dict[str, Any]]
    next: str | None = None
