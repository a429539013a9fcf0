"""What the outbox, the inbox and the event log keep, and that any backlog is deleted in portions."""

from __future__ import annotations

from datetime import timedelta

from services.gateway.jobs import LOG_KEPT, prune_log
from shared.messaging.retention import prune, prune_commits
from shared.postgres.pool import Pool, open_pool
from tests.conftest import FreshDatabase
from tests.support.clock import FakeClock
from tests.support.plans import fill, uid

OLD = "now() - interval '20 days'"


async def _outbox(pool: Pool, key: str, topic: str, created: str, *, published: bool = True) -> int:
    found = await pool.fetchval(
        f"""insert into outbox (event_id, topic, key, headers, body, created_at, published_at)
            values (gen_random_uuid(), $1, $2, '{{}}', '', {created}, case when $3 then now() end) returning id""",
        topic,
        key,
        published,
    )
    return int(found)


async def _ids(pool: Pool) -> set[int]:
    return {row["id"] for row in await pool.fetch("select id from outbox")}


async def test_the_last_commit_of_each_asset_stays_and_what_was_not_published(fresh_database: FreshDatabase) -> None:
    async with open_pool(await fresh_database("review"), size=2) as pool:
        replaced = [await _outbox(pool, asset, "complete", OLD) for asset in ("a", "b", "b", "c")]
        waiting = await _outbox(pool, "a", "complete", OLD, published=False)
        last = [await _outbox(pool, "a", "complete", "now()"), await _outbox(pool, "c", "complete", OLD)]
        alone = await _outbox(pool, "d", "complete", OLD)
        passed = [await _outbox(pool, key, "progress", OLD) for key in "abc"]
        unsent = await _outbox(pool, "a", "progress", OLD, published=False)
        young = await _outbox(pool, "a", "progress", "now() - interval '7 days'")
        await prune(pool, portion=2)
        assert await _ids(pool) & {*passed, unsent, young} == {unsent, young}
        assert await _ids(pool) >= {*replaced, waiting, *last, alone}
        for _ in range(2):  # nothing is left for a second walk
            await prune_commits(pool, page=2)
            assert await _ids(pool) == {replaced[2], waiting, *last, alone, unsent, young}


async def test_a_walk_over_the_commits_finds_what_lies_across_its_pages(fresh_database: FreshDatabase) -> None:
    async with open_pool(await fresh_database("review"), size=2) as pool:
        commits = [await _outbox(pool, f"asset {i // 3}", "complete", OLD) for i in range(12)]
        for page in (2, 3, 5):
            await prune_commits(pool, page=page)
            assert await _ids(pool) == set(commits[2::3])
            commits = [*commits[2::3], *[await _outbox(pool, f"asset {i}", "complete", OLD) for i in range(4)]]
            await prune_commits(pool, page=page)
            assert await _ids(pool) == set(commits[4:])
            await pool.execute("delete from outbox")
            commits = [await _outbox(pool, f"asset {i // 3}", "complete", OLD) for i in range(12)]


async def test_the_inbox_and_parked_events_are_pruned_in_portions(fresh_database: FreshDatabase) -> None:
    async with open_pool(await fresh_database("review"), size=1) as pool:
        async with pool.acquire() as connection:
            at = "now() - i * interval '1 day'"
            await fill(connection, "inbox", 20, event_id=uid("i"), topic="'x'", received_at=at)
            await fill(
                connection, "parked", 20, subject_id=uid("i"), topic="'x'", headers="'{}'", body="''", parked_at=at
            )
        await prune(pool, portion=3)
        assert await pool.fetchval("select count(*) from inbox") == 13
        assert await pool.fetchval("select count(*) from parked") == 13


async def test_the_event_log_is_pruned_in_portions_and_tells_how_far(fresh_database: FreshDatabase) -> None:
    clock = FakeClock()
    async with open_pool(await fresh_database("gateway"), size=1) as pool, pool.acquire() as connection:
        await fill(connection, "event_log", 10, seq="i", project_id=uid("1"), name="'changed'", data="''", at="now()")
        await connection.execute("update event_log set at = $1", clock.now() - LOG_KEPT - timedelta(minutes=1))
        await connection.execute("update event_log set at = $1 where seq > 7", clock.now())
        assert [await prune_log(connection, clock, 3) for _ in range(4)] == [3, 3, 1, 0]
        assert await connection.fetchval("select pruned_to from event_stream") == 7
        assert [r["seq"] for r in await connection.fetch("select seq from event_log order by 1")] == [8, 9, 10]
