"""Logs: one line of JSON per event, with run and trace ids, so that the lines of one run can be found."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from shared.observability.repeated_lines import RepeatedLines
from shared.observability.tracing import current_trace_id


def configure_logging(service: str, *, level: str = "INFO", json: bool = True) -> None:
    """Called once per process, before the first log line. Standard-library loggers are rendered the same way."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _add_service(service), render],
        )
    )
    handler.addFilter(RepeatedLines("aiokafka"))  # without a broker each of its clients complains every few hundredths
    root = logging.getLogger()
    for former in (f for replaced in root.handlers for f in replaced.filters):
        if isinstance(former, RepeatedLines):
            former.close()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "botocore", "aiobotocore", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel("WARNING")
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel("ERROR")
    logging.getLogger("aiokafka").addFilter(_is_not_told_by_us)


def _is_not_told_by_us(record: logging.LogRecord) -> bool:
    """`broker.unreachable` says it, with the reason and what to do."""
    return not str(record.msg).startswith('Unable connect to "')


def _add_service(service: str) -> Any:
    def add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"service": service, **event}

    return add


def _add_trace_id(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    if trace_id := current_trace_id():
        event["trace_id"] = trace_id
    return event
