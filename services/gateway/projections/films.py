"""What the compiler reports of a film."""

from __future__ import annotations

from services.gateway.commands.stream_events import resource_event
from services.gateway.store.unit_of_work import Store
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.messages import message
from shared.messaging.events import Message

_ENDED = (FilmState.COMPLETED, FilmState.FAILED, FilmState.CANCELLED)


_TEXTS = {
    FilmState.PENDING: "compile.queued",
    FilmState.PROCESSING: "compile.started",
    FilmState.COMPLETED: "compile.completed",
    FilmState.FAILED: "compile.failed",
    FilmState.CANCELLED: "run.cancelled",
}


async def apply_film_updated(store: Store, told: Message[FilmUpdated]) -> None:
    event = told.event
    film = await store.films.lock(event.compilation_id)
    if film is None or event.rev <= film.rev:
        return
    if film.state in _ENDED and event.state is not film.state:  # e.g. signed later: still the same end
        return
    moved = await store.films.apply(film, event, told.envelope.time)
    text = message(event.message_code or _TEXTS[event.state], cause=event.problem.cause if event.problem else "")
    await store.log(
        resource_event(
            "film-updated",
            film.project_id,
            film.episode_id,
            moved,
            status=event.state.value,
            text=text,
            actor=film.actor,
            compilation_job_id=film.compilation_id,
            progress=event.progress,
            output_duration=event.media.duration_s if event.media else None,
        )
    )
