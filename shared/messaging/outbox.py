"""The outbox: events are written in the transaction of the state that they report. relay.py publishes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shared.contracts.base import Event
from shared.contracts.topics import MAX_RECORD_BYTES
from shared.core.errors import Permanent
from shared.messaging.events import Message
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

TOO_LARGE: Final = "event_too_large"

_INSERT: Final = """
    insert into outbox (event_id, topic, key, headers, body)
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[])
"""


async def publish(connection: Connection, messages: Iterable[Message[Event]]) -> None:
    """Adds to the outbox, within the caller's transaction. Lock the aggregate first: calls for a key keep their order.

    Raises Permanent `event_too_large`.
    """
    rows = [_row(m) for m in messages]
    if rows:
        await defer(connection, "outbox", _INSERT, *(list(column) for column in zip(*rows, strict=True)))


def body_of(event: Event) -> str:
    """The event as a record's body. Raises Permanent `event_too_large`, so that a command can refuse what would not fit
    before it writes anything."""
    body = event.model_dump_json()
    if len(body.encode()) > MAX_RECORD_BYTES:
        raise Permanent(TOO_LARGE, f"{event.TOPIC} of {event.subject}: over {MAX_RECORD_BYTES} bytes")
    return body


def _row(message: Message[Event]) -> tuple[str, str, str, dict[str, str], str]:
    body = body_of(message.event)
    headers = {name: value.decode() for name, value in message.envelope.headers()}
    return message.envelope.id, message.topic, message.event.key, headers, body


async def publish_tombstone(connection: Connection, message: Message[Event]) -> None:
    """Publishes a null body under the event's key, so that the compacted topic drops the asset."""
    event_id, topic, key, headers, _ = _row(message)
    await connection.execute(_INSERT, [event_id], [topic], [key], [headers], [None])
