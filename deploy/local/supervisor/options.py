"""The options of `retake up`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.core.errors import UserError


class Broker(StrEnum):
    EMBEDDED = "embedded"
    APACHE = "apache"

    @classmethod
    def named(cls, name: str) -> Broker:
        try:
            return cls(name)
        except ValueError:
            raise UserError("no_such_broker", f"Unknown broker {name!r}.", f"Choose {' or '.join(cls)}.") from None


@dataclass(frozen=True)
class Options:
    """None selects the embedded part. `kafka` takes precedence over `broker`."""

    data: str | None = None
    port: int | None = None
    broker: Broker = Broker.EMBEDDED
    kafka: str | None = None
    database: str | None = None
    objects: str | None = None
    provider: str | None = None
