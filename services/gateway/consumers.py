"""Topics in: every fact of the other services updates the read model and the SSE log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.gateway.projections.films import apply_film_updated
from services.gateway.projections.imports import apply_import_ready
from services.gateway.projections.reviews import apply_accepted, apply_rejected, apply_review_updated
from services.gateway.projections.runs import apply_failed, apply_preview_ready, apply_progress
from services.gateway.projections.versions import apply_complete
from services.gateway.store.unit_of_work import Store
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.generator import Complete, Failed, ImportReady, PreviewReady, Progress
from shared.contracts.events.review import Accepted, Rejected, ReviewUpdated
from shared.messaging.consumer import Handler
from shared.messaging.events import Message
from shared.postgres.pool import Connection

Stores = Callable[[Connection, Message[Any]], Store]
Apply = Callable[[Store, Any, datetime], Awaitable[None]]

_APPLY: Final[Mapping[type[Event], Apply]] = {
    Progress: apply_progress,
    PreviewReady: apply_preview_ready,
    ReviewUpdated: apply_review_updated,
    Accepted: apply_accepted,
    Rejected: apply_rejected,
    Complete: lambda store, event, _: apply_complete(store, event),
    Failed: apply_failed,
    FilmUpdated: apply_film_updated,
    ImportReady: lambda store, event, _: apply_import_ready(store, event),
}


def handlers(stores: Stores) -> dict[type[Event], Handler]:
    """One per topic that the gateway consumes."""
    return {event: _handler(apply, stores) for event, apply in _APPLY.items()}


def _handler(apply: Apply, stores: Stores) -> Handler:
    async def on_event(connection: Connection, message: Message[Any]) -> None:
        await apply(stores(connection, message), message.event, message.envelope.time)

    return on_event
