"""Typed event handlers on a FastStream router, and how the consumer finds them.

A service declares its handlers in its `consumers.py`. The consumer reads a batch of records and calls the handler of
each event, in order, within the one transaction of the batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from faststream.kafka import KafkaRouter
from faststream.kafka.subscriber.usecase import LogicSubscriber

from shared.contracts.base import Event
from shared.contracts.topics import Service, consumed_by
from shared.core.errors import Permanent
from shared.messaging.events import Message
from shared.postgres.pool import Connection

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True)
class Delivery(Generic[E_co]):
    """What a handler receives: an event with its envelope, and the transaction of its batch."""

    message: Message[E_co]
    connection: Connection

    @property
    def event(self) -> E_co:
        return self.message.event

    @property
    def time(self) -> datetime:
        """When the event occurred, UTC."""
        return self.message.envelope.time


Handler = Callable[[Delivery[Any]], Awaitable[None]]
"""Applies one event within the consumer's transaction. Effects outside PostgreSQL do not belong here."""


def on(
    router: KafkaRouter, event: type[E]
) -> Callable[[Callable[[Delivery[E]], Awaitable[None]]], Callable[[Delivery[E]], Awaitable[None]]]:
    """Subscribes the decorated handler to the event's topic."""

    def subscribe(handler: Callable[[Delivery[E]], Awaitable[None]]) -> Callable[[Delivery[E]], Awaitable[None]]:
        router.subscriber(event.TOPIC, title=event.TOPIC)(handler)
        return handler

    return subscribe


def handlers_of(router: KafkaRouter, service: Service) -> Mapping[str, Handler]:
    """The router's handlers by topic.

    The consumer calls them directly. FastStream's own pipeline would cost up to a third of the throughput for a parser,
    a decoder and middlewares that no handler uses, and its batch parser raises at a header that is not UTF-8, which
    loses the batch. Whatever only that pipeline would run is therefore refused: Permanent `unsupported_router` for
    middlewares, publishers, or several handlers of one topic; `handlers_differ` unless the topics are those that the
    service consumes according to topics.py.
    """
    if router.config.broker_middlewares or router.publishers or router.routers:
        raise Permanent("unsupported_router", f"the router of {service} has middlewares, publishers or nested routers")
    handlers: dict[str, Handler] = {}
    for subscriber in router.subscribers:
        if not isinstance(subscriber, LogicSubscriber) or len(subscriber.calls) != 1:
            raise Permanent("unsupported_router", f"a subscriber of {service} does not have exactly one handler")
        for topic in subscriber.topics:
            if topic.name in handlers:
                raise Permanent("unsupported_router", f"{service} has two handlers of {topic.name}")
            handlers[topic.name] = subscriber.calls[0].handler
    if different := {topic.name for topic in consumed_by(service)} ^ set(handlers):
        raise Permanent("handlers_differ", f"topics.py and the handlers of {service} differ in {sorted(different)}")
    return handlers
