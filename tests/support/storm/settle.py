"""The calm after a storm: what waits for people is decided, and everything has the time to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg

from shared.contracts.topics import Service
from tests.support.storm import clients
from tests.support.storm.clients import Team
from tests.support.storm.collect import offsets
from tests.support.storm.world import World

LOOK_S: Final = 1.0
TWICE: Final = 2  # what is quiet twice in a row is quiet

WAITING: Final = {
    Service.GATEWAY: {
        "runs": "select count(*) from runs where status not in"
        " ('complete', 'rejected', 'expired', 'failed', 'cancelled')",
        "batches": "select count(*) from batches where status in ('running', 'waiting_review', 'paused')",
        "films": "select count(*) from compilations where state in ('pending', 'processing')",
        "decisions": "select count(*) from reviews where verdict = 'pending'",
    },
    Service.GENERATOR: {
        "made": "select count(*) from runs where state in ('queued', 'generating', 'preview_ready')",
        "calls": "select count(*) from provider_calls where state in ('intended', 'submitted')",
    },
    Service.REVIEW: {"open": "select count(*) from reviews where state = 'open'"},
    Service.COMPILER: {"rendering": "select count(*) from pieces where made_at is null and lease_until > now()"},
}
OUTBOX: Final = "select count(*) from outbox where published_at is null"
SIGNING: Final = "select count(*) from jobs where kind = 'sign'"


async def settle(world: World, teams: Sequence[Team], within: float, tell: Callable[[str], None]) -> dict[str, int]:
    """Decide what can be decided until nothing waits. Returns what still waits when the time is over."""
    loop = asyncio.get_running_loop()
    end, quiet, waits = loop.time() + within, 0, {"everything": 1}
    while quiet < TWICE and loop.time() < end:
        await asyncio.gather(*(_decide_all(team) for team in teams))
        waits = await waiting(world)
        quiet = 0 if waits else quiet + 1
        if waits:
            tell("waits for " + ", ".join(f"{n} {what}" for what, n in waits.items()))
        await asyncio.sleep(LOOK_S)
    return waits


async def _decide_all(team: Team) -> None:
    caller = team.members[0]
    found = await caller.get(f"/projects/{team.project_id}/runs?status=preview_ready&limit=200")
    for run in (found or {"data": []})["data"]:
        if run["review"] is None or run["review"]["verdict"] != "pending":
            await clients.decide(caller, run, approve=True)
    batches = await caller.get(f"/episodes/{team.episode_id}/batches?limit=5")
    for batch in (batches or {"data": []})["data"]:
        if batch["status"] == "paused":
            await caller.post(f"/batches/{batch['id']}/resume")
        elif batch["status"] == "waiting_review" and not (found or {}).get("data"):
            await caller.post(f"/batches/{batch['id']}/cancel")


async def waiting(world: World) -> dict[str, int]:
    """What has not ended, by kind."""
    seen: dict[str, int] = {}
    for service, queries in WAITING.items():
        connection = await asyncpg.connect(world.databases[service], timeout=30)
        try:
            for what, query in (*queries.items(), (f"unpublished of {service}", OUTBOX)):
                seen[what] = int(await connection.fetchval(query))
            if service is Service.COMPILER:
                seen["signatures"] = int(await connection.fetchval(SIGNING))
        finally:
            await connection.close()
    seen["unread"] = sum(o.end - o.committed for o in await offsets(world.broker.bootstrap))
    return {what: n for what, n in seen.items() if n}


def summary(waits: dict[str, Any]) -> str:
    return json.dumps(waits)
