"""After a restore of the compiler's database alone: the films that it had made since, from its own events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.compiler.commands.compilations import cancel_compilation
from services.compiler.store.compilations import CompilationRepository
from services.compiler.store.recollection import OPEN, recall_film
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileRequested
from shared.messaging.events import Message
from shared.postgres.pool import Connection


async def recollect_film(
    compilations: CompilationRepository, connection: Connection, story: Sequence[Message[Event]], now: datetime
) -> str | None:
    """`story`: what was published about one compilation since. Afterwards a film that had ended is there, with its
    files; one that was under way is queued. Returns why a person has to look, or None."""
    requests = [(m.event, m) for m in story if isinstance(m.event, CompileRequested)]
    told = max((m.event for m in story if isinstance(m.event, FilmUpdated)), key=lambda event: event.rev)
    if not await compilations.exists(told.compilation_id):
        if not requests:
            return None if told.state is FilmState.FAILED else f"it is {told.state}, but no topic has its request"
        request, message = requests[0]
        asked_at = now if told.state in OPEN else message.envelope.time  # its texts are read again, too
        estimate_s = told.estimated_duration_s or 0.0
        await compilations.admit(await compilations.with_known_texts(request), message.cause, estimate_s, asked_at)
    await recall_film(connection, told)
    for parked in await compilations.unpark(told.compilation_id):
        await cancel_compilation(compilations, parked)
    return None
