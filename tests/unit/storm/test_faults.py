"""The plan of a storm follows from its seed alone."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from shared.contracts.topics import Service
from tests.support.storm.faults import Fault, Kind, execute, plan


def test_the_same_seed_makes_the_same_plan_and_another_seed_another() -> None:
    assert plan(7, 300, 2) == plan(7, 300, 2)
    assert plan(7, 300, 2) != plan(8, 300, 2)


def test_a_storm_of_minutes_befalls_every_process_in_every_way_and_loses_the_broker_once() -> None:
    faults = plan(3, 120, 3)
    befallen = {(fault.target, fault.kind) for fault in faults}
    assert {(s.value, kind) for s in Service for kind in (Kind.KILL, Kind.STOP, Kind.PAUSE)} <= befallen
    assert {("postgresql", Kind.POSTGRES_KILL), ("postgresql", Kind.POSTGRES_RESTART)} <= befallen
    assert [fault.kind for fault in faults].count(Kind.BROKER_LOSS) == 1
    assert {fault.replica for fault in faults} == {0, 1, 2}
    assert all(0 < fault.at < 120 and fault.lasts <= 60 for fault in faults)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)


class Recorded:
    """Implements Victims and Target."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def of(self, target: str, replica: int) -> Recorded:
        self.done.append((target, replica))
        return self

    def signal(self, how: signal.Signals) -> None:
        self.done.append(how)

    def hold(self, seconds: float) -> None:
        self.done.append(seconds)

    async def restart_postgres(self, how: signal.Signals) -> None:
        self.done.append(("postgresql", how))

    async def kill_broker(self, *, lose: bool) -> None:
        self.done.append(("broker", lose))


def test_each_fault_is_what_its_name_says() -> None:
    inflicted = {
        Kind.KILL: [("review", 1), 0.01, signal.SIGKILL],
        Kind.STOP: [("review", 1), 0.01, signal.SIGTERM],
        Kind.PAUSE: [("review", 1), signal.SIGSTOP, signal.SIGCONT],
        Kind.BROKER_PAUSE: [("review", 1), signal.SIGSTOP, signal.SIGCONT],
        Kind.POSTGRES_RESTART: [("postgresql", signal.SIGINT)],
        Kind.POSTGRES_KILL: [("postgresql", signal.SIGKILL)],
        Kind.BROKER_KILL: [("broker", False)],
        Kind.BROKER_LOSS: [("broker", True)],
    }
    assert set(inflicted) == set(Kind)
    for kind, expected in inflicted.items():
        victims, told = Recorded(), list[Fault]()
        fault = Fault(0.0, kind, "review", 1, 0.01)
        asyncio.run(execute([fault], victims, told.append))
        assert (victims.done, told) == (expected, [fault])
