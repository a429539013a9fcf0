"""Limits that replicas share, and load that is shed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from services.gateway.api.middleware.concurrency import ConcurrencyLimit
from services.gateway.api.middleware.rate_limit import RateLimit, network_of
from services.gateway.api.problems import ProblemError
from services.gateway.domain.problems import Slug
from services.gateway.domain.rate_windows import WindowCount
from tests.support.clock import FakeClock


class Table:
    """The adapter's rules, in memory; `during` runs while the statement is on its way."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], WindowCount] = {}
        self.statements = 0
        self.during = lambda: None

    async def add(self, used: Sequence[WindowCount], now: float, window_s: int) -> list[WindowCount]:
        self.statements += 1
        for u in used:
            row = self.rows.get(u.key)
            if row is not None and row.begun > now - window_s:
                self.rows[u.key] = WindowCount(*u.key, row.begun, row.count + u.count)
            else:
                self.rows[u.key] = u
        self.during()
        return [self.rows[u.key] for u in used]


async def test_replicas_add_up_and_agree_on_when_the_window_ends(clock: FakeClock) -> None:
    one, two, table = RateLimit(10, 60, clock), RateLimit(10, 60, clock), Table()
    for _ in range(4):
        one.take("user", "ana")
    await one.share(table)
    clock.move(20)
    for _ in range(4):
        two.take("user", "ana")
    await two.share(table)
    assert two.take("user", "ana").remaining == 1  # 4 + 4 + this one
    assert two.take("user", "ana").reset_s == 40  # the window began at the other replica
    await two.share(table)
    await one.share(table)  # nothing new here: not asked
    one.take("user", "ana")
    await one.share(table)
    assert one.take("user", "ana").exceeded
    clock.move(40)
    assert one.take("user", "ana").remaining == 9


async def test_many_callers_cost_one_statement_and_idle_ones_none(clock: FakeClock) -> None:
    limit, table = RateLimit(10, 60, clock), Table()
    for n in range(500):
        limit.take("address", str(n))
    await limit.share(table)
    await limit.share(table)
    assert table.statements == 1


async def test_what_comes_while_the_others_are_told_is_not_lost(clock: FakeClock) -> None:
    limit, table = RateLimit(10, 60, clock), Table()
    limit.take("user", "ana")
    table.during = lambda: (limit.take("user", "ana"), None)[1]
    await limit.share(table)
    table.during = lambda: None
    await limit.share(table)
    assert table.rows["user", "ana"].count == 2
    assert limit.take("user", "ana").remaining == 7


async def test_whatever_replica_is_asked_nothing_is_counted_twice_or_lost(clock: FakeClock) -> None:
    drawn = random.Random(3)
    table = Table()
    replicas = [RateLimit(10_000, 600, clock) for _ in range(3)]
    asked = 0
    for _ in range(400):
        if drawn.random() < 0.8:
            drawn.choice(replicas).take("user", "ana")
            asked += 1
        else:
            await drawn.choice(replicas).share(table)
    for replica in replicas:
        await replica.share(table)
    assert table.rows["user", "ana"].count == asked


async def test_what_could_not_be_told_is_told_the_next_time(clock: FakeClock) -> None:
    limit, table = RateLimit(10, 60, clock), Table()
    limit.take("user", "ana")

    def away() -> None:
        raise OSError("the database is away")

    table.during = away
    with pytest.raises(OSError, match="away"):
        await limit.share(table)
    table.rows.clear()  # the statement was rolled back
    table.during = lambda: None
    await limit.share(table)
    assert table.rows["user", "ana"].count == 1


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_is_one_caller(address: str, counts_as: str) -> None:
    assert network_of(address) == counts_as


async def test_more_than_can_be_answered_is_sent_away_and_waits_leave_room() -> None:
    slots = ConcurrencyLimit(2, 1)
    with slots.work(), slots.work():
        assert slots.trouble()
        with pytest.raises(ProblemError) as refused, slots.work():
            pass
        assert (refused.value.slug, refused.value.headers) == (Slug.UNAVAILABLE, {"Retry-After": "1"})
        with slots.wait() as may:
            assert may
            with slots.work(), slots.wait() as second:
                assert not second
    assert slots.trouble() is None
    with slots.work(), slots.work():
        await asyncio.sleep(0)
