"""The span of handling one event."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from opentelemetry.trace import Span, SpanKind

from shared.messaging.events import Message
from shared.observability.tracing import span


def event_span(message: Message[Any]) -> AbstractContextManager[Span]:
    """Continues the producer's trace; log lines within it carry the subject, correlation id and run id.

    Name and attributes follow the OpenTelemetry semantic conventions for messaging.
    """
    envelope = message.envelope
    bound = {"subject": envelope.subject, "correlation_id": envelope.correlation_id}
    if run_id := getattr(message.event, "run_id", None):
        bound["run_id"] = run_id
    return span(
        f"process {message.topic}",
        traceparent=envelope.traceparent,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": message.topic,
            "messaging.message.id": envelope.id,
            "messaging.kafka.message.key": message.event.key,
        },
        **bound,
    )
