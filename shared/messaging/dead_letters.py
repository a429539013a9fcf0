"""Dead letters: records that a consumer could not process, kept with the cause, to be redriven when it is fixed.

A record is published through the outbox, in the transaction that publishes the failure of its command. It is not added
to the inbox: a redriven record is new to the consumer that failed and known to every other.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
TRUNCATED_BYTES: Final = 10_000  # kept of a body that, as encoded, is too large for the dead-letter topic
KEY_BYTES: Final = 1_000
HEADERS_BYTES: Final = 24_000  # with KEY_BYTES and the cause (at most 8 KB in UTF-8) within RECORD_OVERHEAD_BYTES
CAUSE_CHARACTERS: Final = 2000
BASE64: Final = "base64"


@dataclass(frozen=True)
class DeadLetter:
    """A record as it arrived, and why it failed. `headers` are the original ones; those of `cause` are added.

    `body` is text. A body that is not is in base64, and `cause["encoding"]` says so. What no topic would accept is cut:
    `truncated` is the original length of the body in bytes, `truncated_key` that of the key, and `dropped_headers` the
    number of headers that are missing. The whole is at most as large as a record may be.
    """

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
            "cause": error.cause[:CAUSE_CHARACTERS],
            "attempts": str(attempts),
            "time": now.isoformat(),
        }
        body, about_body = _bounded_body(record.value or b"")
        key, about_key = _bounded_key(record.key or b"")
        headers, about_headers = _bounded_headers(record.headers)
        return cls(service, record.topic, key, headers, body, cause | about_body | about_key | about_headers)

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
        """The body's object; empty if the body is not a JSON object. Bytes that are not text are replaced."""
        try:
            body = json.loads(content_of(self.body, self.cause).decode(errors="replace"))
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


def content_of(body: str, cause: Mapping[str, str]) -> bytes:
    """The bytes of a letter's body. Raises ValueError if it is not the base64 that it claims to be."""
    return base64.b64decode(body, validate=True) if cause.get("encoding") == BASE64 else body.encode()


def _bounded_body(body: bytes) -> tuple[str, dict[str, str]]:
    about: dict[str, str] = {}
    if _encoded_size(body) > MAX_RECORD_BYTES:  # no topic accepts it
        about["truncated"] = str(len(body))
        is_text = _is_text(body)
        body = body[:TRUNCATED_BYTES]
        if is_text:
            body = body.decode(errors="ignore").encode()  # without the half of a character
    if _is_text(body):
        return body.decode(), about
    return base64.b64encode(body).decode(), about | {"encoding": BASE64}


def _encoded_size(body: bytes) -> int:
    return len(body) if _is_text(body) else -(-len(body) // 3) * 4


def _is_text(data: bytes) -> bool:
    """Whether PostgreSQL can keep it as text: UTF-8 without NUL."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\x00" not in data


def _bounded_key(key: bytes) -> tuple[str, dict[str, str]]:
    kept = _storable(key[:KEY_BYTES].decode(errors="replace"))
    return _cut(kept, KEY_BYTES), {"truncated_key": str(len(key))} if len(key) > KEY_BYTES else {}


def _bounded_headers(headers: Sequence[tuple[str, bytes | None]]) -> tuple[dict[str, str], dict[str, str]]:
    """Those of the envelope first, as many as there is room for."""
    kept: dict[str, str] = {}
    room, dropped = HEADERS_BYTES, 0
    for name, value in sorted(headers, key=lambda header: not header[0].startswith("ce_")):
        if name.startswith(PREFIX):
            continue
        text = _storable((value or b"").decode(errors="replace"))
        size = len(name.encode()) + len(text.encode())
        if size <= room:
            kept[_storable(name)] = text
            room -= size
        else:
            dropped += 1
    return kept, {"dropped_headers": str(dropped)} if dropped else {}


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


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
