"""Logs, traces and metrics: one line of JSON per event, with run and trace ids, so that one run's story can be read."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from shared.messaging.events import Message

_tracer = trace.get_tracer("retake")


def configure(service: str, *, level: str = "INFO", json: bool = True) -> None:
    """Once per process, before anything logs. Standard-library loggers are rendered the same way."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": f"retake-{service}"})))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _trace_ids,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.JSONRenderer(ensure_ascii=False) if json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _named(service), render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "botocore", "aiobotocore", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel("WARNING")
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel("ERROR")


def _named(service: str) -> Any:
    def add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"service": service, **event}

    return add


def _trace_ids(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
    return event


def trace_id() -> str | None:
    """Of the span in hand, as a problem's `trace_id` shows it."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


@contextmanager
def span(name: str, *, traceparent: str | None = None, **bound: Any) -> Iterator[None]:
    """A span whose logs carry `bound` (run_id=…). Continues `traceparent` if given."""
    context = propagate.extract({"traceparent": traceparent}) if traceparent else None
    with _tracer.start_as_current_span(name, context=context), structlog.contextvars.bound_contextvars(**bound):
        yield


def traceparent() -> str | None:
    """Of the span in hand, to be stored with work that continues later."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def event_span(message: Message[Any]) -> Iterator[None]:
    """Around the handling of one event: its trace goes on, its run and correlation ids are in every line."""
    bound = {"subject": message.envelope.subject, "correlation_id": message.envelope.correlation_id}
    run_id = getattr(message.event, "run_id", None)
    if run_id:
        bound["run_id"] = run_id
    with span(f"consume {message.topic}", traceparent=message.envelope.traceparent, **bound):
        yield
