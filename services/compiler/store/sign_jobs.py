"""Signing jobs' rows: each call is one transaction, which first verifies that this worker still owns the job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from services.compiler import metrics
from services.compiler.store.compilations import COMPILATION, compilation
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import ObjectRef
from shared.core.clock import Clock
from shared.core.errors import Fenced
from shared.jobs import queue as jobs
from shared.messaging import outbox
from shared.messaging.events import Publisher
from shared.postgres.pool import Connection, Pool, transaction

SIGN: Final = "sign"
_IDS: Final = UUID("a2ff4be6-0f0c-4d0c-8f9c-9a6f43c1d2b7")  # derives the signing job's id from its compilation's
_FILM: Final = "select request, result from compilations where compilation_id = $1 and state = 'completed'"
_SET_RESULT: Final = f"""
    update compilations set result = $2, rev = rev + 1 where compilation_id = $1 and state = 'completed'
    returning {COMPILATION}, completed_at
"""


async def enqueue_sign(connection: Connection, compilation_id: str) -> None:
    job_id = str(uuid5(_IDS, compilation_id))
    await jobs.enqueue(connection, job_id, SIGN, payload={"compilation_id": compilation_id}, priority=1)


class PostgresSignJob:
    """Implements `commands.ports.SignJob`."""

    def __init__(self, pool: Pool, publisher: Publisher, claim: jobs.Claim, clock: Clock) -> None:
        self._pool = pool
        self._publisher = publisher
        self._claim = claim
        self._clock = clock
        self._compilation_id: str = claim.payload["compilation_id"]
        self._request: CompileRequested | None = None
        self._result: dict[str, Any] = {}

    @property
    def request(self) -> CompileRequested:
        assert self._request is not None, "call film() first"
        return self._request

    async def film(self) -> ObjectRef | None:
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(_FILM, self._compilation_id)
        if row is None or row["result"].get("provenance") != "pending":
            return None
        self._request, self._result = CompileRequested.model_validate(row["request"]), row["result"]
        return ObjectRef.model_validate(self._result["object"])

    async def signed(self, film: ObjectRef) -> None:
        before = self._result["object"]  # players that began with it go on with it
        changes = {"object": film.model_dump(mode="json"), "unsigned": before, "provenance": "signed"}
        await self._publish("compile.signed", changes)

    async def unsigned(self, warning: str) -> None:
        changes = {"provenance": "unsigned", "warnings": [*self._result["warnings"], warning]}
        await self._publish("compile.unsigned", changes)

    async def retry(self, delay_s: float) -> None:
        async with transaction(self._pool) as connection:
            await jobs.reschedule(connection, self._claim, self._clock.now() + timedelta(seconds=delay_s))

    async def drop(self) -> None:
        async with transaction(self._pool) as connection:
            await jobs.finish(connection, self._claim)

    async def _publish(self, message_code: str, changes: dict[str, Any]) -> None:
        """Publishes the completed film again with these changes, and ends the job in the same transaction."""
        result = self._result | changes
        async with transaction(self._pool) as connection:
            await jobs.finish(connection, self._claim)
            row = await connection.fetchrow(_SET_RESULT, self._compilation_id, result)
            if row is None:
                raise Fenced(self._claim.job_id)
            film = compilation(row)
            event = FilmUpdated.model_validate(
                result | {
                    "episode_id": film.episode_id, "compilation_id": film.compilation_id, "rev": film.rev,
                    "state": film.state, "progress": film.progress, "completed_at": row["completed_at"],
                    "message_code": message_code,
                }
            )  # fmt: skip
            await outbox.publish(connection, [self._publisher.message(event, film.cause)])
        metrics.SIGNATURES.labels(result["provenance"]).inc()
