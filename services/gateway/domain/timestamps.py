"""Timestamps as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

TICK: Final = timedelta(microseconds=1)  # the resolution of PostgreSQL


def rfc3339(at: datetime) -> str:
    """UTC, always with microseconds, so that timestamps sort as strings."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def strictly_after(previous: datetime | None, at: datetime) -> datetime:
    """`at`, or just after `previous`. Clients compare timestamps, so these must rise with every change, even if the
    clocks of two services differ."""
    return at if previous is None or at > previous else previous + TICK
