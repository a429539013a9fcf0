"""How imports of films begin and are cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.generator.domain.imports import ImportState, import_cancelled, import_failed, import_progress
from services.generator.domain.problems import problem_of
from services.generator.store.imports import ImportRepository
from shared.contracts.events.gateway import CancelRequested, CancelTarget, EpisodeChanged, ImportRequested
from shared.messaging.events import Message


async def start_import(
    imports: ImportRepository, message: Message[ImportRequested], now: datetime
) -> list[Message[Any]]:
    """Stores the import and queues the splitting of its film. Returns the events about it that arrived before it."""
    film = await imports.add(message.event, message.cause, now)
    if film is None:
        return []
    await imports.enqueue(film)
    await imports.publish(film.cause, import_progress(film, percent=0, code="import.queued"))
    return await imports.unpark(film.import_id)


async def cancel_import(imports: ImportRepository, message: Message[CancelRequested], now: datetime) -> None:
    """Stops the splitting of a film that the user no longer wants."""
    if message.event.target is not CancelTarget.IMPORT:
        return
    import_id = message.event.target_id
    if await imports.is_known(import_id):
        await _cancel(imports, import_id, now)
    else:
        await imports.park(import_id, message)


async def cancel_imports_of(imports: ImportRepository, message: Message[EpisodeChanged], now: datetime) -> None:
    """Stops the splitting of every film that was imported into an episode which is deleted now."""
    if message.event.deleted:
        for import_id in await imports.of_episode(message.event.episode_id):
            await _cancel(imports, import_id, now)


async def _cancel(imports: ImportRepository, import_id: str, now: datetime) -> None:
    problem = problem_of(import_cancelled())
    film = await imports.end(import_id, ImportState.CANCELLED, now, problem=problem)
    if film:
        await imports.stop_work(import_id)
        await imports.publish(film.cause, import_failed(film, problem))
