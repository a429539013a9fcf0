"""Loop latency on an idle stack, the provider instant: accept POST → `complete`; POST of a run → `preview-ready`.

Held against a floor of that run: as many raw Kafka hops, each with one PostgreSQL commit before its produce, with bare
aiokafka and asyncpg on the same broker and server. Rounds alternate, so that both meet the same load.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from bench._floor import floor
from bench._report import percentile, save, table
from bench._stack import Stack, stack

BLOCKS: Final = 4
ROUNDS: Final = 15  # of each, per block
HOPS: Final = 3
"""Of both: decision-submitted, accepted, complete; and regenerate-requested, preview-ready, review-updated."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        found = asyncio.run(_measure(Path(folder)))
    result = {name: _figures(times) for name, times in found.items()}
    base = result["floor"]["p50_ms"]
    table("loop latency, idle embedded stack, instant provider", ["", "p50 ms", "p99 ms", "x floor (reach ≤ 2)"], [
        ["accept → complete", result["accept"]["p50_ms"], result["accept"]["p99_ms"],
         result["accept"]["p50_ms"] / base],
        ["run → preview-ready", result["request"]["p50_ms"], result["request"]["p99_ms"],
         result["request"]["p50_ms"] / base],
        [f"floor: {HOPS} raw hops with a commit", base, result["floor"]["p99_ms"], 1.0],
    ])
    print("reach: accept → complete p99 < 100 ms")
    print(f"raw numbers: {save('loop', result)}")


def _figures(times: list[float]) -> dict[str, Any]:
    ms = [t * 1000 for t in times]
    return {"p50_ms": statistics.median(ms), "p99_ms": percentile(ms, 0.99), "all_ms": ms}


async def _measure(folder: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"request": [], "accept": [], "floor": []}
    async with stack(folder) as running, running.person() as person:
        (asset,) = await person.assets(1)
        for _ in range(5):
            await person.decided((await person.requested(asset))[0])
        for _ in range(BLOCKS):
            for _ in range(ROUNDS):
                run, took = await person.requested(asset)
                found["request"].append(took)
                found["accept"].append(await person.decided(run))
            found["floor"] += await _floor(running)
    return found


async def _floor(running: Stack) -> list[float]:
    return await floor(running.kafka, running.postgres.admin_url, HOPS, ROUNDS)


if __name__ == "__main__":
    main()
