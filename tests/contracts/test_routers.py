"""The routers of the services, held against the catalogue of topics and the AsyncAPI document."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from faststream import BaseMiddleware
from faststream.kafka import KafkaRouter

from shared.contracts.topics import Service, consumed_by
from shared.core.errors import Permanent
from shared.messaging.routers import Delivery, handlers_of, on
from tests.support.messaging import record_effect, router_of

ASYNCAPI = Path(__file__).resolve().parents[2] / "docs" / "events" / "asyncapi.json"


@pytest.mark.parametrize("service", Service)
def test_handlers_and_the_asyncapi_document_agree(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"services.{service}.consumers")
    payloads: dict[str, str] = {}

    def recording_on(router: KafkaRouter, event: Any) -> Any:
        def subscribe(handler: Any) -> Any:
            annotation = get_type_hints(handler)["delivery"]
            assert get_origin(annotation) is Delivery
            (payload,) = get_args(annotation)
            payloads[event.TOPIC] = payload.__name__
            return on(router, event)(handler)

        return subscribe

    monkeypatch.setattr(module, "on", recording_on)
    dependencies = inspect.signature(module.consumer_router).parameters  # only called when an event is handled
    router = module.consumer_router(*[None for _ in dependencies])

    assert set(handlers_of(router, service)) == set(payloads) == {topic.name for topic in consumed_by(service)}
    document = json.loads(ASYNCAPI.read_text())
    prefix = f"{service}.consumes."
    documented = {
        name.removeprefix(prefix): operation["messages"][0]["$ref"].rpartition("/")[2]
        for name, operation in document["operations"].items()
        if name.startswith(prefix)
    }
    assert documented == payloads


def test_a_router_that_lacks_a_handler_is_refused() -> None:
    router = KafkaRouter()
    for topic in consumed_by(Service.REVIEW)[1:]:
        on(router, topic.event)(record_effect)
    with pytest.raises(Permanent, match="handlers_differ"):
        handlers_of(router, Service.REVIEW)


def test_what_only_faststreams_own_pipeline_would_run_is_refused() -> None:
    with_middleware = router_of(Service.REVIEW)
    with_middleware.add_middleware(BaseMiddleware)
    with_publisher = router_of(Service.REVIEW)
    with_publisher.publisher("accepted")
    nested = router_of(Service.REVIEW)
    nested.include_router(KafkaRouter())
    twice = router_of(Service.REVIEW)
    on(twice, consumed_by(Service.REVIEW)[0].event)(record_effect)
    filtered = KafkaRouter()
    for topic in consumed_by(Service.REVIEW):
        subscriber = filtered.subscriber(topic.name)
        subscriber(record_effect)
        subscriber(record_effect)
    for router in (with_middleware, with_publisher, nested, twice, filtered):
        with pytest.raises(Permanent, match=r"unsupported_router"):
            handlers_of(router, Service.REVIEW)
