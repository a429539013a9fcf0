"""Messages: an event with its envelope, created by a producer or parsed from a Kafka record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared.contracts.base import Event
from shared.contracts.envelope import BadEnvelope, Envelope, event_type, source_of
from shared.contracts.topics import TOPICS, Service
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.core.ids import NewId, is_id
from shared.observability.tracing import current_traceparent

E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True)
class Message(Generic[E]):
    """An event and its envelope."""

    event: E
    envelope: Envelope

    @property
    def topic(self) -> str:
        return self.event.TOPIC

    @property
    def cause(self) -> Cause:
        """What an event that this one causes must carry."""
        envelope = self.envelope
        return Cause(envelope.project_id, envelope.owner_id, envelope.correlation_id, envelope.id)


@dataclass(frozen=True)
class Cause:
    """The owner of an event and what caused it; copied from a command to every event that follows from it."""

    project_id: str
    owner_id: str
    correlation_id: str
    causation_id: str | None = None


@dataclass(frozen=True)
class Publisher:
    """Creates the messages of one service."""

    service: Service
    clock: Clock
    new_id: NewId

    def message(self, event: Event, cause: Cause) -> Message[Event]:
        """Raises Permanent `foreign_event` for an event that another service produces."""
        if TOPICS[event.TOPIC].producer is not self.service:
            raise Permanent("foreign_event", f"{event.TOPIC} is published by {TOPICS[event.TOPIC].producer} only")
        envelope = Envelope(
            id=self.new_id(),
            source=source_of(self.service),
            type=event_type(event.TOPIC),
            time=self.clock.now(),
            subject=event.subject,
            project_id=cause.project_id,
            owner_id=cause.owner_id,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
            traceparent=current_traceparent(),
        )
        return Message(event, envelope)

    def messages(self, events: Sequence[Event], cause: Cause) -> list[Message[Event]]:
        return [self.message(event, cause) for event in events]


def read_message(topic: str, headers: list[tuple[str, bytes]], body: bytes) -> Message[Event]:
    """Raises Permanent `bad_envelope`, `unknown_type` or `bad_event`: an unreadable record stays unreadable."""
    try:
        envelope = Envelope.parse(headers)
    except BadEnvelope as e:
        raise Permanent("bad_envelope", str(e)) from e
    if not is_id(envelope.id):
        raise Permanent("bad_envelope", f"ce_id is {envelope.id[:100]!r}, not a UUID")
    known = TOPICS.get(topic)
    if known is None or envelope.type != event_type(topic):
        raise Permanent("unknown_type", f"{envelope.type!r} on topic {topic!r} is not a known type")
    try:
        return Message(known.event.model_validate_json(body), envelope)
    except ValidationError as e:
        raise Permanent("bad_event", f"{topic}: {e.error_count()} errors, first: {e.errors()[0]}") from e
