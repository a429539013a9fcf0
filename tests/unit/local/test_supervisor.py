"""When parts are started, restarted and given up, with a fake clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.state import PartStatus, State
from deploy.local.supervisor.supervisor import PartFailed, Supervisor
from shared.core.errors import Retryable, UserError
from tests.support.clock import FakeClock
from tests.support.waiting import eventually


class FakeChild:
    def __init__(self, pid: int, log: list[str], name: str) -> None:
        self.id = ProcessId(pid, "fake")
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._log, self._name = log, name

    async def ended(self) -> int:
        return await asyncio.shield(self._end)

    def end(self, code: int) -> None:
        if not self._end.done():
            self._end.set_result(code)

    async def stop(self, grace_s: float) -> None:
        self._log.append(f"stop {self._name}")
        self.end(0)


@dataclass
class FakePart:
    """Ready at once, at `address(starts)`; `prepare` may raise."""

    name: str
    log: list[str]
    needs: tuple[str, ...] = ()
    address: Callable[[int], str] = lambda starts: "here"
    prepare: Callable[[], None] = lambda: None
    is_ready: bool = True
    ready_timeout_s: float = 5.0
    stop_grace_s: float = 1.0
    children: list[FakeChild] = field(default_factory=list)
    launched_with: list[Mapping[str, str]] = field(default_factory=list)

    async def launch(self, addresses: Mapping[str, str]) -> Any:
        self.log.append(f"launch {self.name}")
        self.prepare()
        self.launched_with.append(addresses)
        self.children.append(FakeChild(4_000_000 + len(self.children), self.log, self.name))
        return self.children[-1]

    async def ready(self, child: Any) -> str:
        while not self.is_ready:
            await asyncio.sleep(0.01)
        return self.address(len(self.children))


def supervise(
    *parts: FakePart, clock: FakeClock, changes: list[PartStatus] | None = None, **external: str
) -> Supervisor:
    on_change = changes.append if changes is not None else lambda status: None
    return Supervisor(parts, external, clock=clock, on_change=on_change)


async def test_dependants_start_later_and_stop_first() -> None:
    log: list[str] = []
    store, service = FakePart("store", log), FakePart("service", log, needs=("store", "elsewhere"))
    async with supervise(service, store, clock=FakeClock(), elsewhere="far:1") as supervisor:
        await supervisor.all_ready()
    assert log == ["launch store", "launch service", "stop service", "stop store"]
    assert service.launched_with == [{"store": "here", "elsewhere": "far:1"}]


async def test_pauses_double_up_to_half_a_minute_and_start_over_after_a_stable_time() -> None:
    clock, log = FakeClock(), []
    part = FakePart("part", log)
    changes: list[PartStatus] = []
    async with supervise(part, clock=clock, changes=changes) as supervisor:
        await supervisor.all_ready()
        pauses = []
        for starts in range(1, 9):
            part.children[-1].end(-9)
            await eventually(lambda: supervisor.statuses["part"].state is State.BACKING_OFF)
            pauses.append(float(supervisor.statuses["part"].detail.split("restarting in ")[1].removesuffix(" s")))
            await clock.pass_time(pauses[-1] - 0.01)
            assert len(part.children) == starts, "not before its time"
            await clock.pass_time(0.02)
            await eventually(lambda: supervisor.statuses["part"].state is State.READY)
        assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
        clock.move(31)
        part.children[-1].end(1)
        await eventually(lambda: supervisor.statuses["part"].state is State.BACKING_OFF)
        assert supervisor.statuses["part"].detail == "ended with exit code 1; restarting in 0.5 s"
    assert any(c.detail.startswith("was ended by SIGKILL") for c in changes)


async def test_a_new_address_restarts_those_who_need_it_and_the_same_does_not() -> None:
    clock, log = FakeClock(), []
    moving = FakePart("moving", log, address=lambda starts: f"port {starts}")
    staying = FakePart("staying", log)
    service = FakePart("service", log, needs=("moving", "staying"))
    async with supervise(moving, staying, service, clock=clock) as supervisor:
        await supervisor.all_ready()
        staying.children[-1].end(1)
        await eventually(lambda: supervisor.statuses["staying"].state is State.BACKING_OFF)
        await clock.pass_time(1)
        await eventually(lambda: supervisor.statuses["staying"].starts == 2)
        assert len(service.children) == 1
        moving.children[-1].end(1)
        await eventually(lambda: supervisor.statuses["moving"].state is State.BACKING_OFF)
        assert len(service.children) == 1, "there is no address yet that it could use"
        await clock.pass_time(1)
        await eventually(lambda: len(service.children) == 2)
        assert service.launched_with[-1]["moving"] == "port 2"


async def test_a_new_address_also_restarts_one_that_is_not_ready_yet() -> None:
    clock, log = FakeClock(), []
    moving = FakePart("moving", log, address=lambda starts: f"port {starts}")
    service = FakePart("service", log, needs=("moving",), is_ready=False, ready_timeout_s=60)
    async with supervise(moving, service, clock=clock) as supervisor:
        await eventually(lambda: len(service.children) == 1)
        moving.children[-1].end(1)
        await eventually(lambda: supervisor.statuses["moving"].state is State.BACKING_OFF)
        await clock.pass_time(1)
        await eventually(lambda: len(service.children) == 2)


@pytest.mark.parametrize("how", ["ends", "hangs", "is refused"])
async def test_up_gives_up_after_three_attempts(how: str) -> None:
    clock, log = FakeClock(), []

    def refuse() -> None:
        if how == "is refused":
            raise Retryable("busy", "there was no room")

    part = FakePart("part", log, prepare=refuse, is_ready=False, ready_timeout_s=0.05)
    async with supervise(part, clock=clock) as supervisor:
        starting = asyncio.create_task(supervisor.all_ready())
        while not starting.done():
            if how == "ends" and part.children:
                part.children[-1].end(3)
            await clock.pass_time(0.1)
            await asyncio.sleep(0.002)
        with pytest.raises(PartFailed) as failed:
            starting.result()
    assert log.count("launch part") == 3
    words = {"ends": "ended with exit code 3", "hangs": "was not ready after", "is refused": "there was no room"}
    assert words[how] in str(failed.value)


async def test_what_the_user_must_change_ends_up_at_once_but_later_nothing_does() -> None:
    clock, log = FakeClock(), []
    wrong = [True]

    def prepare() -> None:
        if wrong[0]:
            raise UserError("wrong", "this cannot work")

    part = FakePart("part", log, prepare=prepare)
    async with supervise(part, clock=clock) as supervisor:
        with pytest.raises(UserError, match="this cannot work"):
            await supervisor.all_ready()
    wrong[0] = False
    async with supervise(part, clock=clock) as supervisor:
        await supervisor.all_ready()
        wrong[0] = True
        part.children[-1].end(1)
        for pause in (1, 2, 4):
            await eventually(lambda: supervisor.statuses["part"].state is State.BACKING_OFF)
            await clock.pass_time(pause)
        wrong[0] = False
        await clock.pass_time(30)
        await eventually(lambda: supervisor.statuses["part"].state is State.READY)
