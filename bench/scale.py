"""One replica of each service against three on Apache Kafka, a rolling restart under load, and a full database.

*Replicas*: loops per second and their processor time, with as many users in both. On one machine more replicas cannot
be faster once its cores are busy: the ratio of the processor time is what a replica costs. *Rolling restart*: each of
the twelve processes is ended by SIGTERM and started again, one after another, while users work; then the databases
say whether a run was lost or had an effect twice. *Size*: what a person reads of one project, alone in the database
and among many.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from bench._copies import copy_project
from bench._loop import Person
from bench._report import percentile, save, table
from bench._stack import Replica, Stack, stack
from bench.throughput import Side, saturate, server_of
from shared.contracts.topics import Service
from tests.support.components import Missing

PARTITIONS: Final = 12
REPLICAS: Final = (1, 3)
PEOPLE: Final = 24
SECONDS: Final = 20.0
PROJECTS: Final = 100
SEGMENTS: Final = 100  # of each project
READS: Final = 200
ONCE: Final = {"preview-ready": Service.GENERATOR, "accepted": Service.REVIEW, "complete": Service.GENERATOR}
"""What is published once about a run of a starting image, and by whom."""
_PUBLISHED: Final = "select headers->>'ce_subject' as run, count(*) as times from outbox where topic = $1 group by 1"
_UNFINISHED: Final = "select count(*) from runs where status not in ('complete', 'preview_ready')"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--projects", type=int, default=PROJECTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        try:
            found = asyncio.run(_measure(Path(folder), args.people, args.seconds, args.projects))
        except Missing as e:
            print(f"not measured: {e}")
            return
    _show(found)
    print(f"raw numbers: {save('scale', found)}")


async def _measure(folder: Path, people: int, seconds: float, projects: int) -> dict[str, Any]:
    found: dict[str, Any] = {"replicas": {}}
    for count in REPLICAS:
        own = folder / str(count)
        own.mkdir()
        async with stack(own, apache=True, replicas=count, partitions=PARTITIONS) as running:
            async with _users(running, people) as (users, side):
                postgres = {"PostgreSQL": [server_of(running.postgres.admin_url)]}
                await saturate(side, min(8, people), 3.0, postgres)  # warm
                found["replicas"][count] = await saturate(side, people, seconds, postgres)
                if count == max(REPLICAS):
                    found["rolling"] = await _rolling(running, users, side, people)
            if count == min(REPLICAS):
                found["size"] = await _sizes(running, projects)
    return found


@asynccontextmanager
async def _users(running: Stack, people: int) -> AsyncIterator[tuple[list[Person], Side]]:
    """Each with a stream of their own, spread over the gateways."""
    async with AsyncExitStack() as resources:
        users = [await resources.enter_async_context(running.person(number)) for number in range(people)]
        assets = await users[0].assets(people)

        async def loop(number: int) -> None:
            run, _ = await users[number].requested(assets[number])
            await users[number].decided(run)

        yield users, Side("retake", loop, running.pids)


async def _rolling(running: Stack, users: Sequence[Person], side: Side, people: int) -> dict[str, Any]:
    """Every process in turn, while all users go on."""
    done = asyncio.Event()
    took: list[float] = []
    arrivals: list[float] = []

    async def person(number: int) -> None:
        while not done.is_set():
            began = time.perf_counter()
            await side.loop(number)
            arrivals.append(time.perf_counter())
            took.append(arrivals[-1] - began)

    async def roll() -> float:
        began = time.perf_counter()
        try:
            for replica in [r for group in running.replicas.values() for r in group]:
                await _restart(replica)
        finally:
            done.set()
        return time.perf_counter() - began

    async with asyncio.TaskGroup() as group:
        rolled = group.create_task(roll())
        for number in range(people):
            group.create_task(person(number))
    silences = [b - a for a, b in pairwise(arrivals)]
    return {
        "processes": sum(len(group) for group in running.replicas.values()),
        "seconds": rolled.result(),
        "loops": len(took),
        "loop_p50_s": percentile(took, 0.5),
        "loop_max_s": max(took),
        "longest_silence_s": max(silences),
        "commands_sent_again": sum(user.sent_again for user in users),
        **await _effects(running),
    }


async def _restart(replica: Replica) -> None:
    await replica.stop()
    await replica.start()
    await replica.ready()


async def _effects(running: Stack) -> dict[str, int]:
    """Of all runs: what was never published about them, and what was published more than once."""
    runs = await _query(running, Service.GATEWAY, "select run_id::text as run from runs where status = 'complete'")
    lost = doubled = 0
    for topic, service in ONCE.items():
        times = {row["run"]: row["times"] for row in await _query(running, service, _PUBLISHED, topic)}
        lost += sum(row["run"] not in times for row in runs)
        doubled += sum(count > 1 for count in times.values())
    [unfinished] = await _query(running, Service.GATEWAY, _UNFINISHED)
    return {"runs": len(runs), "unfinished": unfinished[0], "lost": lost, "doubled": doubled}


async def _query(running: Stack, service: Service, statement: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(running.databases[service])
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def _sizes(running: Stack, projects: int) -> dict[str, Any]:
    """The same reads, when the project is alone and when it is one of many."""
    async with running.person() as person:
        images = await person.assets(SEGMENTS)
        for image in images:
            run, _ = await person.requested(image)
            await person.decided(run)
        project = person.project
    alone = await _reads(running, [project])
    connection = await asyncpg.connect(running.databases[Service.GATEWAY])
    try:
        copies = await copy_project(connection, project, projects - 1)
        counted = {name: await connection.fetchval(f"select count(*) from {name}") for name in ("segments", "versions")}
    finally:
        await connection.close()
    many = await _reads(running, [project, *copies])
    return {"projects": projects, **counted, "alone": alone, "many": many}


async def _reads(running: Stack, projects: Sequence[str]) -> dict[str, dict[str, float]]:
    headers = {"Authorization": f"Bearer {running.token}"}
    dice = random.Random(7)
    async with aiohttp.ClientSession(running.gateway, headers=headers) as http:
        episodes = {p: (await _json(http, f"/projects/{p}/episodes"))["data"][0]["id"] for p in projects}
        chosen = [dice.choice(projects) for _ in range(READS)]
        reads: dict[str, Callable[[str], Awaitable[object]]] = {
            "list my projects": lambda _: _json(http, "/projects"),
            "list a project's episodes": lambda p: _json(http, f"/projects/{p}/episodes"),
            "list a project's runs": lambda p: _json(http, f"/projects/{p}/runs"),
            "an episode, whole": lambda p: _json(http, f"/episodes/{episodes[p]}"),
            "an episode's outline": lambda p: _json(http, f"/episodes/{episodes[p]}/outline"),
            "a stream, until its snapshot": lambda p: _snapshot(http, p),
        }
        return {name: await _timed(read, chosen) for name, read in reads.items()}


async def _timed(read: Callable[[str], Awaitable[object]], projects: Sequence[str]) -> dict[str, float]:
    took = []
    for project in projects:
        began = time.perf_counter()
        await read(project)
        took.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99)}


async def _json(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(f"/api/v1{path}") as answer:
        answer.raise_for_status()
        return await answer.json()


async def _snapshot(http: aiohttp.ClientSession, project: str) -> None:
    async with http.get(f"/api/v1/projects/{project}/events") as stream:
        async for line in stream.content:
            if line.startswith(b"event: snapshot"):
                return
    raise RuntimeError("the stream ended without a snapshot")


def _show(found: dict[str, Any]) -> None:
    one, more = (found["replicas"][count] for count in REPLICAS)
    table(
        f"replicas of each service; Apache Kafka, {PARTITIONS} partitions",
        ["replicas", "loops/s", "p50 ms", "CPU ms a loop", "machine busy %"],
        [
            [count, r["loops_per_s"], r["p50_ms"], sum(r["cpu_ms_per_loop"].values()), r["machine_busy_percent"]]
            for count, r in found["replicas"].items()
        ],
    )
    cost = sum(more["cpu_ms_per_loop"].values()) / sum(one["cpu_ms_per_loop"].values())
    print(f"three of each: {more['loops_per_s'] / one['loops_per_s']:.2f}x the loops, {cost:.2f}x the CPU a loop")
    table("rolling restart under load", list(found["rolling"]), [list(found["rolling"].values())])
    size = found["size"]
    table(
        "reads, alone and among {projects} projects ({segments} segments, {versions} versions)".format(**size),
        ["", "alone p50 ms", "p99", "among all p50 ms", "p99", "x p50"],
        [
            [name, a["p50_ms"], a["p99_ms"], b["p50_ms"], b["p99_ms"], b["p50_ms"] / a["p50_ms"]]
            for (name, a), b in zip(size["alone"].items(), size["many"].values(), strict=True)
        ],
    )


if __name__ == "__main__":
    main()
