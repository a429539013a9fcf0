"""What a service waits for, says and ends with until it works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.gateway.config import Settings as GatewaySettings
from shared.contracts.topics import Service
from shared.core.errors import DependencyMissing, Permanent, Retryable, UserError
from shared.core.settings import faults_of
from shared.web.health import Health
from shared.web.starting import HEAD_START_S, Starting
from tests.support.clock import FakeClock
from tests.support.waiting import eventually

NO_DATABASE = DependencyMissing("database", "database_unreachable", "No database.", "Start it.")
NO_BUCKET = DependencyMissing("objects", "object_store_denied", "No bucket.", "Create it.")

Wire = Callable[[], AbstractAsyncContextManager[str]]


def starting(wire: Wire, clock: FakeClock) -> Starting[str]:
    return Starting(Service.REVIEW, wire, health_of=lambda name: Health(name, {}), sleep=clock.sleep)


def failing_with(*errors: Exception) -> Wire:
    """Works once each of these was raised."""
    left = list(errors)

    @asynccontextmanager
    async def wire() -> AsyncIterator[str]:
        if left:
            raise left.pop(0)
        yield "review"

    return wire


async def test_what_is_missing_is_said_once_and_again_when_something_else_is(clock: FakeClock) -> None:
    errors = [NO_DATABASE, NO_DATABASE, NO_DATABASE, NO_BUCKET, NO_BUCKET, NO_DATABASE]
    with capture_logs() as logs:
        async with starting(failing_with(*errors), clock) as service:
            told = [await service.health.report()]
            while service.state is None:
                await clock.pass_time(0.05)
                told.append(await service.health.report())
    no_database = {"database": "No database. Start it."}
    assert told[0] == (False, no_database)
    assert (False, {"objects": "No bucket. Create it."}) in told
    assert told[-1] == (True, {})
    assert [(line["event"], line.get("dependency")) for line in logs] == [
        ("service.waits", "database"),
        ("service.waits", "objects"),
        ("service.waits", "database"),
        ("service.started", None),
    ]


@pytest.mark.parametrize(
    "error",
    [Retryable("busy", "Later."), asyncpg.CannotConnectNowError("starting up"), ConnectionResetError(), TimeoutError()],
)
async def test_what_may_pass_is_waited_for(error: Exception, clock: FakeClock) -> None:
    async with starting(failing_with(error), clock) as service:
        assert service.failure is None
        assert not (await service.health.report())[0]
        await clock.pass_time(5)
        await eventually(lambda: service.state)


@pytest.mark.parametrize(
    ("error", "event", "words"),
    [
        (Permanent("signing_key_missing", "No key.", "Set it."), "service.refused", "No key. Set it."),
        (UserError("bad_objects_url", "No URL.", "Correct it."), "service.refused", "No URL. Correct it."),
        (KeyError("a defect"), "service.crashed", "KeyError('a defect')"),
    ],
)
async def test_what_no_waiting_mends_is_a_failure_also_after_a_wait(
    error: Exception, event: str, words: str, clock: FakeClock
) -> None:
    with capture_logs() as logs:
        async with starting(failing_with(NO_DATABASE, error), clock) as service:
            assert service.failure is None
            await clock.pass_time(5)
            await eventually(lambda: service.failure)
            assert await service.health.report() == (False, {"starting": words})
    assert service.failure is error
    assert [line["event"] for line in logs] == ["service.waits", event]


async def test_a_wait_ends_at_once_and_what_had_been_opened_is_closed(clock: FakeClock) -> None:
    tasks = []

    @asynccontextmanager
    async def hangs() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            tasks.append(asyncio.current_task())

    service = starting(hangs, clock)
    entering = asyncio.create_task(service.__aenter__())
    await eventually(lambda: tasks)
    service.drain()
    async with asyncio.timeout(HEAD_START_S / 2):
        await entering
        await service.__aexit__(None, None, None)
    assert len(tasks) == 2
    assert await service.health.report() == (False, {"starting": "has just begun", "draining": "shutting down"})


async def test_one_task_opens_and_closes_whoever_asks_for_it(clock: FakeClock) -> None:
    tasks = []

    @asynccontextmanager
    async def wire() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        yield "review"
        tasks.append(asyncio.current_task())

    service = starting(wire, clock)
    await asyncio.create_task(service.__aenter__())
    await asyncio.create_task(service.__aexit__(None, None, None))
    assert len(tasks) == 2
    assert tasks[0] is tasks[1] is not asyncio.current_task()


async def test_a_part_that_ends_the_whole_is_a_failure(clock: FakeClock) -> None:
    broken = asyncio.Event()

    @asynccontextmanager
    async def wire() -> AsyncIterator[str]:
        async def breaks() -> None:
            await broken.wait()
            raise RuntimeError("a part")

        async with asyncio.TaskGroup() as group:
            group.create_task(breaks())
            yield "review"

    async with starting(wire, clock) as service:
        assert service.state
        broken.set()
        await eventually(lambda: service.failure)
        assert not (await service.health.report())[0]


def test_wrong_settings_are_told_by_their_variables_without_their_values() -> None:
    with pytest.raises(ValidationError) as wrong:
        GatewaySettings(jwt_secret="short", media_secret="hidden-word" * 5, database_url="x", kafka_bootstrap="x:1")
    told = faults_of(wrong.value, "gateway")
    assert "GATEWAY_OBJECTS_URL: Field required" in told
    assert "GATEWAY_JWT_SECRET: " in told
    assert "hidden-word" not in told
