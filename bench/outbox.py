"""The outbox: time from a commit to the broker's acknowledgement, one row at a time, and rows drained per second.

The relay runs as in a service, with a durable PostgreSQL and the embedded broker. The latency ends at the
acknowledgement and is measured from two points: after the COMMIT returns, when the relay in the same process may
already be at work, and before the COMMIT is sent, which includes the disk. The true value is in between; the target
is for the latter. The relay's backpressure is off while rows are drained, since there is no consumer. Medians of five
rounds. The reference is what Centrifugo publishes for its own outbox: about 2 ms and 17,000 rows/s.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench._report import percentile, save, table
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.messaging import relay as relay_module
from shared.messaging.broker import BrokerConfig
from shared.messaging.outbox import publish
from shared.messaging.relay import Relay
from shared.postgres.pool import Pool, open_pool, transaction
from tests.support import events
from tests.support.brokers import embedded_broker
from tests.support.postgres import embedded_postgres

SINGLE: Final = 60
MANY: Final = 5_000
ROUNDS: Final = 5
REACH: Final = {"p50_ms": 3, "rows_per_s": 10_000}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        result = asyncio.run(_measure(Path(folder)))
    drained = statistics.median(result["rows_per_s"])
    table(
        "outbox",
        ["", "ours", "reach", "Centrifugo's published"],
        [
            ["before the COMMIT → ack, p50 ms", result["p50_ms"], f"≤ {REACH['p50_ms']}", "~2"],
            ["before the COMMIT → ack, p99 ms", result["p99_ms"], "", ""],
            ["after it → ack, p50 ms", result["after_p50_ms"], "", ""],
            ["rows/s drained", f"{drained:,.0f}", f"≥ {REACH['rows_per_s']:,}", "17,000"],
        ],
    )
    print(f"raw numbers: {save('outbox', result | {'reach': REACH})}")


class _Acknowledged:
    """Wraps the relay's send and records when it returns."""

    def __init__(self) -> None:
        self._send = relay_module._send
        self.count = 0
        self.news = asyncio.Event()

    async def __call__(self, broker: Any, rows: Any, name: Any) -> Any:
        records = await self._send(broker, rows, name)
        self.count += len(rows)
        self.at = time.perf_counter()
        self.news.set()
        return records

    async def until(self, count: int) -> float:
        while self.count < count:
            self.news.clear()
            await self.news.wait()
        return self.at


async def _measure(folder: Path) -> dict[str, Any]:
    async with (
        embedded_postgres(folder / "postgres", durable=True) as postgres,
        embedded_broker(folder / "broker") as running,
    ):
        url = await postgres.fresh("generator")
        acknowledged = _Acknowledged()
        relay_module._send = acknowledged  # type: ignore[assignment]
        broker = BrokerConfig(running.bootstrap, Service.GENERATOR, embedded=False)
        async with open_pool(url, size=4) as pool, Relay(broker, url, clock=SystemClock()):
            await _one_by_one(pool, acknowledged, 10)  # warm
            latencies = await _one_by_one(pool, acknowledged, SINGLE * ROUNDS)
            drained = [await _many(pool, acknowledged) for _ in range(ROUNDS)]
    ms, after = [before * 1000 for before, _ in latencies], [after * 1000 for _, after in latencies]
    return {
        "p50_ms": statistics.median(ms),
        "p99_ms": percentile(ms, 0.99),
        "after_p50_ms": statistics.median(after),
        "all_ms": ms,
        "all_after_ms": after,
        "rows_per_s": drained,
    }


async def _one_by_one(pool: Pool, acknowledged: _Acknowledged, count: int) -> list[tuple[float, float]]:
    """Seconds from before the COMMIT, and from after it."""
    times = []
    for _ in range(count):
        wanted = acknowledged.count + 1
        async with transaction(pool) as connection:
            await publish(connection, [events.message(events.preview_ready())])
            requested = time.perf_counter()
        done = time.perf_counter()
        acked = await acknowledged.until(wanted)
        times.append((acked - requested, max(0.0, acked - done)))
    return times


async def _many(pool: Pool, acknowledged: _Acknowledged) -> float:
    """All rows become visible at once; the time from then to the last acknowledgement."""
    wanted = acknowledged.count + MANY
    async with transaction(pool) as connection:
        for _ in range(MANY // 1000):
            await publish(connection, [events.message(events.progress()) for _ in range(1000)])
    began = time.perf_counter()
    return MANY / (await acknowledged.until(wanted) - began)


if __name__ == "__main__":
    main()
