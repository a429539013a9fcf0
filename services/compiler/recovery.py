"""How the compiler is brought forward when its database alone was restored to an earlier moment."""

from __future__ import annotations

from services.compiler.commands.recollection import recollect_film
from services.compiler.store.compilations import CompilationRepository
from shared.contracts.events.gateway import CompileRequested
from shared.core.clock import Clock
from shared.messaging.events import Publisher
from shared.messaging.recollection import Recollection, Story
from shared.postgres.pool import Connection

PIECES = "pieces that were rendered since; a film that needs one renders it again, and the old files are deleted"
SPEED = "the render speeds measured since; estimates of films begin with older ones"


def recollection(publisher: Publisher, clock: Clock) -> Recollection:
    """Films, timelines and commits are complete."""

    async def fold(connection: Connection, story: Story) -> str | None:
        return await recollect_film(CompilationRepository(connection, publisher), connection, story, clock.now())

    return Recollection(fold, beside=(CompileRequested,), lost=(PIECES, SPEED))
