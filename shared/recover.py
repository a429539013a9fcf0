"""After a restore of all databases to one moment: `python -m shared.recover gateway`, once for each service. After a
restore of one database alone to an earlier moment: `python -m shared.recover review --since 2026-11-29T10:00:00Z`.

What was published after that moment is in the topics, and no database knows of it: nobody may act on it. What was
published before it, and applied only after it, lies behind the groups' offsets: nobody would read it again. So the
service's group moves to the end of its topics, and its relay publishes the last seven days again when it starts; each
consumer knows what it has applied already. The gateway's event log gets a new epoch.

Every service is stopped until all four are recovered. Needs NAME_DATABASE_URL, NAME_KAFKA_BOOTSTRAP and, where the
cluster asks for a login, KAFKA_SECURITY_PROTOCOL and so on (and KAFKA_PREFIX), of an operator who may read all groups.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.topics import Service, consumed_by
from shared.core.errors import RetakeError, Retryable, UserError
from shared.core.settings import kafka_settings
from shared.messaging.broker import BrokerConfig
from shared.messaging.dead_letter_queue import partitions_of
from shared.messaging.groups import move_group, require_no_session, wait_until_left
from shared.messaging.replay import end_offsets
from shared.recovery import moment

KAFKA_TIMEOUT_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 10.0
GATEWAY_ALONE: Final = (
    "The gateway cannot be brought forward from what the others know: accounts, members, projects, episodes, their "
    "texts and their order, drafts, share links and uploads are in its database alone. Recover that database from the "
    "archive to its last moment, without a target time. If the archive ends too early for you, restore all four "
    "databases to that moment and recover each without --since."
)
RESTORED: Final = "restored"
"""No cluster has this id: the relay takes its broker for another one than before."""

_STALE_RELAY: Final = "update broker set cluster_id = $1"
_HAS_LOG: Final = "select to_regclass('event_stream') is not null"
_NEW_EPOCH: Final = "update event_stream set epoch = gen_random_uuid()"


class _Settings(BaseSettings):
    """What the service itself is given, as far as it is needed here."""

    database_url: str
    database_direct_url: str | None = None
    kafka_bootstrap: str


@dataclass(frozen=True)
class Recovered:
    """`partitions` of the service's topics were moved to their ends, and `events` are published again."""

    partitions: int
    events: int


async def recover(config: BrokerConfig, database_url: str) -> Recovered:
    """Raises UserError `services_running` while a member of any service's group, or a session of this service, is left;
    Retryable if Kafka or PostgreSQL does not answer. Doing it again is harmless."""
    service = config.service
    try:
        connection = await asyncpg.connect(database_url, timeout=CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as e:
        raise Retryable("database_unreachable", f"{service}: {e!r}", f"Check {service.upper()}_DATABASE_URL.") from e
    try:
        await require_no_session(connection, service)
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                await wait_until_left(config, list(Service))
                moved = await _move_to_ends(config)
        except (KafkaError, OSError, TimeoutError) as e:
            raise Retryable("broker_unreachable", f"Kafka at {config.bootstrap}: {e!r}", "Check the address.") from e
        async with connection.transaction():
            await connection.execute(_STALE_RELAY, RESTORED)
            if await connection.fetchval(_HAS_LOG):
                await connection.execute(_NEW_EPOCH)
            events = await connection.fetchval(
                "select count(*) from outbox where published_at is not null and created_at > now() - interval '7 days'"
            )
    finally:
        await connection.close()
    return Recovered(moved, int(events))


async def _move_to_ends(config: BrokerConfig) -> int:
    partitions = [
        tp for topic in consumed_by(config.service) for tp in await partitions_of(config, config.topic(topic.name))
    ]
    await move_group(config, await end_offsets(config, partitions))
    return len(partitions)


def _settings_of(service: Service) -> _Settings:
    class OfService(_Settings):
        model_config = SettingsConfigDict(env_prefix=f"{service.upper()}_", frozen=True, extra="ignore")

    try:
        return OfService()
    except ValidationError as error:
        faults = [": ".join([service.upper(), *(str(p).upper() for p in e["loc"]), e["msg"]]) for e in error.errors()]
        raise UserError("setting_wrong", "; ".join(faults), "Set it as the service has it.") from None


async def _recover_service(service: Service) -> Recovered:
    settings = _settings_of(service)
    config = BrokerConfig.of(settings.kafka_bootstrap, service, kafka_settings())
    return await recover(config, settings.database_direct_url or settings.database_url)


def main(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 trying again may help, 2 something has to be changed first."""
    parser = argparse.ArgumentParser(prog="python -m shared.recover", description=__doc__)
    parser.add_argument("service", type=Service, choices=list(Service))
    parser.add_argument("--since", type=moment, metavar="T", help="its database alone was restored to this moment")
    given = parser.parse_args(arguments)
    service: Service = given.service
    if given.since and service is Service.GATEWAY:
        print(GATEWAY_ALONE, file=sys.stderr)
        return 2
    if given.since:
        command = [sys.executable, "-m", f"services.{service}.main", "recover", "--since", given.since.isoformat()]
        os.execv(sys.executable, command)  # its rules are its own
    try:
        done = asyncio.run(_recover_service(service))
    except RetakeError as error:
        print(f"{error} {error.recovery}".rstrip(), file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    print(f"{service}: {done.partitions} partitions moved to their ends, {done.events} events are published again")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
