"""Loop latency on an idle stack with an instant provider: accept POST → `complete`; POST of a run → `preview-ready`.

The reference is a floor from the same run: the same number of raw Kafka hops, each with one PostgreSQL commit before
its produce, with bare aiokafka and asyncpg on the same broker and server. Rounds alternate, so that both see the same
load. Once on the embedded broker, where a hop waits for its fetch to end (`EMBEDDED_FETCH_WAIT_MS`), and once on
Apache Kafka.
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
from tests.support.components import Missing

BLOCKS: Final = 4
ROUNDS: Final = 15  # of each, per block
HOPS: Final = 3
"""Of both: decision-submitted, accepted, complete; and regenerate-requested, preview-ready, review-updated."""


def main() -> None:
    result = {}
    for name, apache in (("embedded", False), ("apache", True)):
        with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
            try:
                found = asyncio.run(_measure(Path(folder), apache))
            except Missing as e:
                print(f"{name}: not measured, {e}")
                continue
        result[name] = {of: _figures(times) for of, times in found.items()}
        _show(f"loop latency, idle stack, instant provider, broker: {name}", result[name])
    print("reach: accept → complete p99 < 100 ms")
    print(f"raw numbers: {save('loop', result)}")


def _show(title: str, of: dict[str, dict[str, Any]]) -> None:
    base = of["floor"]["p50_ms"]
    named = {
        "accept → complete": of["accept"],
        "run → preview-ready": of["request"],
        f"floor: {HOPS} raw hops with a commit": of["floor"],
    }
    table(
        title,
        ["", "p50 ms", "p99 ms", "x floor (reach ≤ 2)"],
        [[name, found["p50_ms"], found["p99_ms"], found["p50_ms"] / base] for name, found in named.items()],
    )


def _figures(times: list[float]) -> dict[str, Any]:
    ms = [t * 1000 for t in times]
    return {"p50_ms": statistics.median(ms), "p99_ms": percentile(ms, 0.99), "all_ms": ms}


async def _measure(folder: Path, apache: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"request": [], "accept": [], "floor": []}
    async with stack(folder, apache=apache) as running, running.person() as person:
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
    return await floor(running.kafka, running.postgres.admin_url, HOPS, ROUNDS, embedded=running.embedded)


if __name__ == "__main__":
    main()
