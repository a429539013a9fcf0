"""The inbox, which makes an event's effect happen once, and parked events, which arrived before their subject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.contracts.base import Event
from shared.messaging.events import Message, read_message
from shared.postgres.pool import Connection

KEPT: Final = timedelta(days=14)  # twice the topics' retention, so that every replayed event is recognised


async def take_new(connection: Connection, messages: Sequence[Message[Event]]) -> set[str]:
    """Records the events as received, in one statement, and returns the ids that are new."""
    rows = await connection.fetch(
        """insert into inbox (event_id, topic)
           select * from unnest($1::uuid[], $2::text[])
           on conflict do nothing returning event_id""",
        [m.envelope.id for m in messages],
        [m.topic for m in messages],
    )
    return {row["event_id"] for row in rows}


async def park(connection: Connection, subject_id: str, message: Message[Event]) -> None:
    """Keeps an event whose subject does not exist yet."""
    headers = {name: value.decode() for name, value in message.envelope.headers()}
    await connection.execute(
        "insert into parked (subject_id, topic, headers, body) values ($1, $2, $3, $4)",
        subject_id,
        message.topic,
        headers,
        message.event.model_dump_json(),
    )


async def unpark(connection: Connection, subject_id: str) -> list[Message[Event]]:
    """Takes the parked events of a subject, oldest first."""
    rows = await connection.fetch(
        "delete from parked where subject_id = $1 returning id, topic, headers, body", subject_id
    )
    return [
        read_message(r["topic"], [(k, v.encode()) for k, v in r["headers"].items()], r["body"].encode())
        for r in sorted(rows, key=lambda r: r["id"])
    ]


async def prune(connection: Connection) -> None:
    await connection.execute("delete from inbox where received_at < now() - $1::interval", KEPT)
    await connection.execute("delete from parked where parked_at < now() - $1::interval", KEPT)
