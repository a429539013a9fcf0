"""Streams over a real log: readers who come and go between replicas while writers overlap."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from services.gateway.commands.stream_events import resource_event
from services.gateway.domain.event_log import StreamEvent
from shared.postgres.pool import transaction
from tests.conftest import FreshDatabase
from tests.support.gateway_harness import GatewayHarness
from tests.support.gateway_http import Gateway, Stream, gateway


@pytest.mark.parametrize("seed", [1, 2])
async def test_readers_who_come_and_go_on_two_replicas_miss_nothing_and_get_nothing_twice(
    fresh_database: FreshDatabase, tmp_path: Path, seed: int
) -> None:
    """Writers overlap, some roll back and some commit late; each reader is cut off at any moment, in the middle of the
    snapshot or of the log too, and resumes at the other replica from the last id it got."""
    url = await fresh_database("gateway")
    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as two:
        project = (await one.client().post("/projects", json={"name": "P"})).json()["id"]
        foreign = (await one.client("bob").post("/projects", json={"name": "Q"})).json()["id"]
        writers = [
            asyncio.create_task(_write(one.world, [project, foreign], random.Random(f"{seed}{n}"))) for n in range(4)
        ]
        readers = [
            asyncio.create_task(_read((one, two), project, random.Random(f"{seed}r{n}"), writers)) for n in range(4)
        ]
        await asyncio.gather(*writers)
        rows = await one.world.log(project)
        for begun, seen in await asyncio.gather(*readers):
            assert seen == [r["seq"] for r in rows if r["seq"] > begun]


async def _write(world: GatewayHarness, projects: list[str], dice: random.Random) -> None:
    for n in range(25):
        with suppress(ZeroDivisionError):
            async with transaction(world.pool) as connection:
                await world.stores(connection).log(
                    *(_progress(world, dice.choice(projects), n) for _ in range(dice.randint(1, 3)))
                )
                await asyncio.sleep(dice.random() * 0.02)
                if dice.random() < 0.2:
                    raise ZeroDivisionError


def _progress(world: GatewayHarness, project: str, percent: int) -> StreamEvent:
    return resource_event(
        "progress",
        project,
        None,
        world.clock.now(),
        status="processing",
        import_id=project,
        step="scanning",
        percent=percent,
    )


async def _read(
    replicas: tuple[Gateway, Gateway], project: str, dice: random.Random, writers: list[asyncio.Task[None]]
) -> tuple[int, list[int]]:
    """Where its one snapshot was taken, and what it got after that."""
    begun, seen, last = 0, [], None
    while True:
        over = all(w.done() for w in writers)
        g = dice.choice(replicas)
        headers = {"last-event-id": last} if last else {}
        async with Stream(g.app, f"/projects/{project}/events", g.token("ana"), headers) as stream:
            if over:
                end = await g.world.pool.fetchval("select max(seq) from event_log where project_id = $1", project)
                await stream.until(partial(_reached, stream, seen[-1] if seen else begun, end))
            else:
                await asyncio.sleep(dice.random() * 0.1)
        for event_id, name, _ in stream.events:
            if event_id is None:
                continue
            last, place = event_id, int(event_id.rpartition(":")[2])
            if name == "snapshot":
                assert begun == 0, "a reader who resumes gets no second snapshot"
                begun = place
            else:
                seen.append(place)
        if over:
            return begun, seen


def _reached(stream: Stream, before: int, end: int) -> bool:
    return max([before, *(int(i.rpartition(":")[2]) for i, _, _ in stream.events if i)]) >= end
