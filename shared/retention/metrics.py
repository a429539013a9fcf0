"""What retention deleted, as counters with the same names in every service that owns objects."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

BYTES: Final = Counter("retake_retention_freed_bytes_total", "Bytes that retention deleted", ["what"])
RECORDS: Final = Counter(
    "retake_retention_freed_total",
    "Versions, films, pieces, uploads and orphaned objects that retention deleted",
    ["what"],
)


def count_freed(what: str, count: int, size: int) -> None:
    """`size` in bytes."""
    RECORDS.labels(what).inc(count)
    BYTES.labels(what).inc(size)
