"""After a restore of all databases to one moment: `python -m shared.recover gateway`, once for each service.

What was published after that moment is in the topics, and no database knows of it: nobody may act on it. What was
published before it, and applied only after it, lies behind the groups' offsets: nobody would read it again. So the
service's group moves to the end of its topics, and its relay publishes the last seven days again when it starts; each
consumer knows what it has applied already. The gateway's event log gets a new epoch.

Every service is stopped until all four are recovered. Needs NAME_DATABASE_URL, NAME_KAFKA_BOOTSTRAP and, where the
cluster asks for a login, KAFKA_SECURITY_PROTOCOL and so on (and KAFKA_PREFIX), of an operator who may read all groups.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.topics import Service, consumed_by
from shared.core.errors import RetakeError, Retryable, UserError
from shared.core.settings import kafka_settings
from shared.messaging.broker import BrokerConfig, admin_client
from shared.messaging.dead_letter_queue import partitions_of

KAFKA_TIMEOUT_S: Final = 60.0
LEFT_WITHIN_S: Final = 30.0  # the session of a member that was killed ends after 10 s
POLL_S: Final = 1.0
CONNECT_TIMEOUT_S: Final = 10.0
RESTORED: Final = "restored"
"""No cluster has this id: the relay takes its broker for another one than before."""

_STALE_RELAY: Final = "update broker set cluster_id = $1"
_HAS_LOG: Final = "select to_regclass('event_stream') is not null"
_NEW_EPOCH: Final = "update event_stream set epoch = gen_random_uuid()"
_SESSIONS: Final = """
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()
"""


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
        if await connection.fetchval(_SESSIONS, f"retake-{service}"):
            raise _running(service.value)
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                await _all_have_left(config)
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


def _running(what: str) -> UserError:
    return UserError(
        "services_running",
        f"{what} is still running.",
        "Stop every replica of all four services, and start none before all four are recovered.",
    )


async def _all_have_left(config: BrokerConfig) -> None:
    """Waits for the sessions of members that were killed."""
    ends = time.monotonic() + LEFT_WITHIN_S
    admin = admin_client(config)
    await admin.start()
    try:
        while active := [s for s in Service if await _has_members(admin, config.prefix + s.value)]:
            if time.monotonic() > ends:
                raise _running(", ".join(active))
            await asyncio.sleep(POLL_S)
    finally:
        await admin.close()


async def _has_members(admin: object, group: str) -> bool:
    [response] = await admin.describe_consumer_groups([group])  # type: ignore[attr-defined]
    [(code, _, _, _, _, members, *_)] = response.groups
    if for_code(code) is GroupAuthorizationFailedError:
        raise UserError(
            "group_hidden",
            f"This login may not see the group {group}.",
            "Use the operator's, which may read the groups of all services.",
        )
    if code:
        raise for_code(code)(group)
    return bool(members)


async def _move_to_ends(config: BrokerConfig) -> int:
    partitions = [
        tp for topic in consumed_by(config.service) for tp in await partitions_of(config, config.topic(topic.name))
    ]
    consumer = AIOKafkaConsumer(
        client_id=f"{config.client_id}-recover",
        group_id=config.group,
        enable_auto_commit=False,
        **config.options(),
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()
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
    if len(arguments) != 1 or arguments[0] not in list(Service):
        print(f"usage: python -m shared.recover {'|'.join(Service)}", file=sys.stderr)
        return 2
    service = Service(arguments[0])
    try:
        done = asyncio.run(_recover_service(service))
    except RetakeError as error:
        print(f"{error} {error.recovery}".rstrip(), file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    print(f"{service}: {done.partitions} partitions moved to their ends, {done.events} events are published again")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
