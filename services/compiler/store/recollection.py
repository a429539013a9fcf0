"""Compilations as their own events tell of them, after a restore of the compiler's database alone."""

from __future__ import annotations

from typing import Any, Final

from services.compiler.store.sign_jobs import enqueue_sign
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.jobs import queue as jobs
from shared.postgres.pool import Connection

OPEN: Final = frozenset({FilmState.PENDING, FilmState.PROCESSING})
RESULT: Final = frozenset({"object", "unsigned", "poster", "media", "segments_included", "report", "warnings", "files"})

_RECALL: Final = """
    update compilations set state = $2, rev = $3, progress = $4, result = $5, problem = $6, completed_at = $7,
                            estimated_duration_s = coalesce($8, estimated_duration_s)
    where compilation_id = $1 and rev < $3
    returning 1
"""
_LEVEL: Final = "update compilations set rev = $2 where compilation_id = $1 and rev < $2"


async def recall_film(connection: Connection, told: FilmUpdated) -> None:
    """The row is as the event says, unless it is further. A compilation that was under way goes on from the beginning,
    with numbers after those that the others have seen."""
    compilation_id = told.compilation_id
    if told.state in OPEN:
        await connection.execute(_LEVEL, compilation_id, told.rev)
        return
    changed = await connection.fetchval(
        _RECALL,
        compilation_id,
        told.state,
        told.rev,
        told.progress,
        _result(told),
        told.problem.model_dump(mode="json") if told.problem else None,
        told.completed_at,
        told.estimated_duration_s,
    )
    if not changed:
        return
    await jobs.cancel(connection, compilation_id)
    if told.provenance == "pending":
        await enqueue_sign(connection, compilation_id)


def _result(told: FilmUpdated) -> dict[str, Any] | None:
    """What a completed compilation keeps, and signing changes."""
    if told.state is not FilmState.COMPLETED:
        return None
    told_of = told.model_dump(mode="json", include={*RESULT, "provenance"})
    return {name: value for name, value in told_of.items() if value is not None}
