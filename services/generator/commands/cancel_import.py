"""Someone no longer wants a film to be split, or its episode is gone: stop the work."""

from __future__ import annotations

from datetime import datetime

from services.generator.commands.import_ports import Imports
from services.generator.domain.imports import ImportState, import_cancelled, import_failed
from services.generator.domain.problems import problem_of
from shared.contracts.events.gateway import CancelRequested, CancelTarget, EpisodeChanged
from shared.messaging.events import Message


async def cancel_import(imports: Imports, message: Message[CancelRequested], now: datetime) -> None:
    if message.event.target is not CancelTarget.IMPORT:
        return
    import_id = message.event.target_id
    if not await _stop(imports, import_id, now) and not await imports.is_known(import_id):
        await imports.park(import_id, message)


async def cancel_imports_of(imports: Imports, message: Message[EpisodeChanged], now: datetime) -> None:
    if message.event.deleted:
        for import_id in await imports.of_episode(message.event.episode_id):
            await _stop(imports, import_id, now)


async def _stop(imports: Imports, import_id: str, now: datetime) -> bool:
    problem = problem_of(import_cancelled())
    film = await imports.end(import_id, ImportState.CANCELLED, now, problem=problem)
    if film:
        await imports.stop_work(import_id)
        await imports.publish(film.cause, import_failed(film, problem))
    return film is not None
