"""What the compiler reports of a film."""

from __future__ import annotations

from datetime import datetime

from services.gateway.commands.stream_events import resource_event
from services.gateway.domain.films import film_message
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.compiler import FilmState, FilmUpdated

_ENDED = (FilmState.COMPLETED, FilmState.FAILED, FilmState.CANCELLED)
_MESSAGE_CODES = {
    FilmState.PENDING: "compile.queued",
    FilmState.PROCESSING: "compile.started",
    FilmState.COMPLETED: "compile.completed",
    FilmState.FAILED: "compile.failed",
    FilmState.CANCELLED: "run.cancelled",
}


async def apply_film_updated(store: Store, event: FilmUpdated, at: datetime) -> None:
    film = await store.films.lock(event.compilation_id)
    if film is None or event.rev <= film.rev:
        return
    if film.state in _ENDED and event.state is not film.state:  # an ended film only gains facts, e.g. a signature
        return
    code = event.message_code or _MESSAGE_CODES[event.state]
    updated_at = await store.films.apply(film, event, code, at)
    await store.log(
        resource_event(
            "film-updated",
            film.project_id,
            film.episode_id,
            updated_at,
            status=event.state.value,
            news=film_message(code, event.problem.cause if event.problem else None),
            actor=film.actor,
            compilation_job_id=film.compilation_id,
            progress=event.progress,
            output_duration=event.media.duration_s if event.media else None,
        )
    )
