"""Traces: spans that continue over events and jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

if TYPE_CHECKING:
    from shared.messaging.events import Message

_tracer = trace.get_tracer("retake")


def configure_tracing(service: str) -> None:
    """Called once per process, before the first span."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": f"retake-{service}"})))


def current_trace_id() -> str | None:
    """The current trace id as 32 hexadecimal digits: what log lines and problem details show."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


@contextmanager
def span(name: str, *, traceparent: str | None = None, **bound: Any) -> Iterator[None]:
    """Opens a span, as a child of `traceparent` if given. Log lines within it carry `bound` (run_id=…)."""
    context = propagate.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(name, context=context), structlog.contextvars.bound_contextvars(**bound):
        yield


def current_traceparent() -> str | None:
    """The current span as a W3C `traceparent` header, to be stored with work that continues later."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def event_span(message: Message[Any]) -> Iterator[None]:
    """The span of handling one event: continues the producer's trace; log lines carry its run and correlation ids."""
    bound = {"subject": message.envelope.subject, "correlation_id": message.envelope.correlation_id}
    run_id = getattr(message.event, "run_id", None)
    if run_id:
        bound["run_id"] = run_id
    with span(f"consume {message.topic}", traceparent=message.envelope.traceparent, **bound):
        yield
