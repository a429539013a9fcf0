"""SSE fan-out: one event to many clients, for the gateway, Nchan (C) and better-sse (Node), with the same clients.

Two loads. *Paced*: one event at a time, each delivered everywhere before the next one, so that no server can combine
two events in one write; this is the most expensive case, and the latency is that of one fan-out. *Burst*: events as
fast as they can be published. A core is a second of processor time of the server's own processes; latency is from
before the publication (for the gateway, including the commit) to the client's receipt. Counts and times are limited;
medians of five rounds. Targets: performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import resource
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench._gateway import Missing
from bench._processes import cpu_s, resident_bytes, with_children
from bench._report import percentile, save, table
from bench._sse_servers import Server, Start, better_sse, event, nchan, retake
from tests.support.postgres import Postgres, embedded_postgres

CLIENTS: Final = (1000, 5000, 10_000)
ROUNDS: Final = 5
PACED: Final = 20_000  # deliveries a round, at least: CPU is counted in hundredths of a second
BURST: Final = 60_000
PATIENCE_S: Final = 60.0
DESCRIPTORS: Final = 12_000
REACH: Final = {"deliveries_per_core": 25_000, "times_better_sse": 2, "kb_per_client": 30, "p99_ms_1k": 50}


class Incomplete(Exception):
    """A server did not deliver the expected events."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.sse", description=__doc__)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    parser.add_argument("--only", help="one server, by the beginning of its name")
    args = parser.parse_args()
    _raise_limit()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        found, missing = asyncio.run(_measure(Path(folder), args.clients, args.only))
    _show(found, missing)
    print(f"raw numbers: {save('sse', {'rows': found, 'missing': missing, 'reach': REACH})}")


def _raise_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if 0 < hard < DESCRIPTORS:
        sys.exit(f"only {hard} files may be open (ulimit -Hn); {DESCRIPTORS} are needed")


async def _measure(folder: Path, counts: Sequence[int], only: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    found, missing = [], []
    starts: dict[str, Start] = {"retake": retake, "nchan": nchan, "better-sse": better_sse}
    async with embedded_postgres(folder / "postgres") as postgres:
        for count in counts:
            for name, start in starts.items():
                if only and not name.startswith(only):
                    continue
                try:
                    found.append(await _one(start, folder, postgres, count))
                except Missing as e:
                    missing.append(str(e))
                except (Incomplete, httpx.HTTPError, TimeoutError) as e:  # the others are still worth measuring
                    missing.append(f"{name}, {count} clients: not measured, {e!r}")
                save("sse", {"rows": found, "missing": missing, "reach": REACH})
    return found, sorted(set(missing))


async def _one(start: Start, folder: Path, postgres: Postgres, count: int) -> dict[str, Any]:
    own = folder / f"{start.__name__}-{count}"
    own.mkdir()
    async with start(own, postgres) as server:
        pids = with_children([server.process.pid])
        before = resident_bytes(pids)
        async with _clients(server, count) as clients:
            await asyncio.sleep(2)  # what their opening cost is given back
            await clients.received()
            memory = (resident_bytes(pids) - before) / count
            paced = [await _paced(server, clients, pids) for _ in range(ROUNDS)]
            burst = [await _burst(server, clients, pids) for _ in range(ROUNDS)]
    print(f"{server.name}, {count} clients: done", file=sys.stderr, flush=True)
    return {"server": server.name, "clients": count, "bytes_per_client": memory, "paced": paced, "burst": burst}


@dataclass
class _Clients:
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    count: int

    async def received(self) -> dict[str, Any]:
        """Since the last call."""
        self.stdin.write(b"\n")
        answer: dict[str, Any] = json.loads(await self.stdout.readline())
        return answer

    async def all_have(self, events: int) -> dict[str, Any]:
        """Once every client has so many; a client that was dropped is an error."""
        total: dict[str, Any] = {"events": 0, "bytes": 0, "latencies_ms": []}
        ends = time.monotonic() + PATIENCE_S
        while total["events"] < events * self.count:
            now = await self.received()
            if now["lost"] or time.monotonic() > ends:
                raise Incomplete(f"{total['events']} of {events * self.count} deliveries, {now['lost']} clients lost")
            for name in total:
                total[name] += now[name]
            await asyncio.sleep(0.02)
        return total


@asynccontextmanager
async def _clients(server: Server, count: int) -> AsyncIterator[_Clients]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench._sse_clients",
        str(server.port),
        server.path,
        str(count),
        *server.headers,
        stdin=PIPE,
        stdout=PIPE,
        limit=1 << 26,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not await asyncio.wait_for(process.stdout.readline(), 3 * PATIENCE_S):
            raise Incomplete("it refused a client (see above)")
        yield _Clients(process.stdin, process.stdout, count)
    finally:
        process.stdin.close()
        await process.wait()


async def _paced(server: Server, clients: _Clients, pids: set[int]) -> dict[str, Any]:
    events = math.ceil(PACED / clients.count)
    latencies: list[float] = []
    before = cpu_s(pids)
    for n in range(events):
        await server.publish([_event(server, n)])
        latencies += (await clients.all_have(1))["latencies_ms"]
    used = cpu_s(pids) - before
    return {
        "deliveries_per_core": events * clients.count / used,
        "p50_ms": statistics.median(latencies),
        "p99_ms": percentile(latencies, 0.99),
        "cpu_s": used,
        "events": events,
    }


async def _burst(server: Server, clients: _Clients, pids: set[int]) -> dict[str, Any]:
    events = math.ceil(BURST / clients.count)
    before, began = cpu_s(pids), time.monotonic()
    arrived, _ = await asyncio.gather(
        clients.all_have(events), server.publish([_event(server, n) for n in range(events)])
    )
    wall, used = time.monotonic() - began, cpu_s(pids) - before
    deliveries = events * clients.count
    return {
        "deliveries_per_core": deliveries / used,
        "deliveries_per_s": deliveries / wall,
        "cpu_s": used,
        "events": events,
        "bytes_per_delivery": arrived["bytes"] / deliveries,
    }


def _event(server: Server, number: int) -> str:
    return event(number, time.monotonic_ns() // 1000, server.overhead)


def _show(found: list[dict[str, Any]], missing: list[str]) -> None:
    def median(row: dict[str, Any], load: str, name: str) -> float:
        return float(statistics.median(r[name] for r in row[load]))

    table(
        "SSE fan-out, 330-byte events",
        ["", "clients", "paced /s/core", "burst /s/core", "burst /s", "p50 ms", "p99 ms", "KB/idle client"],
        [
            [
                r["server"],
                r["clients"],
                *(f"{median(r, load, 'deliveries_per_core'):,.0f}" for load in ("paced", "burst")),
                f"{median(r, 'burst', 'deliveries_per_s'):,.0f}",
                median(r, "paced", "p50_ms"),
                median(r, "paced", "p99_ms"),
                f"{r['bytes_per_client'] / 1024:.1f}",
            ]
            for r in found
        ],
    )
    print("reach: ≥ 25,000 deliveries/s/core, ≥ 2x better-sse, ≤ 30 KB per idle client, p99 < 50 ms at 1,000 clients")
    for one in missing:
        print(f"missing peer: {one}")


if __name__ == "__main__":
    main()
