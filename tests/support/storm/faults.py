"""What is done to whom and when: a plan that depends on nothing but the seed, and its execution."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, assert_never

from shared.contracts.topics import Service

PAUSES_S: Final = (2.0, 14.0, 40.0)  # shorter than every lease, longer than the relay's and the group's, than a job's
SILENCES_S: Final = (1.0, 5.0, 12.0)
DOWN_S: Final = (0.0, 0.5, 3.0)
PAUSE_S: Final = (1.2, 6.0)  # at most between two faults: in short storms, in long ones
OF_SERVICES: Final = 0.88
LOSS_NEEDS_S: Final = 20.0  # a shorter storm has no time for the replay of a lost broker


class Kind(StrEnum):
    KILL = "killed"
    STOP = "terminated"
    PAUSE = "paused"
    POSTGRES_RESTART = "restarted"
    POSTGRES_KILL = "crashed"
    BROKER_KILL = "broker killed"
    BROKER_PAUSE = "broker paused"
    BROKER_LOSS = "broker lost"


@dataclass(frozen=True)
class Fault:
    """`at` and `lasts` are seconds: from the storm's begin, and until the process is started or goes on again."""

    at: float
    kind: Kind
    target: str
    replica: int
    lasts: float

    def __str__(self) -> str:
        place = f"{self.target}-{self.replica}" if self.target in list(Service) else self.target
        return f"{place} {self.kind.removeprefix(f'{self.target} ')} for {self.lasts:g} s"


def plan(seed: int, seconds: float, replicas: int) -> list[Fault]:
    """Faults in order of time. The first ones befall each process once, then chance decides. The last quarter of a
    second is quiet."""
    dice = random.Random(seed)
    first = _one_of_each()
    dice.shuffle(first)
    made: list[Fault] = []
    pause = min(max(PAUSE_S[0], seconds / 8), PAUSE_S[1])
    at = dice.uniform(0.5, 1.5)
    while at < seconds - 0.25:
        kind, target = first.pop() if first else _any(dice)
        made.append(Fault(round(at, 2), kind, target, dice.randrange(replicas), _lasts(dice, kind, seconds)))
        at += dice.uniform(0.5, pause)
    if seconds >= LOSS_NEEDS_S:
        lost = Fault(round(seconds * dice.uniform(0.3, 0.6), 2), Kind.BROKER_LOSS, "broker", 0, 0.0)
        made = sorted([*made, lost], key=lambda fault: fault.at)
    return made


def _one_of_each() -> list[tuple[Kind, str]]:
    services = [(kind, s.value) for s in Service for kind in (Kind.KILL, Kind.STOP, Kind.PAUSE)]
    return [*services, (Kind.POSTGRES_RESTART, "postgresql"), (Kind.POSTGRES_KILL, "postgresql"),
            (Kind.BROKER_KILL, "broker"), (Kind.BROKER_PAUSE, "broker")]  # fmt: skip


def _any(dice: random.Random) -> tuple[Kind, str]:
    if dice.random() < OF_SERVICES:
        return dice.choice((Kind.KILL, Kind.KILL, Kind.STOP, Kind.PAUSE)), dice.choice(list(Service)).value
    return dice.choice(_one_of_each()[-4:])


def _lasts(dice: random.Random, kind: Kind, seconds: float) -> float:
    match kind:
        case Kind.KILL | Kind.STOP:
            return dice.choice(DOWN_S)
        case Kind.PAUSE:
            return min(dice.choice(PAUSES_S), seconds / 2)
        case Kind.BROKER_PAUSE:
            return min(dice.choice(SILENCES_S), seconds / 2)
        case Kind.POSTGRES_RESTART | Kind.POSTGRES_KILL | Kind.BROKER_KILL | Kind.BROKER_LOSS:
            return 0.0
        case _:
            assert_never(kind)


class Target(Protocol):
    """A process that is started again whenever it ends."""

    def signal(self, how: signal.Signals) -> None: ...

    def hold(self, seconds: float) -> None:
        """Not to be started again for so long."""
        ...


class Victims(Protocol):
    def of(self, target: str, replica: int) -> Target: ...

    async def restart_postgres(self, how: signal.Signals) -> None: ...

    async def kill_broker(self, *, lose: bool) -> None: ...


async def execute(faults: Sequence[Fault], victims: Victims, tell: Callable[[Fault], None]) -> None:
    """Each at its time; returns when the last one is over."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.TaskGroup() as running:
        for fault in faults:
            await asyncio.sleep(max(0.0, begun + fault.at - loop.time()))
            tell(fault)
            running.create_task(_inflict(fault, victims))


async def _inflict(fault: Fault, victims: Victims) -> None:
    match fault.kind:
        case Kind.KILL | Kind.STOP:
            target = victims.of(fault.target, fault.replica)
            target.hold(fault.lasts)
            target.signal(signal.SIGKILL if fault.kind is Kind.KILL else signal.SIGTERM)
        case Kind.PAUSE | Kind.BROKER_PAUSE:
            target = victims.of(fault.target, fault.replica)
            target.signal(signal.SIGSTOP)
            await asyncio.sleep(fault.lasts)
            target.signal(signal.SIGCONT)
        case Kind.POSTGRES_RESTART:
            await victims.restart_postgres(signal.SIGINT)
        case Kind.POSTGRES_KILL:
            await victims.restart_postgres(signal.SIGKILL)
        case Kind.BROKER_KILL | Kind.BROKER_LOSS:
            await victims.kill_broker(lose=fault.kind is Kind.BROKER_LOSS)
        case _:
            assert_never(fault.kind)
