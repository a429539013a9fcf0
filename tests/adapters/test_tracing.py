"""Traces: exported by OTLP where an endpoint is configured; elsewhere ids are passed on without the SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio
from opentelemetry.trace import SpanKind

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.ids import new_id
from shared.messaging.consumer import Consumer
from shared.messaging.events import Cause, Publisher
from shared.messaging.routers import Delivery
from shared.observability.tracing import current_trace_id, current_traceparent, export_traces, span
from tests.support import events
from tests.support.brokers import RunningBroker, client_of
from tests.support.messaging import Side, record_effect, router_of, side
from tests.support.otlp import OtlpReceiver, otlp_receiver
from tests.support.waiting import eventually

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
Fresh = Callable[[str], Awaitable[str]]
EXPORTED_CONSUMER = 5  # SPAN_KIND_CONSUMER of opentelemetry/proto/trace/v1/trace.proto


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.endpoint)
        yield running


@pytest_asyncio.fixture
async def generator(fresh_database: Fresh) -> AsyncIterator[Side]:
    async with side(Service.GENERATOR, await fresh_database("generator")) as found:
        yield found


@pytest_asyncio.fixture
async def review(fresh_database: Fresh) -> AsyncIterator[Side]:
    async with side(Service.REVIEW, await fresh_database("review")) as found:
        yield found


async def test_the_span_of_a_consumed_event_continues_its_producers_trace(
    kafka: RunningBroker, generator: Side, review: Side, receiver: OtlpReceiver
) -> None:
    publisher = Publisher(Service.GENERATOR, SystemClock(), new_id)
    within: list[tuple[str, str]] = []

    async def handle(delivery: Delivery[object]) -> None:
        _, trace_id, span_id, _ = (current_traceparent() or "").split("-")
        within.append((trace_id, span_id))
        await record_effect(delivery)

    async def arrived() -> bool:
        return bool(await review.effects())

    async with export_traces(Service.REVIEW):
        with span("produce"):
            message = publisher.message(events.preview_ready(), Cause("project", "owner", new_id()))
        await generator.publish([message])
        router = router_of(Service.REVIEW, handle)
        async with (
            generator.relay(kafka),
            Consumer(client_of(kafka, Service.REVIEW), review.pool, router, clock=SystemClock()),
        ):
            await eventually(arrived, what="the effect of the event")
    produced, consumed = receiver.named("produce"), receiver.named("process preview-ready")
    assert consumed.service == "retake-review"
    assert (consumed.trace_id, consumed.parent_id, produced.parent_id) == (produced.trace_id, produced.span_id, "")
    assert (message.envelope.traceparent or "").startswith(f"00-{produced.trace_id}-{produced.span_id}-")
    assert within == [(consumed.trace_id, consumed.span_id)], "what the handler publishes follows from it"
    assert consumed.kind == EXPORTED_CONSUMER
    assert {
        "messaging.system": "kafka",
        "messaging.destination.name": "preview-ready",
        "messaging.message.id": message.envelope.id,
        "retake.run_id": message.event.run_id,
        "retake.correlation_id": message.envelope.correlation_id,
    }.items() <= consumed.attributes.items()


async def test_the_standard_variables_name_the_service_and_the_endpoint_of_traces(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{receiver.endpoint}/v1/traces")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "films")
    async with export_traces(Service.REVIEW):
        with pytest.raises(ZeroDivisionError), span("work", kind=SpanKind.SERVER, traceparent=PARENT):
            raise ZeroDivisionError
    assert (receiver.named("work").service, receiver.named("work").trace_id) == ("films", TRACE)


@pytest.mark.parametrize("name", ["OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"])
async def test_the_standard_variables_turn_export_off(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"}[name])
    async with export_traces(Service.REVIEW):
        with span("work"):
            assert current_trace_id()
    assert receiver.spans == []


async def test_without_an_endpoint_ids_are_passed_on() -> None:
    async with export_traces(Service.REVIEW):
        assert (current_trace_id(), current_traceparent()) == (None, None)
        with span("http") as outer:
            assert not outer.is_recording()
            root = current_trace_id()
            assert root
            assert len(root) == 32
            with span("inner"):
                assert current_trace_id() == root
            with span("other", traceparent=PARENT):
                assert (current_trace_id(), current_traceparent()) == (TRACE, PARENT)
            assert current_trace_id() == root
        for malformed in ("", "00-0-0-00", "00-" + 32 * "0" + "-00f067aa0ba902b7-01", "ä"):
            with span("http", traceparent=malformed):
                assert current_trace_id() not in (None, root, TRACE)


def test_without_an_endpoint_no_sdk_is_loaded() -> None:
    program = (
        "import asyncio, sys\n"
        "from shared.observability.tracing import export_traces, span\n"
        "async def main():\n"
        "    async with export_traces('review'):\n"
        "        with span('work'): pass\n"
        "asyncio.run(main())\n"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
