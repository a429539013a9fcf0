"""The compiler's database alone is older than what the others know: its films come back from its own events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.compiler.consumers import consumer_router
from services.compiler.domain.compilations import FilmResult
from services.compiler.recovery import recollection
from services.compiler.store.compilations import COMPILE, CompilationRepository
from services.compiler.store.jobs import load_film_job
from services.compiler.store.sign_jobs import SIGN, PostgresSignJob
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmReport
from shared.contracts.events.gateway import CancelRequested, CancelTarget, CompileRequested
from shared.contracts.topics import Service
from shared.contracts.values import Problem
from shared.core.ids import new_id
from shared.jobs import queue
from shared.messaging.events import Message, Publisher
from shared.postgres.pool import Connection, Pool, open_pool, transaction
from tests.conftest import FreshDatabase
from tests.support import restored
from tests.support.clock import FakeClock
from tests.support.compiler_harness import item
from tests.support.events import VIDEO, compile_requested, complete, episode_changed, message, object_ref, pinned
from tests.support.postgres import Postgres

Step = Callable[[Pool], Awaitable[None]]
PROBLEM = Problem(code="broken", cause="A video is broken.", recovery="Regenerate it.", retryable=False)


class History:
    """Films in every state, as steps; the jobs are those of the compiler, without the rendering."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.publisher = Publisher(Service.COMPILER, clock, new_id)
        self.router = consumer_router(self.store, clock, 1)
        self.inputs: list[Message[Event]] = []

    def store(self, connection: Connection) -> CompilationRepository:
        return CompilationRepository(connection, self.publisher)

    def reads(self, event: Event) -> Step:
        async def step(pool: Pool) -> None:
            self.clock.move(1)
            self.inputs.append(message(event, at=self.clock.now()))
            await restored.consume(pool, Service.COMPILER, self.router, self.inputs[-1:])

        return step

    async def _claim(self, pool: Pool, kind: str) -> queue.Claim:
        async with transaction(pool) as connection:
            [claim] = await queue.claim(connection, kind, 1, worker="test")
        return claim

    def works(self, end: str) -> Step:
        async def step(pool: Pool) -> None:
            claim = await self._claim(pool, COMPILE)
            job = await load_film_job(pool, self.publisher, claim, self.clock, render_ahead=True)
            await job.report(40, "compile.rendering", 7.5)
            match end:
                case "completed":
                    files = {"captions.vtt": object_ref(bucket="compiler", key="films/captions.vtt")}
                    film, poster = (object_ref(bucket="compiler", key=f"films/{claim.job_id}/{n}") for n in "fp")
                    warnings = ("It is short.",)
                    await job.complete(FilmResult(film, poster, VIDEO, FilmReport(), warnings, files), self.clock.now())
                case "failed":
                    await job.fail(PROBLEM)

        return step

    async def signs(self, pool: Pool) -> None:
        job = PostgresSignJob(pool, self.publisher, await self._claim(pool, SIGN), self.clock)
        assert await job.film()
        await job.signed(object_ref(bucket="compiler", key="films/signed.mp4"))

    def steps(self) -> list[Step]:
        video = pinned()
        segment = item(1, video)
        requests = {
            name: compile_requested(items=[segment], expires_at=self.clock.now() + timedelta(hours=24))
            for name in ("signed", "unsigned", "failed", "cancelled", "early", "waiting", "under way")
        }

        def cancel(request: CompileRequested) -> Step:
            return self.reads(
                CancelRequested(
                    target=CancelTarget.COMPILATION,
                    target_id=request.compilation_id,
                    episode_id=request.episode_id,
                    actor=request.actor,
                )
            )

        return [
            self.reads(complete(asset_id=video.asset_id)),
            self.reads(episode_changed(timeline_version=3)),
            self.reads(requests["signed"]),
            self.works("completed"),
            self.signs,
            cancel(requests["early"]),
            self.reads(requests["failed"]),
            self.works("failed"),
            self.reads(requests["unsigned"]),
            self.works("completed"),
            self.reads(requests["early"]),
            self.reads(requests["cancelled"]),
            cancel(requests["cancelled"]),
            self.reads(requests["under way"]),
            self.works("goes on"),
            self.reads(requests["waiting"]),
        ]


async def _state(pool: Pool) -> dict[str, Any]:
    """A film that was under way begins again: it may be pending, with the work that it had and its own number."""
    films = await restored.rows(pool, "compilations", "created_at", "completed_at", "progress", "estimated_duration_s")
    jobs = await pool.fetch("select job_id, kind from jobs where kind in ('compile', 'sign') order by 1")
    return {
        "films": [f | {"state": "open"} if f["state"] in ("pending", "processing") else f for f in films],
        "jobs": [tuple(j) for j in jobs],
        "commits": await restored.rows(pool, "committed"),
        "versions": await restored.rows(pool, "versions", "superseded_at"),
        "timelines": await restored.rows(pool, "timelines", "changed"),
        "parked": await restored.rows(pool, "parked", "id", "parked_at"),
    }


@pytest.mark.parametrize("cut", [0, 7, 14])
async def test_a_compiler_database_of_any_moment_is_brought_forward(
    fresh_database: FreshDatabase, postgres: Postgres, clock: FakeClock, cut: int
) -> None:
    """After the fold, and after reading everything again, it is as if nothing had been lost."""
    history, url = History(clock), await fresh_database("compiler")
    recalled = recollection(history.publisher, clock)
    await restored.check_brought_forward(postgres, url, Service.COMPILER, history, recalled, cut, _state)


async def test_a_film_whose_request_no_topic_has_is_named(fresh_database: FreshDatabase, clock: FakeClock) -> None:
    history = History(clock)
    request = compile_requested(items=[item(1, pinned())], expires_at=clock.now() + timedelta(hours=24))
    async with open_pool(await fresh_database("compiler"), size=2) as pool:
        await history.reads(request)(pool)
        await history.works("completed")(pool)
        own = await restored.published(pool)
    async with open_pool(await fresh_database("compiler"), size=2) as pool:
        people = await restored.fold(pool, recollection(history.publisher, clock), own, [])
    assert people == {request.compilation_id: "it is completed, but no topic has its request"}
