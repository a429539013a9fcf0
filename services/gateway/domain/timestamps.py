"""Times as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

TICK: Final = timedelta(microseconds=1)  # what PostgreSQL keeps


def rfc3339(at: datetime) -> str:
    """UTC, always with microseconds, so that equal times are equal texts and their order is that of the texts."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def strictly_after(previous: datetime | None, at: datetime) -> datetime:
    """`at`, or just after `previous`: what clients compare must rise with every change, whoever's clock it was."""
    return at if previous is None or at > previous else previous + TICK
