"""Traces: trace ids that follow a request over events and jobs, and spans that are exported where one is configured.

Without an OTLP endpoint no OpenTelemetry SDK is loaded and nothing is recorded: a span then only carries the ids that
log lines, problem details and events show. With OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT every
span is exported by OTLP over HTTP (protobuf). The exporter reads all other OTEL_* variables itself.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)

_tracer: Tracer | None = None  # None: spans are not exported


@asynccontextmanager
async def export_traces(service: str) -> AsyncIterator[None]:
    """Exports the spans of this process while the block is open, if an endpoint is configured.

    The service is called `retake-<service>` unless OTEL_SERVICE_NAME says otherwise. Leaving the block sends the spans
    that are still buffered.
    """
    global _tracer
    if not _is_configured():
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"retake-{service}"}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("retake")
    try:
        yield
    finally:
        _tracer = None
        await asyncio.to_thread(provider.shutdown)  # it blocks while it sends


@contextmanager
def span(
    name: str,
    *,
    traceparent: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int] | None = None,
    **bound: str,
) -> Iterator[Span]:
    """Opens a span: a child of `traceparent` (W3C) if given, else of the current span, else the root of a new trace.

    Log lines within it carry `bound` (run_id=…), and an exported span has it as `retake.run_id`.
    """
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    with structlog.contextvars.bound_contextvars(**bound):
        if _tracer is not None:
            found = {**(attributes or {}), **{f"retake.{key}": value for key, value in bound.items()}}
            with _tracer.start_as_current_span(name, parent, kind, found) as recorded:
                yield recorded
            return
        context = _with_ids(parent if parent is not None else otel_context.get_current())
        token = otel_context.attach(context)
        try:
            yield get_current_span(context)
        finally:
            otel_context.detach(token)


def current_trace_id() -> str | None:
    """The current trace id as 32 hexadecimal digits: what log lines and problem details show."""
    context = get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


def current_traceparent() -> str | None:
    """The current span as a W3C `traceparent` header, for an event or to be stored with work that continues later."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _is_configured() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    disabled = disabled or os.environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not disabled and any(os.environ.get(name) for name in _ENDPOINTS)


def _with_ids(context: Context) -> Context:
    """The context itself if it has a trace, else one with a new trace. Without export a child needs no span id of its
    own: the ids of the parent are passed on."""
    if get_current_span(context).get_span_context().is_valid:
        return context
    new = SpanContext(random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False, trace_flags=_SAMPLED)
    return set_span_in_context(NonRecordingSpan(new), context)
