"""A broker that lost its data: how long preparing the replay of a large outbox takes, and what it holds up meanwhile.

`python -m bench.replay --rows 1000000`. An own PostgreSQL, as `retake up` starts it (durable); no broker: only the
database's part is measured, which has to end before the first row is published again.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg

from bench._report import save, table
from shared.contracts.topics import Service
from shared.messaging.broker import BrokerConfig
from shared.messaging.replay import CHUNK_ROWS, REPLAYED, BrokerMemory
from tests.support.postgres import embedded_postgres

NOWHERE = "127.0.0.1:1"
FILL = """
    insert into outbox (event_id, topic, key, headers, body, created_at, published_at)
    select gen_random_uuid(), (array['complete', 'preview-ready', 'progress'])[1 + n % 3],
           'asset-' || n % 5000, '{"ce_subject": "a run", "ce_projectid": "a project"}', repeat('x', 900),
           now() - interval '6 days' * n / $1::bigint, now()
    from generate_series(1, $1::bigint) n
"""
EVENT = "insert into outbox (event_id, topic, key, headers, body) values (gen_random_uuid(), 'failed', 'k', '{}', '')"


async def measure(rows: int, directory: Path) -> dict[str, float]:
    async with embedded_postgres(directory, durable=True) as server:
        url = await server.fresh("generator")
        connection, writer = await asyncpg.connect(url), await asyncpg.connect(url)
        await connection.execute(FILL, rows, timeout=3600)
        await connection.execute("vacuum analyze outbox", timeout=3600)
        memory = BrokerMemory(BrokerConfig(NOWHERE, Service.GENERATOR), connection)
        waits: list[float] = []
        writing = asyncio.create_task(_write(writer, waits))
        began = time.monotonic()
        await memory._begin(REPLAYED, "another cluster", everything=True)
        await memory._continue()
        seconds = time.monotonic() - began
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        unpublished = await connection.fetchval("select count(*) from outbox where published_at is null")
        await connection.close()
        await writer.close()
    waits.sort()
    return {
        "rows": rows,
        "unpublished": unpublished,
        "seconds": round(seconds, 1),
        "rows_per_s": round(rows / seconds),
        "commit_p50_ms": round(1000 * waits[len(waits) // 2], 1),
        "commit_max_ms": round(1000 * waits[-1], 1),
    }


async def _write(connection: asyncpg.Connection, waits: list[float]) -> None:
    """What a service goes on doing: one event in a transaction of its own, twenty times a second."""
    while True:
        began = time.monotonic()
        await connection.execute(EVENT)
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.replay", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when we are root
        found = asyncio.run(measure(options.rows, Path(folder) / "postgres"))
    table(f"preparing a replay, in chunks of {CHUNK_ROWS} rows", list(found), [list(found.values())])
    save("replay", found)


if __name__ == "__main__":
    main()
