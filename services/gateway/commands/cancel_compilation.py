"""A film that is being made is stopped."""

from __future__ import annotations

from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import invalid_state, not_found
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import CancelRequested, CancelTarget

_STOPPABLE = (FilmState.PENDING, FilmState.PROCESSING)


async def cancel_compilation(store: Store, caller: Caller, compilation_id: str) -> None:
    """The compiler ends it, and says so. Raises Refusal not-found, invalid-state."""
    film = await store.films.lock(compilation_id)
    if film is None or film.project_id != caller.project_id:
        raise not_found("compilation")
    if film.state not in _STOPPABLE:
        raise invalid_state("compilation", film.state, _STOPPABLE)
    await store.films.save(compilation_id, store.now(), cancel_requested_at=store.now())
    await store.publish(
        film.project_id,
        film.owner_id,
        CancelRequested(
            target=CancelTarget.COMPILATION, target_id=compilation_id, episode_id=film.episode_id, actor=caller.actor
        ),
    )
