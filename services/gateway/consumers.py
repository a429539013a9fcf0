"""Topics in: every fact of the other services updates the read model and the SSE log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from services.gateway.commands.ports import Store
from services.gateway.projections.apply_complete import apply_complete
from services.gateway.projections.apply_failed import apply_failed
from services.gateway.projections.apply_film_updated import apply_film_updated
from services.gateway.projections.apply_import import apply_import_ready
from services.gateway.projections.apply_preview_ready import apply_preview_ready
from services.gateway.projections.apply_progress import apply_progress
from services.gateway.projections.apply_review_updated import apply_review_updated
from services.gateway.projections.apply_verdict import apply_accepted, apply_rejected
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.generator import Complete, Failed, ImportReady, PreviewReady, Progress
from shared.contracts.events.review import Accepted, Rejected, ReviewUpdated
from shared.messaging.consumer import Handler
from shared.messaging.events import Message
from shared.postgres.pool import Connection

Stores = Callable[[Connection, Message[Any]], Store]
Apply = Callable[[Store, Message[Any]], Awaitable[None]]

_APPLY: Final[Mapping[type[Event], Apply]] = {
    Progress: apply_progress,
    PreviewReady: apply_preview_ready,
    ReviewUpdated: apply_review_updated,
    Accepted: apply_accepted,
    Rejected: apply_rejected,
    Complete: apply_complete,
    Failed: apply_failed,
    FilmUpdated: apply_film_updated,
    ImportReady: apply_import_ready,
}


def handlers(stores: Stores) -> dict[type[Event], Handler]:
    """One per topic that the gateway consumes."""
    return {event: _handler(apply, stores) for event, apply in _APPLY.items()}


def _handler(apply: Apply, stores: Stores) -> Handler:
    async def on_event(connection: Connection, message: Message[Any]) -> None:
        await apply(stores(connection, message), message)

    return on_event
