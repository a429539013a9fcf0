"""`retake dead-letters`: read, resend or discard the events that a service rejected. Talks to Kafka directly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.state import EXTERNAL, SystemState
from shared.contracts.topics import Service
from shared.core.errors import Permanent, UserError
from shared.core.settings import kafka_settings
from shared.messaging.broker import BrokerConfig
from shared.messaging.dead_letter_queue import DeadLetterQueue, QueuedLetter, open_dead_letter_queue, select_letters

BODY_SHOWN: Final = 4_000  # characters; --json prints the whole body
CAUSE_SHOWN: Final = 120  # characters of a line of the list


def read(
    service: str, kafka: str | None, data: Path | None, *, settled: bool, positions: list[str] | None = None
) -> list[QueuedLetter]:
    """The pending dead letters, oldest first; with `settled` also those already resent or discarded.

    Raises UserError for an unknown service or position, Permanent if Kafka does not answer.
    """

    async def select(queue: DeadLetterQueue) -> list[QueuedLetter]:
        return select_letters(await queue.letters(settled=settled), positions or [])

    return _with_queue(service, kafka, data, select)


def read_all(
    services: list[str] | None, kafka: str | None, data: Path | None, *, settled: bool
) -> dict[str, list[QueuedLetter]]:
    """The dead letters by service, as `read`; `services` None: of every service."""
    return {name: read(name, kafka, data, settled=settled) for name in services or [s.value for s in Service]}


def redrive(
    service: str, positions: list[str], everything: bool, kafka: str | None, data: Path | None
) -> list[QueuedLetter]:
    """Send the selected dead letters to their topics again; returns them. Raises as `read` does."""

    async def send(queue: DeadLetterQueue) -> list[QueuedLetter]:
        letters = select_letters(await queue.letters(), positions)
        await queue.redrive(letters)
        return letters

    _require_selection(positions, everything)
    return _with_queue(service, kafka, data, send)


def discard(
    service: str, positions: list[str], everything: bool, kafka: str | None, data: Path | None
) -> list[QueuedLetter]:
    """Mark the selected dead letters as settled without sending them; returns them. Raises as `read` does."""

    async def settle(queue: DeadLetterQueue) -> list[QueuedLetter]:
        letters = select_letters(await queue.letters(), positions)
        await queue.discard(letters)
        return letters

    _require_selection(positions, everything)
    return _with_queue(service, kafka, data, settle)


def as_json(letters: dict[str, list[QueuedLetter]]) -> str:
    """Each letter with its `service`."""
    return json.dumps({"letters": [{"service": s} | _as_object(letter) for s, of in letters.items() for letter in of]})


def one_as_json(letter: QueuedLetter) -> str:
    return json.dumps(_as_object(letter))


def positions_as_json(letters: list[QueuedLetter]) -> str:
    return json.dumps({"positions": [letter.position for letter in letters]})


def counted(letters: list[QueuedLetter], done: str) -> str:
    return f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'} {done}."


def as_lines(letters: dict[str, list[QueuedLetter]]) -> str:
    """One line for each letter; several services, each below its name."""
    if len(letters) > 1:
        return "\n".join(f"{service}:\n{_lines(of)}" if of else f"{service}: none" for service, of in letters.items())
    return "\n".join(_lines(of) or f"{service} has no pending dead letters." for service, of in letters.items())


def _lines(letters: list[QueuedLetter]) -> str:
    return "\n".join(map(_line, letters))


def as_page(letter: QueuedLetter) -> str:
    settled = ", settled" if letter.settled else ""
    body = letter.body
    if len(body) > BODY_SHOWN:
        body = f"{body[:BODY_SHOWN]}… ({len(letter.body)} characters in total)"
    return "\n".join(
        [
            f"{letter.position}, {letter.at.isoformat()}{settled}",
            "",
            "Cause",
            *(f"  {name}: {value}" for name, value in letter.cause.items()),
            "",
            "Headers",
            f"  key: {letter.key}",
            *(f"  {name}: {value}" for name, value in letter.headers.items()),
            "",
            "Body",
            f"  {body}",
        ]
    )


def _with_queue(
    service: str, kafka: str | None, data: Path | None, work: Callable[[DeadLetterQueue], Awaitable[list[QueuedLetter]]]
) -> list[QueuedLetter]:
    async def run() -> list[QueuedLetter]:
        async with open_dead_letter_queue(_broker(kafka, data, _service(service))) as queue:
            return await work(queue)

    with _kafka_errors():
        return asyncio.run(run())


def _require_selection(positions: list[str], everything: bool) -> None:
    if bool(positions) == everything:
        raise UserError("no_letters_selected", "No dead letters selected.", "Give their positions, or --all.")


def _service(name: str) -> Service:
    try:
        return Service(name)
    except ValueError:
        raise UserError(
            "no_such_service", f"Unknown service {name!r}.", f"Choose one of {', '.join(Service)}."
        ) from None


def _broker(kafka: str | None, data: Path | None, service: Service) -> BrokerConfig:
    """With the login in KAFKA_SECURITY_PROTOCOL and so on for a cluster that is not the system's own."""
    if kafka:
        return BrokerConfig.of(kafka, service, kafka_settings())
    directory = DataDir.of(data)
    state = SystemState.read(directory.state)
    if state is None or not state.kafka:
        raise UserError(
            "not_running",
            f"Retake is not running on {directory.root}.",
            "Start it with `retake up`, or name a Kafka cluster with --kafka HOST:PORT.",
        )
    if any(part.name == "broker" and part.detail == EXTERNAL for part in state.parts):
        return BrokerConfig.of(state.kafka, service, kafka_settings())
    return BrokerConfig(state.kafka, service)


def _line(letter: QueuedLetter) -> str:
    at = letter.at.strftime("%Y-%m-%d %H:%M:%S")
    mark = "  (settled)" if letter.settled else ""
    cause = f"{letter.cause.get('code', '?')}: {letter.cause.get('cause', '')}".splitlines()[0]
    return f"{letter.position:>8}  {at}  {letter.topic:<22} {cause[:CAUSE_SHOWN]}{mark}"


def _as_object(letter: QueuedLetter) -> dict[str, object]:
    return asdict(letter) | {"at": letter.at.isoformat()}


@contextmanager
def _kafka_errors() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as e:
        raise Permanent("kafka_unreachable", f"Kafka does not answer: {e}") from e
