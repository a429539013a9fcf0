"""What retention freed, as operators watch it: one pair of counters for all services that own objects."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

BYTES: Final = Counter("retake_retention_freed_bytes_total", "Bytes that retention deleted", ["what"])
THINGS: Final = Counter(
    "retake_retention_freed_total", "Versions, films, pieces and orphaned objects that retention deleted", ["what"]
)


def count_freed(what: str, count: int, size: int) -> None:
    """`size` in bytes."""
    THINGS.labels(what).inc(count)
    BYTES.labels(what).inc(size)
