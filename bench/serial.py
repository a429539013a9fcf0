"""What only one transaction of an installation does at a time, and how often a second: the number of an entry of the
gateway's event log, and the claim of a job of one kind. These bound what more replicas can add.

`python -m bench.serial`. An own PostgreSQL, as `retake up` starts it (durable): an entry's number is held until its
commit is on the disk, so the disk decides. `--keys` projects have `--waiting` jobs of one kind.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bench._report import percentile, save, table
from shared.core.ids import new_id
from shared.jobs import queue
from shared.postgres.pool import Pool, open_pool, transaction
from tests.support.postgres import embedded_postgres

CLIENTS: Final = (1, 4, 16)
AT_ONCE: Final = 4  # free places of a worker that claims
ENTRY: Final = "insert into event_log (project_id, name, data) values ($1, 'changed', $2)"
FILL: Final = """
    insert into jobs (job_id, kind, fair_key) select gen_random_uuid(), 'render', 'project ' || n % $2
    from generate_series(1, $1) n
"""


async def measure(waiting: int, keys: int, seconds: float, directory: Path) -> dict[str, Any]:
    async with embedded_postgres(directory, durable=True) as server:
        found: dict[str, Any] = {"waiting": waiting, "keys": keys}
        async with open_pool(await server.fresh("gateway"), size=max(CLIENTS)) as pool:
            for clients in CLIENTS:
                found[f"entries, {clients} clients"] = await _repeated(clients, seconds, lambda: _append(pool))
        async with open_pool(await server.fresh("generator"), size=max(CLIENTS)) as pool:
            await pool.execute(FILL, waiting, keys, timeout=600)
            await pool.execute("vacuum analyze jobs", timeout=600)
            for clients in CLIENTS:
                found[f"claims of {AT_ONCE}, {clients} clients"] = await _repeated(
                    clients, seconds, lambda: _claim(pool)
                )
    return found


async def _append(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute(ENTRY, new_id(), "x" * 600)


async def _claim(pool: Pool) -> None:
    async with transaction(pool) as connection:
        for claim in await queue.claim(connection, "render", AT_ONCE, worker="bench"):
            await queue.finish(connection, claim)


async def _repeated(clients: int, seconds: float, work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    took: list[float] = []
    ends = time.monotonic() + seconds

    async def client() -> None:
        while (began := time.monotonic()) < ends:
            await work()
            took.append(time.monotonic() - began)

    await asyncio.gather(*(client() for _ in range(clients)))
    return {
        "per_s": round(len(took) / seconds),
        "p50_ms": round(1000 * percentile(took, 0.5), 1),
        "p99_ms": round(1000 * percentile(took, 0.99), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.serial", description=__doc__)
    parser.add_argument("--waiting", type=int, default=50_000)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each figure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when we are root
        found = asyncio.run(measure(options.waiting, options.keys, options.seconds, Path(folder) / "postgres"))
    timed = {name: values for name, values in found.items() if isinstance(values, dict)}
    table("one at a time", ["", "per second", "p50 ms", "p99 ms"], [[n, *v.values()] for n, v in timed.items()])
    save("serial", found)


if __name__ == "__main__":
    main()
