"""Loops per second: runs that are requested, previewed, accepted and completed by a growing number of users.

The peer is DBOS with the same loop as a durable workflow (request, generate, wait for a decision, accept, commit)
behind HTTP, on the same PostgreSQL and with the same clients. Its provider and its steps do nothing; ours writes a
few bytes. Two rounds of each, alternating. The processor time of a loop is reported for each process: on a small
machine the database, the broker and the clients share the same cores. Targets: performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from bench._gateway import Missing, running
from bench._processes import cpu_s, with_children
from bench._report import save, table
from bench._sse_servers import CACHE, PEERS
from bench._stack import Stack, stack
from deploy.local.supervisor.preflight import free_port

PEOPLE: Final = (8, 32, 96)
SECONDS: Final = 12.0
ROUNDS: Final = 2
REACH: Final = {"loops_per_s": 150, "of_dbos": 1}

Loop = Callable[[int], Awaitable[None]]
"""One complete loop of the user with this number."""


@dataclass(frozen=True)
class Side:
    name: str
    loop: Loop
    pids: Mapping[str, Sequence[int]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.throughput", description=__doc__)
    parser.add_argument("--people", type=int, nargs="*", default=PEOPLE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--apache", action="store_true", help="on Apache Kafka instead of the embedded broker")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        rows, missing = asyncio.run(_measure(Path(folder), args.people, args.seconds, args.apache))
    best = _show(rows)
    for one in missing:
        print(f"missing peer: {one}")
    print(f"raw numbers: {save('throughput', {'rows': rows, 'best': best, 'missing': missing, 'reach': REACH})}")


async def _measure(
    folder: Path, people: Sequence[int], seconds: float, apache: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    rows, missing = [], []
    async with stack(folder, apache=apache) as ours:
        postgres = {"PostgreSQL": [server_of(ours.postgres.admin_url)]}
        async with _retake(ours, max(people)) as retake:
            try:
                async with _dbos(ours) as dbos:
                    sides = [retake, dbos]
                    rows = await _rounds(sides, people, seconds, postgres)
            except Missing as e:
                missing.append(str(e))
                rows = await _rounds([retake], people, seconds, postgres)
    return rows, missing


async def _rounds(
    sides: Sequence[Side], people: Sequence[int], seconds: float, shared: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
    for side in sides:
        await saturate(side, min(people), 2.0, shared)  # warm
    return [await saturate(side, count, seconds, shared) for _ in range(ROUNDS) for count in people for side in sides]


async def saturate(side: Side, people: int, seconds: float, shared: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """So many users, each of whom starts the next loop when the last one is complete; only complete loops count."""
    ends = time.perf_counter() + seconds
    took: list[float] = []

    async def person(number: int) -> None:
        while (began := time.perf_counter()) < ends:
            await side.loop(number)
            took.append(time.perf_counter() - began)

    def used() -> dict[str, float]:
        return {name: cpu_s(with_children(pids)) for name, pids in {**side.pids, **shared}.items()}

    before, began = used(), time.perf_counter()
    psutil.cpu_percent()
    async with asyncio.TaskGroup() as group:
        for number in range(people):
            group.create_task(person(number))
    wall = time.perf_counter() - began
    cpu = {name: (now - before[name]) / len(took) * 1000 for name, now in used().items()}
    return {
        "side": side.name,
        "people": people,
        "loops": len(took),
        "loops_per_s": len(took) / wall,
        "p50_ms": statistics.median(took) * 1000,
        "cpu_ms_per_loop": cpu,
        "machine_busy_percent": psutil.cpu_percent(),
    }


@asynccontextmanager
async def _retake(ours: Stack, people: int) -> AsyncIterator[Side]:
    async with ours.person() as person:
        assets = await person.assets(people)

        async def loop(number: int) -> None:
            run, _ = await person.requested(assets[number])
            await person.decided(run)

        yield Side("retake", loop, ours.pids)


@asynccontextmanager
async def _dbos(ours: Stack) -> AsyncIterator[Side]:
    python, port = await _installed(), free_port()
    await ours.postgres._execute("create database dbos")
    command = [str(python), str(PEERS / "dbos" / "server.py"), str(port), ours.postgres.url("dbos")]
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        running(command, port, None) as process,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as http,
    ):

        async def loop(number: int) -> None:
            run = await _posted(http, "/runs", {"asset": f"asset-{number}"})
            await _posted(http, f"/runs/{run['id']}", {})

        yield Side("DBOS", loop, {"server": [process.pid]})


async def _posted(http: aiohttp.ClientSession, path: str, body: dict[str, str]) -> Any:
    async with http.post(path, json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


async def _installed() -> Path:
    """The packages in the lock file, in a virtual environment in the user's cache: they are no dependency of Retake."""
    here = CACHE / "dbos"
    python, marker, lock = here / "bin/python", here / "installed.lock", PEERS / "dbos/requirements.lock"
    if not marker.exists() or marker.read_bytes() != lock.read_bytes():
        shutil.rmtree(here, ignore_errors=True)
        await _run("python3", "-m", "venv", str(here))
        await _run(str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock))
        shutil.copy(lock, marker)
    return python


async def _run(*command: str) -> None:
    child: Process = await asyncio.create_subprocess_exec(*command)
    if await child.wait():
        raise Missing(f"DBOS: `{' '.join(command)}` failed (see above)")


def server_of(url: str) -> int:
    """The process that listens at this URL."""
    port = int(url.rsplit("@", 1)[1].split("/")[0].split("?")[0].rsplit(":", 1)[1])
    pids: list[int | None] = [
        c.pid for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"
    ]
    return min(p for p in pids if p is not None)


def _show(rows: list[dict[str, Any]]) -> dict[str, float]:
    table(
        "loops per second",
        ["", "people", "loops/s", "p50 ms", "CPU ms a loop", "machine busy %"],
        [
            [
                r["side"],
                r["people"],
                r["loops_per_s"],
                f"{r['p50_ms']:.0f}",
                f"{sum(r['cpu_ms_per_loop'].values()):.1f}",
                f"{r['machine_busy_percent']:.0f}",
            ]
            for r in rows
        ],
    )
    best: dict[str, float] = {}
    for row in rows:
        best[row["side"]] = max(best.get(row["side"], 0.0), row["loops_per_s"])
    for side in best:
        top = max((r for r in rows if r["side"] == side), key=lambda r: r["loops_per_s"])
        parts = ", ".join(f"{name} {ms:.1f}" for name, ms in top["cpu_ms_per_loop"].items())
        print(f"{side}: {top['loops_per_s']:.0f} loops/s with {top['people']} people; CPU ms a loop: {parts}")
    if "DBOS" in best:
        print(f"{best['retake'] / best['DBOS']:.2f}x DBOS (reach ≥ {REACH['of_dbos']}x and ≥ {REACH['loops_per_s']}/s)")
    return best


if __name__ == "__main__":
    main()
