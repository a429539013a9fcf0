"""A relay whose machine vanishes from the network. By `make faults`: needs a network namespace, and a lease's time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.messaging.relay import Relay
from tests.support.brokers import EmbeddedBroker, client_of
from tests.support.messaging import everything_on, header, side
from tests.support.namespaces import node
from tests.support.relays import SILENCE_S, TOPIC, previews, relay_on_a_node, token_is
from tests.support.waiting import eventually, holds


async def test_a_node_that_vanishes_is_replaced_in_time_and_publishes_nothing_when_it_returns(
    embedded_broker: EmbeddedBroker, fresh_database: Callable[[str], Awaitable[str]]
) -> None:
    """Its packets are dropped: PostgreSQL keeps its session, as no end of it is ever told."""
    url = await fresh_database("generator")

    async def published() -> bool:
        return await generator.unpublished() == 0

    with node() as there:
        async with side(Service.GENERATOR, url) as generator, relay_on_a_node(there, embedded_broker, url):
            before, after, last = previews(5), previews(5), previews(5)
            await generator.publish(before)
            await eventually(published, what="the relay on the node to publish")
            token = await generator.pool.fetchval("select token from relay_lease")
            async with Relay(client_of(embedded_broker, Service.GENERATOR), url, clock=SystemClock()) as second:
                await eventually(lambda: second.problem is None, what="the second relay to stand by")
                there.vanish()
                vanished = time.monotonic()
                await generator.publish(after)
                await eventually(published, what="the second relay to publish", within=60)
                silence = time.monotonic() - vanished
                there.return_()
                await generator.publish(last)
                await eventually(published)
                await holds(lambda: token_is(generator, token + 1), during=5)
    assert silence <= SILENCE_S
    found = [header(r, "ce_id") for r in await everything_on(embedded_broker, TOPIC)]
    assert sorted(map(str, found)) == sorted(m.envelope.id for m in [*before, *after, *last]), "nothing comes twice"
