"""What keeping the tables of messaging small costs, when they are large: an hour's rows, then a day's at once (as after
a pause), deleted as the services do it; beside it, one statement for all (which is undone), and dropping a table of a
day's rows, as partitions by day would be.

`python -m bench.housekeeping --rows 3000000`. An own PostgreSQL, as `retake up` starts it (durable). The outbox covers
8 days and an hour, and has one row for each asset that was ever committed before that; the inbox covers 14 days and an
hour. A service commits an event 20 times a second meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from bench._report import percentile, save, table
from shared.messaging import inbox, retention
from shared.postgres.pool import Pool, open_pool
from tests.support.postgres import embedded_postgres

ASSETS: Final = 100_000  # with a commit that is older than the window
FILL_OUTBOX: Final = """
    insert into outbox (event_id, topic, key, headers, body, created_at, published_at)
    select gen_random_uuid(), (array['complete', 'preview-ready', 'progress', 'progress'])[1 + n % 4],
           'asset-' || n % $2, '{"ce_subject": "a run", "ce_projectid": "a project"}', repeat('x', 900),
           now() - interval '193 hours' * n / $1::bigint, now()
    from generate_series(1, $1::bigint) n
"""
FILL_OLD: Final = """
    insert into outbox (event_id, topic, key, headers, body, created_at, published_at)
    select gen_random_uuid(), 'complete', 'old-asset-' || n, '{}', repeat('x', 900), now() - interval '20 days', now()
    from generate_series(1, $1) n
"""
FILL_INBOX: Final = """
    insert into inbox (event_id, topic, received_at)
    select gen_random_uuid(), 'progress', now() - interval '337 hours' * n / $1::bigint
    from generate_series(1, $1::bigint) n
"""
AS_BEFORE: Final = """
    delete from outbox o
    where published_at is not null and created_at < now() - interval '8 days'
      and not (topic = 'complete'
               and id = (select max(id) from outbox last where last.topic = o.topic and last.key = o.key))
"""
"""One statement that looks at every commit that is kept."""
EVENT: Final = (
    "insert into outbox (event_id, topic, key, headers, body) values (gen_random_uuid(), 'failed', 'k', '{}', '')"
)


async def measure(rows: int, directory: Path) -> dict[str, Any]:
    async with embedded_postgres(directory, durable=True) as server:
        url = await server.fresh("generator")
        async with open_pool(url, size=4) as pool, pool.acquire() as connection:
            await connection.execute(FILL_OUTBOX, rows, rows // 30, timeout=3600)
            await connection.execute(FILL_OLD, ASSETS, timeout=3600)
            await connection.execute(FILL_INBOX, rows, timeout=3600)
            await connection.execute(f"create table a_day as select * from outbox limit {rows // 8}", timeout=3600)
            await connection.execute("vacuum analyze outbox", timeout=3600)
            await connection.execute("vacuum analyze inbox", timeout=3600)
            found = {
                "bytes of an outbox row": await _row_bytes(connection, "outbox"),
                "bytes of an inbox row": await _row_bytes(connection, "inbox"),
                "an hour, in one statement": await _timed(pool, url, lambda: _rolled_back(pool)),
                "an hour": await _timed(pool, url, lambda: retention.prune(pool)),
                "nothing to delete": await _timed(pool, url, lambda: retention.prune(pool)),
                "the walk over all commits": await _timed(pool, url, lambda: retention.prune_commits(pool)),
            }
            _a_day_passes()
            found["a day at once"] = await _timed(pool, url, lambda: retention.prune(pool))
            found["vacuum after it"] = await _timed(pool, url, lambda: _vacuum(pool))
            found["a partition dropped"] = await _timed(pool, url, lambda: _drop(pool))
    return {"rows": rows, **found}


def _a_day_passes() -> None:
    retention.KEPT_DAYS -= 1  # type: ignore[misc]
    inbox.KEPT -= timedelta(days=1)  # type: ignore[misc]


async def _row_bytes(connection: Any, name: str) -> int:
    """With its indexes."""
    return int(await connection.fetchval(f"select pg_total_relation_size('{name}') / count(*) from {name}"))


async def _rolled_back(pool: Pool) -> None:
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(AS_BEFORE, timeout=3600)
        await undone.rollback()


async def _vacuum(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for name in ("outbox", "inbox"):
            await connection.execute(f"vacuum {name}", timeout=3600)


async def _drop(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("drop table a_day", timeout=3600)


async def _timed(pool: Pool, url: str, work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    """Its seconds, the rows that it deleted, and what commits of others took meanwhile."""
    before = await _count(pool)
    async with _writing(url) as waits:
        began = time.monotonic()
        await work()
        seconds = time.monotonic() - began
    return {
        "rows": before - await _count(pool) + len(waits),
        "seconds": round(seconds, 2),
        "commit_p50_ms": round(1000 * percentile(waits, 0.5), 1),
        "commit_max_ms": round(1000 * max(waits), 1),
    }


async def _count(pool: Pool) -> int:
    return int(await pool.fetchval("select (select count(*) from outbox) + (select count(*) from inbox)", timeout=600))


@asynccontextmanager
async def _writing(url: str) -> AsyncIterator[list[float]]:
    """What a service goes on doing: an event in a transaction of its own, twenty times a second."""
    waits: list[float] = []
    connection = await asyncpg.connect(url)

    async def write() -> None:
        while True:
            began = time.monotonic()
            await connection.execute(EVENT)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.05)

    writing = asyncio.create_task(write())
    while not waits:
        await asyncio.sleep(0.01)
    try:
        yield waits
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.housekeeping", description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when we are root
        found = asyncio.run(measure(options.rows, Path(folder) / "postgres"))
    timed = {name: values for name, values in found.items() if isinstance(values, dict)}
    headers = ["", "rows deleted", "seconds", "commits meanwhile: p50 ms", "max ms"]
    table(f"an outbox and an inbox of {options.rows} rows each", headers, [[n, *v.values()] for n, v in timed.items()])
    save("housekeeping", found)


if __name__ == "__main__":
    main()
