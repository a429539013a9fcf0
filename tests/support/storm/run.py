"""One storm, from the first process to the table."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.support.brokers import ApacheBroker
from tests.support.storm import clients, report
from tests.support.storm.checker import Violation, check
from tests.support.storm.clients import Team
from tests.support.storm.collect import collect
from tests.support.storm.faults import Fault, execute, plan
from tests.support.storm.history import History
from tests.support.storm.settle import settle
from tests.support.storm.streams import Reader
from tests.support.storm.world import World, world

CATCH_UP_S: Final = 30.0
EVERY_S: Final = 10.0


@dataclass(frozen=True)
class Storm:
    """`settle_s`: how long everything may take to end after the last fault. `prepared`: there are films to make before
    the first one."""

    seconds: float
    seed: int
    replicas: int = 1
    clients: int = 20
    settle_s: float = 240.0
    prepared: bool = True


@dataclass
class Outcome:
    violations: list[Violation]
    history: History
    table: str


async def run(storm: Storm, folder: Path, broker: ApacheBroker, tell: Callable[[str], None]) -> Outcome:
    """The folder keeps logs, objects, the history and the report."""
    faults = plan(storm.seed, storm.seconds, storm.replicas)
    async with (
        world(folder, broker, storm.replicas) as system,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as http,
    ):
        teams = clients.teams(storm.clients, system.token, system.gateways, http, storm.seed)
        await system.calm()
        await asyncio.gather(*(clients.settle_in(team, prepared=storm.prepared) for team in teams))
        readers = _readers(teams, system, storm.seed)
        reading = [asyncio.create_task(reader.run(http)) for reader in readers]
        try:
            tell(f"{len(faults)} faults in {storm.seconds:g} s upon {storm.replicas} of each service")
            await _rage(storm, system, teams, faults, tell)
            tell("calm")
            await system.calm()
            waits = await settle(system, teams, storm.settle_s, tell)
            await _catch_up(system, readers)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        tell("collects the history")
        history = await collect(system, teams, readers)
    callers = [caller for team in teams for caller in team.members]
    violations = [*check(history), *(Violation("answers", text) for c in callers for text in c.unexpected)]
    shown = report.table(history, faults, violations, sum(c.repeats for c in callers), waits)
    (folder / "report.txt").write_text(shown + "\n")
    history.save(folder / "history.json.gz")
    return Outcome(violations, history, shown)


def _readers(teams: Sequence[Team], system: World, seed: int) -> list[Reader]:
    return [
        Reader(c.name, team.project_id, c.token, system.gateways, random.Random(f"stream {seed} {c.name}"))
        for team in teams
        for c in team.members
    ]


async def _rage(
    storm: Storm, system: World, teams: Sequence[Team], faults: Sequence[Fault], tell: Callable[[str], None]
) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()

    def over() -> bool:
        return loop.time() - begun >= storm.seconds

    async with asyncio.TaskGroup() as group:
        for team in teams:
            for caller in team.members:
                group.create_task(clients.work(team, caller, over))
        telling = group.create_task(_tell_often(teams, tell))
        await execute(faults, system, lambda fault: tell(f"{loop.time() - begun:6.1f} s  {fault}"))
        await asyncio.sleep(max(0.0, begun + storm.seconds - loop.time()))
        telling.cancel()


async def _tell_often(teams: Sequence[Team], tell: Callable[[str], None]) -> None:
    with suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(EVERY_S)
            callers = [caller for team in teams for caller in team.members]
            tell(f"{sum(len(c.answers) for c in callers)} answers, {sum(c.repeats for c in callers)} repeats")


async def _catch_up(system: World, readers: Sequence[Reader]) -> None:
    """Until no stream has moved for a while; what is still missing then, the checker finds."""
    loop = asyncio.get_running_loop()
    end, before = loop.time() + CATCH_UP_S, [-1]
    while loop.time() < end and before != (now := [reader.place for reader in readers]):
        before = now
        await asyncio.sleep(3.0)
