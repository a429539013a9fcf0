"""CloudEvents 1.0 in Kafka binary content mode: attributes are headers, the body is the event alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"


class BadEnvelope(ValueError):
    """The headers are not those of a CloudEvent of Retake."""


@dataclass(frozen=True)
class Envelope:
    """The CloudEvents attributes of a record.

    `time` is when the event occurred (UTC). `correlation_id` is the command that started it all, `causation_id` the
    event that led to this one.
    """

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    project_id: str
    owner_id: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """The Kafka headers; attributes that are None are left out."""
        pairs = {
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": self.time.isoformat(),
            "ce_subject": self.subject,
            "ce_projectid": self.project_id,
            "ce_ownerid": self.owner_id,
            "ce_correlationid": self.correlation_id,
            "ce_causationid": self.causation_id,
            "content-type": CONTENT_TYPE,
            "traceparent": self.traceparent,
        }
        return [(name, value.encode()) for name, value in pairs.items() if value is not None]

    @classmethod
    def parse(cls, headers: list[tuple[str, bytes]]) -> Self:
        """Read the headers of a record. Raises BadEnvelope, naming the header that is missing or invalid."""
        try:
            found = {name: value.decode() for name, value in headers}
        except UnicodeDecodeError as e:
            raise BadEnvelope(f"a header is not UTF-8: {e}") from e
        if (spec := found.get("ce_specversion")) != SPEC_VERSION:
            raise BadEnvelope(f"ce_specversion is {spec!r}, not {SPEC_VERSION!r}")
        try:
            return cls(
                id=found["ce_id"],
                source=found["ce_source"],
                type=found["ce_type"],
                time=datetime.fromisoformat(found["ce_time"]),
                subject=found["ce_subject"],
                project_id=found["ce_projectid"],
                owner_id=found["ce_ownerid"],
                correlation_id=found.get("ce_correlationid", found["ce_id"]),
                causation_id=found.get("ce_causationid"),
                traceparent=found.get("traceparent"),
            )
        except KeyError as e:
            raise BadEnvelope(f"header {e.args[0]} is missing") from e
        except ValueError as e:
            raise BadEnvelope(f"ce_time: {e}") from e


def event_type(topic: str) -> str:
    """The `ce_type` of a topic's events, version 1."""
    return f"retake.{topic}.v1"


def source_of(service: str) -> str:
    """The `ce_source` of a service."""
    return f"/retake/{service}"
