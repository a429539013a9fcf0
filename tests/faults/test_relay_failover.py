"""A relay whose process is stopped or killed: another takes over, the stale one sends nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.messaging.broker import producer_of, publishing_broker
from shared.messaging.lease import LEASE_S, RENEW_S, LeaseLost, fence
from shared.messaging.relay import Relay
from tests.support.brokers import EmbeddedBroker, client_of
from tests.support.messaging import everything_on, header, side
from tests.support.relays import SILENCE_S, TOPIC, has_holder, previews, relay_process, token_is
from tests.support.waiting import eventually, holds


async def test_a_stopped_holder_is_replaced_in_time_and_publishes_nothing_when_it_wakes_up(
    embedded_broker: EmbeddedBroker, fresh_database: Callable[[str], Awaitable[str]]
) -> None:
    url = await fresh_database("generator")

    async def published() -> bool:
        return await generator.unpublished() == 0

    async with side(Service.GENERATOR, url) as generator, relay_process(embedded_broker, url) as first:
        before, after, last = previews(5), previews(5), previews(5)
        await generator.publish(before)
        await eventually(published, what="the first relay to publish")
        token = await generator.pool.fetchval("select token from relay_lease")
        async with Relay(client_of(embedded_broker, Service.GENERATOR), url, clock=SystemClock()) as second:
            await eventually(lambda: second.problem is None, what="the second relay to stand by")
            first.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            await generator.publish(after)
            await eventually(published, what="the second relay to publish", within=60)
            silence = time.monotonic() - stopped
            assert await generator.pool.fetchval("select token from relay_lease") == token + 1
            first.send_signal(signal.SIGCONT)
            await generator.publish(last)
            await eventually(published)

            await holds(lambda: token_is(generator, token + 1), during=5)
    assert silence <= SILENCE_S
    there = [header(r, "ce_id") for r in await everything_on(embedded_broker, TOPIC)]
    assert sorted(map(str, there)) == sorted(m.envelope.id for m in [*before, *after, *last]), "nothing comes twice"


async def test_a_killed_holder_is_replaced_at_once(
    embedded_broker: EmbeddedBroker, fresh_database: Callable[[str], Awaitable[str]]
) -> None:
    """Its session ends with its process: nobody waits for the end of the lease."""
    url = await fresh_database("generator")
    async with side(Service.GENERATOR, url) as generator, relay_process(embedded_broker, url) as first:
        await eventually(lambda: has_holder(generator), what="the first relay to be active")
        async with Relay(client_of(embedded_broker, Service.GENERATOR), url, clock=SystemClock()):
            first.kill()
            killed = time.monotonic()
            await eventually(lambda: token_is(generator, 2), what="the second relay to be active")
            assert time.monotonic() - killed < LEASE_S - RENEW_S, "the lease had at least this long to run"


async def test_what_waits_in_the_buffer_of_a_producer_is_not_sent_after_the_lease(
    embedded_broker: EmbeddedBroker,
) -> None:
    broker = publishing_broker(client_of(embedded_broker, Service.GENERATOR))
    await broker.start()
    held = True
    fence(producer_of(broker), lambda: held)
    try:
        await broker.publish(b"in time", TOPIC, key=b"a")
        waiting = await broker.publish(b"too late", TOPIC, key=b"a", no_confirm=True)
        held = False  # before the sender has had its turn
        with pytest.raises(LeaseLost):
            await waiting
    finally:
        await broker.stop()
    assert [r.value for r in await everything_on(embedded_broker, TOPIC)] == [b"in time"]
