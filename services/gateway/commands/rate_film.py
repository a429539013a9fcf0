"""A person says how good a film is."""

from __future__ import annotations

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import invalid, invalid_state, not_found
from shared.contracts.events.compiler import FilmState


async def rate_film(store: Store, caller: Caller, compilation_id: str, rating: int, feedback: str | None) -> None:
    """The last rating counts. Raises Refusal not-found, invalid-state, invalid."""
    if not 1 <= rating <= 5:
        raise invalid(("/rating", "must be from 1 to 5"))
    film = await store.films.lock(compilation_id)
    if film is None or film.project_id != caller.project_id:
        raise not_found("compilation")
    if film.state is not FilmState.COMPLETED:
        raise invalid_state("compilation", film.state, [FilmState.COMPLETED])
    now = store.now()
    await store.films.save(compilation_id, now, rating=rating, feedback=feedback, rated_by=caller.user_id, rated_at=now)
    await store.log(changed(caller, film.episode_id, "compilation", compilation_id, now))
