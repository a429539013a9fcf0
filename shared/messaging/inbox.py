"""The inbox, which makes an event's effect happen once, and parked events, which arrived before their subject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.contracts.base import Event
from shared.messaging.events import Message, read_message
from shared.postgres.pool import Connection

KEPT: Final = timedelta(days=14)  # twice the topics' retention, so that every replayed event is recognised

PRUNE: Final = (
    """delete from inbox where event_id = any(array(
           select event_id from inbox where received_at < now() - $1::interval
           order by received_at limit $2 for update skip locked))""",
    """delete from parked where id = any(array(
           select id from parked where parked_at < now() - $1::interval
           order by id limit $2 for update skip locked))""",
)
"""Delete at most $2 rows that are older than $1."""

_LOCK_SUBJECT: Final = "select pg_advisory_xact_lock(hashtextextended('subject:' || $1::text, 0))"
_SHARE_SUBJECT: Final = _LOCK_SUBJECT.replace("pg_advisory_xact_lock", "pg_advisory_xact_lock_shared")


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


async def lock_subject(connection: Connection, subject_id: str, *, shared: bool = False) -> None:
    """Locks a subject until the transaction ends, whether or not it exists. Shared locks admit one another.

    Take it before creating a subject and unparking its events, and before concluding that a subject is missing and
    parking an event: else both transactions miss what the other has not committed yet, and the event stays parked.
    """
    await connection.execute(_SHARE_SUBJECT if shared else _LOCK_SUBJECT, subject_id)


async def lock_subjects(connection: Connection, subject_ids: Sequence[str]) -> None:
    """Locks several subjects, always in the same order."""
    for subject_id in sorted(set(subject_ids)):
        await lock_subject(connection, subject_id)


async def is_known(connection: Connection, query: str, subject_id: str) -> bool:
    """Whether `query` (its $1 is the id) finds the subject. If not, the subject is locked, so that the answer still
    holds when the transaction ends."""
    if await connection.fetchval(query, subject_id):
        return True
    await lock_subject(connection, subject_id)
    return bool(await connection.fetchval(query, subject_id))


async def park(connection: Connection, subject_id: str, message: Message[Event]) -> None:
    """Keeps an event whose subject does not exist yet. Call `lock_subject` before looking for the subject."""
    headers = {name: value.decode() for name, value in message.envelope.headers()}
    await connection.execute(
        "insert into parked (subject_id, topic, headers, body) values ($1, $2, $3, $4)",
        subject_id,
        message.topic,
        headers,
        message.event.model_dump_json(),
    )


async def unpark(connection: Connection, subject_id: str) -> list[Message[Event]]:
    """Takes the parked events of a subject, oldest first. Call `lock_subject` before creating the subject."""
    rows = await connection.fetch(
        "delete from parked where subject_id = $1 returning id, topic, headers, body", subject_id
    )
    return [
        read_message(r["topic"], [(k, v.encode()) for k, v in r["headers"].items()], r["body"].encode())
        for r in sorted(rows, key=lambda r: r["id"])
    ]
