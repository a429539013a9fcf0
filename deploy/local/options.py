"""What `retake up` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Broker(StrEnum):
    EMBEDDED = "embedded"
    APACHE = "apache"


@dataclass(frozen=True)
class Options:
    """None: what Retake brings itself. `kafka` beats `broker`."""

    data: str | None = None
    port: int | None = None
    broker: Broker = Broker.EMBEDDED
    kafka: str | None = None
    database: str | None = None
    objects: str | None = None
    provider: str | None = None
