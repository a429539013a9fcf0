"""Recurring work in a process: on time, whatever a run raises, and cancelled at the end of the block."""

from __future__ import annotations

import asyncio

import pytest

from shared.core.errors import Retryable
from shared.jobs.recurring import recurring
from tests.support.clock import FakeClock


@pytest.mark.parametrize(("at_once", "times"), [(False, [5, 10, 15]), (True, [0, 5, 10, 15])])
async def test_work_runs_every_interval(at_once: bool, times: list[int]) -> None:
    clock, runs = FakeClock(), list[float]()

    async def work() -> None:
        runs.append(clock.monotonic())

    async with recurring(work, name="work", every_s=5, clock=clock, at_once=at_once):
        await clock.pass_time(16)
    await clock.pass_time(100)
    assert runs == times


@pytest.mark.parametrize(
    "error",
    [
        OSError("the database is unavailable"),
        Retryable("object_store_unavailable", "The store is unavailable."),
        ZeroDivisionError("a bug"),
    ],
)
async def test_a_failure_costs_one_run(error: Exception) -> None:
    clock, runs = FakeClock(), list[float]()

    async def work() -> None:
        runs.append(clock.monotonic())
        if len(runs) == 2:
            raise error

    async with recurring(work, name="work", every_s=1, clock=clock):
        await clock.pass_time(4)
    assert runs == [1, 2, 3, 4]


async def test_leaving_the_block_cancels_a_run() -> None:
    clock, cancelled = FakeClock(), list[bool]()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with recurring(work, name="work", every_s=1, clock=clock, at_once=True):
        await clock.pass_time(0)
    assert cancelled == [True]
