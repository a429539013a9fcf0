"""Dead letters: records that a consumer could not process, kept with the cause, to be redriven when it is fixed.

A record is published through the outbox, in the transaction that publishes the failure of its command. It is not added
to the inbox: a redriven record is new to the consumer that failed and known to every other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import structlog
from aiokafka import ConsumerRecord

from shared.contracts.topics import MAX_RECORD_BYTES, Service, dead_letter_topic
from shared.core.errors import RetakeError
from shared.core.ids import new_id
from shared.messaging.events import Cause
from shared.postgres.pool import Connection, Pool, transaction

log = structlog.get_logger(__name__)

PREFIX: Final = "dlq_"
TRUNCATED_BYTES: Final = 10_000  # kept of a record that is too large for the dead-letter topic


@dataclass(frozen=True)
class DeadLetter:
    """A record as it arrived, and why it failed. `headers` are the original ones; those of `cause` are added."""

    service: Service
    topic: str
    key: str
    headers: dict[str, str]
    body: str
    cause: dict[str, str]

    @classmethod
    def of(
        cls, record: ConsumerRecord[bytes, bytes], service: Service, error: RetakeError, attempts: int, now: datetime
    ) -> Self:
        cause = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "code": error.code,
            "cause": error.cause[:2000],
            "attempts": str(attempts),
            "time": now.isoformat(),
        }
        body = record.value or b""
        if len(body) > MAX_RECORD_BYTES:  # no topic accepts it, and the relay would retry forever
            cause["truncated"] = str(len(body))
            body = body[:TRUNCATED_BYTES]
        headers = {k: (v or b"").decode(errors="replace") for k, v in record.headers if not k.startswith(PREFIX)}
        return cls(
            service,
            record.topic,
            (record.key or b"").decode(errors="replace"),
            headers,
            body.decode(errors="replace"),
            cause,
        )

    @property
    def subject(self) -> str | None:
        """The id of the run, compilation or import that the record is about, from its headers."""
        return self.headers.get("ce_subject")

    def as_cause(self) -> Cause:
        """What an event that reports the failure carries, as far as the record's headers say it."""
        return Cause(
            self.headers.get("ce_projectid", ""),
            self.headers.get("ce_ownerid", ""),
            self.headers.get("ce_correlationid", ""),
            self.headers.get("ce_id"),
        )

    def json(self) -> dict[str, Any]:
        """The body's object; empty if the body is not a JSON object."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


async def publish_dead_letter(
    pool: Pool, letter: DeadLetter, on_dead_letter: Callable[[Connection, DeadLetter], Awaitable[Any]] | None
) -> None:
    """Publishes the letter and, if `on_dead_letter` can, the failure of its command, in one transaction."""
    async with transaction(pool) as connection:
        if on_dead_letter:
            try:
                async with connection.transaction():
                    await on_dead_letter(connection, letter)
            except Exception:
                log.exception("dead_letter.no_failure_published", topic=letter.topic, subject=letter.subject)
        headers = letter.headers | {PREFIX + name: value for name, value in letter.cause.items()}
        await connection.execute(
            "insert into outbox (event_id, topic, key, headers, body) values ($1, $2, $3, $4, $5)",
            new_id(),
            dead_letter_topic(letter.service),
            _storable(letter.key),
            {_storable(name): _storable(value) for name, value in headers.items()},
            _storable(letter.body),
        )


def _storable(text: str) -> str:
    """PostgreSQL's text cannot contain NUL."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
