"""The absence of an event may be concluded only when every record is read, in every partition."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from shared.contracts.topics import Service
from shared.messaging.broker import BrokerConfig
from shared.messaging.consumer import Consumer
from tests.support.clock import FakeClock
from tests.support.messaging import router_of

A, B = TopicPartition("preview-ready", 0), TopicPartition("decision-submitted", 0)


class Member:
    """The part of aiokafka's consumer that is used: positions and ends by partition."""

    def __init__(self) -> None:
        self.positions = {A: 5, B: 0}
        self.ends: dict[TopicPartition, int | None] = {A: 5, B: 0}
        self.polled_s_ago = 0.0
        self.reassigning = False

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def last_poll_timestamp(self, _: TopicPartition) -> float:
        return (time.time() - self.polled_s_ago) * 1000

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.ends[partition]

    async def position(self, partition: TopicPartition) -> int:
        if self.reassigning:
            raise IllegalStateError("not assigned")
        return self.positions[partition]


@pytest.fixture
def consumer(clock: FakeClock) -> Consumer:
    config = BrokerConfig("nowhere:1", Service.REVIEW)
    return Consumer(config, cast(Any, None), router_of(Service.REVIEW), clock=clock)


async def settled(consumer: Consumer, member: Member, clock: FakeClock) -> float:
    await consumer._observe(cast(Any, member))
    clock.move(10)
    await consumer._observe(cast(Any, member))
    return consumer.settled_for()


async def test_it_counts_from_the_moment_when_everything_was_read(consumer: Consumer, clock: FakeClock) -> None:
    assert consumer.settled_for() == 0
    assert await settled(consumer, Member(), clock) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"ends": {A: 5, B: 1}},  # of a partition that this process has never read
        {"ends": {A: 6, B: 0}},
        {"ends": {A: 5, B: None}},  # no answer yet
        {"polled_s_ago": 60.0},
        {"reassigning": True},
        {"positions": {}},
    ],
)
async def test_it_is_zero_while_anything_may_be_unread(
    consumer: Consumer, clock: FakeClock, change: dict[str, Any]
) -> None:
    member = Member()
    vars(member).update(change)
    assert await settled(consumer, member, clock) == 0


async def test_an_unresponsive_broker_restarts_the_count(consumer: Consumer, clock: FakeClock) -> None:
    member = Member()
    await settled(consumer, member, clock)
    member.polled_s_ago = 60
    await consumer._observe(cast(Any, member))
    assert consumer.settled_for() == 0
    member.polled_s_ago = 0
    assert await settled(consumer, member, clock) == 10
