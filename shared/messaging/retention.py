"""Retention of messaging: published outbox rows and inbox entries are kept for their window, then deleted.

In portions, so that a pause of any length is caught up with, and at a cost of what there is to delete: neither what is
kept nor how long the installation has been running matters (docs/decisions/0018).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Final

from shared.core.clock import Clock
from shared.jobs.recurring import recurring
from shared.messaging import inbox
from shared.postgres.pool import Pool, transaction

EVERY_S: Final = 3600.0
KEPT_DAYS: Final = 8  # one day more than a replay publishes again
PORTION: Final = 10_000  # rows of one transaction: a second or two
COMMITS_EVERY: Final = 24  # rounds

# By the index outbox_passing, which has no `complete`. What another replica deletes is left to it.
_PASSED: Final = """
    delete from outbox where id = any(array(
        select id from outbox
        where topic <> 'complete' and published_at is not null and created_at < now() - make_interval(days => $1)
        order by created_at limit $2 for update skip locked))
"""
# One page of the commits by asset, from the last row of the page before.
_SUPERSEDED: Final = """
    with page as materialized (
        select id, key from outbox  -- from the index outbox_topic_key alone
        where topic = 'complete' and (topic, key, id) >= ('complete', $3::text, $4::bigint)
        order by topic, key, id limit $2
    ), deleted as (
        delete from outbox o using (select *, lead(id) over (partition by key order by id) as newer from page) p
        where o.id = p.id and p.newer is not null
          and o.published_at is not null and o.created_at < now() - make_interval(days => $1)
    )
    select key, id from page order by key desc, id desc limit 1
"""


def prune_recurringly(pool: Pool, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Prunes once an hour while the block is open; once a day also the commits that have a successor."""
    rounds = count()

    async def work() -> None:
        await prune(pool)
        if next(rounds) % COMMITS_EVERY == 0:
            await prune_commits(pool)

    return recurring(work, name="messaging-retention", every_s=EVERY_S, clock=clock)


async def prune(pool: Pool, *, portion: int = PORTION) -> None:
    """Deletes what is past its window, except every `complete`."""
    await in_portions(pool, _PASSED, KEPT_DAYS, portion=portion)
    for statement in inbox.PRUNE:
        await in_portions(pool, statement, inbox.KEPT, portion=portion)


async def prune_commits(pool: Pool, *, page: int = PORTION) -> None:
    """Deletes each `complete` that is past its window, except the last one of its asset: a replay must include every
    commit. Looks at all of them."""
    last: Any = ("", 0)
    while True:
        async with transaction(pool) as connection:
            found = await connection.fetchrow(_SUPERSEDED, KEPT_DAYS, page, *last)
        if found is None or tuple(found) == tuple(last):
            return
        last = found


async def in_portions(pool: Pool, delete: str, *values: object, portion: int = PORTION) -> None:
    """Repeats a statement, each time in a transaction of its own, until it deletes less than it may. The number of rows
    that it may delete is its last parameter."""
    deleted = portion
    while deleted == portion:
        async with transaction(pool) as connection:
            deleted = int((await connection.execute(delete, *values, portion)).rpartition(" ")[2])
