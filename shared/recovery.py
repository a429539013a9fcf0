"""`recover --since T`, of a service whose database alone was restored to the moment T."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import ValidationError

from shared.contracts.topics import Service
from shared.core.clock import Clock, SystemClock
from shared.core.errors import RetakeError, UserError
from shared.core.ids import new_id
from shared.core.settings import ServiceSettings
from shared.messaging.broker import BrokerConfig
from shared.messaging.events import Publisher
from shared.messaging.recollection import BroughtForward, Recollection, bring_forward
from shared.postgres.pool import open_pool

OpenRecollection: TypeAlias = Callable[[Publisher, Clock], Recollection]


def moment(text: str) -> datetime:
    """An RFC 3339 timestamp with its offset, in the past. Raises argparse.ArgumentTypeError."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment like 2026-11-29T10:00:00Z") from e
    if given.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset: add Z for UTC")
    if given > datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"{text!r} is in the future")
    return given


def add_recover(commands: Any) -> None:
    recover = commands.add_parser("recover", help="bring this service forward after its database alone was restored")
    recover.add_argument("--since", type=moment, required=True, metavar="T", help="the moment of the restore, RFC 3339")


def run_recover(
    service: Service, settings: Callable[[], ServiceSettings], since: datetime, open_recollection: OpenRecollection
) -> int:
    """Exit codes: 0 done, 1 trying again may help, 2 something has to be changed first."""
    clock = SystemClock()
    recollection = open_recollection(Publisher(service, clock, new_id), clock)
    try:
        done = asyncio.run(_bring_forward(service, settings(), recollection, since))
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    except RetakeError as error:
        print(f"{error} {error.recovery}".rstrip(), file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    print("\n".join(_told(service, done, recollection)))
    return 0


async def _bring_forward(
    service: Service, settings: ServiceSettings, recollection: Recollection, since: datetime
) -> BroughtForward:
    config = BrokerConfig.of(settings.kafka_bootstrap, service, settings, embedded=settings.kafka_embedded)
    async with open_pool(settings.direct_url, size=2, application=f"retake-recover-{service}") as pool:
        return await bring_forward(config, pool, recollection, since)


def _told(service: Service, done: BroughtForward, recollection: Recollection) -> list[str]:
    since = done.since.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    known = f"{done.published} events published since {since} are known again, about {done.subjects} subjects"
    lines = [f"{service}: {known}; {done.read_again} events are read again when it starts"]
    lines += [f"{service}: not restored: {sentence}" for sentence in recollection.lost]
    if done.people:
        lines.append(f"{service}: {len(done.people)} need a person:")
        lines += [f"  {subject}: {why}" for subject, why in done.people.items()]
    return lines
