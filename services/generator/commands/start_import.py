"""A film is to be split: store the import, queue its work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.generator.commands.import_ports import Imports
from services.generator.domain.imports import import_progress
from shared.contracts.events.gateway import ImportRequested
from shared.messaging.events import Message


async def start_import(imports: Imports, message: Message[ImportRequested], now: datetime) -> list[Message[Any]]:
    """Returns what was parked for it: events that came before."""
    film = await imports.add(message.event, message.cause, now)
    if film is None:
        return []
    await imports.enqueue(film)
    await imports.publish(film.cause, import_progress(film, percent=0, code="import.queued"))
    return await imports.unpark(film.import_id)
