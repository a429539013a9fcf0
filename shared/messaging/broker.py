"""Where Kafka is, and how every service opens its clients: FastStream's brokers and aiokafka's admin client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.middlewares import AckPolicy
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from shared.contracts.topics import MAX_RECORD_BYTES, Service, consumed_by
from shared.core.backoff import backoff
from shared.core.settings import KafkaSettings
from shared.messaging.partitioner import partition_of
from shared.messaging.security import KafkaSecurity, refusal
from shared.observability.last_said import LastSaid

log = structlog.get_logger(__name__)

EMBEDDED_FETCH_WAIT_MS: Final = 12
"""librdkafka's in-memory broker does not answer a waiting fetch when a record arrives but when its wait ends, so a
short wait is what keeps latency low. A real broker answers at once: the default of 500 ms costs nothing there."""

EMBEDDED_IDLE_FETCH_WAIT_MS: Final = 60
EMBEDDED_IDLE_AFTER_S: Final = 20.0
"""The same after so long without records, as when nobody works. Asking every 12 ms costs each service 5 % of a core,
every 60 ms 1 %. The first record after the pause arrives 24 ms later at each service, on average: a decision upon a
preview that was watched for less long is answered as fast as ever."""

BATCH_BYTES: Final = 512 * 1024
"""Per partition: half of what a broker accepts by default. With aiokafka's default of 16 KB, a flush of 1,000 small
events took about fifteen round trips."""

METADATA_MAX_AGE_MS: Final = 5_000
"""How soon a client notices by itself that partitions have other leaders, or that a topic was created. aiokafka's
consumer does not ask when a leader stops answering, so this bounds how long delivery stands still after a broker is
lost; its default is five minutes. The price is one small request per client and period."""

RECORD_OVERHEAD_BYTES: Final = 48_576  # key, headers and framing; together with the body at most 1 MiB

EMBEDDED_UNREAD_BYTES: Final = 1_500_000
"""The embedded broker keeps only the last 5 MB or so of a partition: the relay waits for the consumers before it sends
more than this."""

FIRST_DELAY_S: Final = 0.2
LONGEST_DELAY_S: Final = 5.0
UNREACHABLE: Final = (KafkaError, OSError, TimeoutError)
PLAINTEXT: Final = KafkaSecurity()

Report = Callable[[str], None]
"""Is told why the broker cannot be used, and what to do."""


def no_report(_why: str) -> None:
    """For those who only wait: the log has it."""


@dataclass(frozen=True)
class BrokerConfig:
    """Where Kafka is, how to log in, and which service connects. `embedded` tunes for the in-memory broker of a laptop;
    never set it in production. `prefix` is put before the names of topics and groups, on the broker only."""

    bootstrap: str
    service: Service
    embedded: bool = False
    security: KafkaSecurity = PLAINTEXT
    prefix: str = ""
    client_rack: str | None = None
    said: LastSaid = field(default_factory=LastSaid, compare=False, repr=False)
    """Why it cannot be used: one line of the log for all clients of the service."""

    @classmethod
    def of(cls, bootstrap: str, service: Service, settings: KafkaSettings, *, embedded: bool = False) -> BrokerConfig:
        """Raises UserError if a certificate's file is none."""
        security = KafkaSecurity.of(settings)
        return cls(bootstrap, service, embedded, security, settings.kafka_prefix, settings.kafka_client_rack)

    @property
    def client_id(self) -> str:
        return f"retake-{self.service}"

    def options(self) -> dict[str, Any]:
        """What every client of aiokafka is opened with."""
        return {
            "bootstrap_servers": self.bootstrap,
            "metadata_max_age_ms": METADATA_MAX_AGE_MS,
            **self.security.options(),
        }

    def broker_options(self) -> dict[str, Any]:
        """The same as keyword arguments of FastStream's KafkaBroker, and the name to connect by."""
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "metadata_max_age_ms": METADATA_MAX_AGE_MS,
            "allow_auto_create_topics": False,
            "logger": None,
            **self.security.broker_options(),
        }

    @property
    def group(self) -> str:
        """The service's consumer group."""
        return self.prefix + self.service.value

    def topic(self, name: str) -> str:
        """What a topic of the contracts is called on the broker."""
        return self.prefix + name

    def name_of(self, topic: str) -> str:
        """The contracts' name of a topic on the broker."""
        return topic.removeprefix(self.prefix)


def consuming_broker(config: BrokerConfig, router: KafkaRouter) -> KafkaBroker:
    """A broker for reading. Topics are created by the deployment; offsets are committed by hand, after the effect."""
    return KafkaBroker(
        client_rack=config.client_rack,
        consumer_only=True,
        ack_policy=AckPolicy.MANUAL,
        routers=[router],
        apply_types=False,
        **config.broker_options(),
    )


def pace_fetches(consumer: AIOKafkaConsumer, config: BrokerConfig, quiet_s: float) -> None:
    """From its next fetch on, how long the consumer lets the embedded broker wait, which it had no record from for
    `quiet_s`; a real one is always let wait."""
    if config.embedded:
        wait_ms = EMBEDDED_IDLE_FETCH_WAIT_MS if quiet_s >= EMBEDDED_IDLE_AFTER_S else EMBEDDED_FETCH_WAIT_MS
        consumer._fetcher._fetch_max_wait_ms = wait_ms  # aiokafka has no setting for a consumer that runs


def group_member(broker: KafkaBroker, config: BrokerConfig) -> BatchSubscriber:
    """The service's one member of its consumer group, over all its topics. It has no handler, so FastStream runs no
    loop of its own: after `start()`, our consumer takes batches from `member.consumer`."""
    return broker.subscriber(
        *(config.topic(topic.name) for topic in consumed_by(config.service)),
        batch=True,
        group_id=config.group,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if config.embedded else 500,
        # The embedded broker lets a returning member wait until its old session ends, even after it left the group.
        session_timeout_ms=3_000 if config.embedded else 10_000,
        heartbeat_interval_ms=500 if config.embedded else 3_000,
        max_poll_interval_ms=600_000,
        include_in_schema=False,
    )


def publishing_broker(config: BrokerConfig) -> KafkaBroker:
    """A broker for writing, idempotent and with acks=all: a retried send is neither duplicated nor reordered.

    `start()` raises when Kafka is unreachable and then leaks its producer: call `cluster_id` first, which waits.
    """
    return KafkaBroker(
        enable_idempotence=True,
        acks="all",
        partitioner=partition_of,
        max_request_size=MAX_RECORD_BYTES + RECORD_OVERHEAD_BYTES,
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=15_000,
        id_generator=lambda: "",  # FastStream adds a `correlation_id` header of its own unless this is empty
        **config.broker_options(),
    )


def producer_of(broker: KafkaBroker) -> AIOKafkaProducer:
    """The producer of a started broker, which FastStream keeps to itself."""
    producer = broker._producer._producer.producer  # type: ignore[attr-defined]
    assert isinstance(producer, AIOKafkaProducer), "FastStream wraps aiokafka's producer"
    return producer


def admin_client(config: BrokerConfig) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(
        client_id=f"{config.client_id}-admin",
        request_timeout_ms=10_000,
        **config.options(),
    )


def offsets_client(config: BrokerConfig) -> AIOKafkaConsumer:
    """A consumer without a group, to ask where partitions begin and end."""
    return AIOKafkaConsumer(
        client_id=f"{config.client_id}-offsets",
        enable_auto_commit=False,
        **config.options(),
    )


async def cluster_id(config: BrokerConfig, *, report: Report = no_report) -> str:
    """Identifies the cluster's data: a different id means that everything published before is lost. Waits until the
    broker is reachable."""
    admin = await start_admin(config, report=report)
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def start_admin(config: BrokerConfig, *, report: Report = no_report) -> AIOKafkaAdminClient:
    return await start_until_reachable(
        config, lambda: admin_client(config), lambda admin: admin.close(), client="admin", report=report
    )


class Startable(Protocol):
    async def start(self) -> Any: ...


C = TypeVar("C", bound=Startable)


async def start_until_reachable(
    config: BrokerConfig,
    make: Callable[[], C],
    stop: Callable[[C], Awaitable[object]],
    *,
    client: str,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    report: Report = no_report,
) -> C:
    """Starts a client, retrying forever: an unreachable broker must not keep a service down, nor one that refuses the
    login, which may be about to change. `report` is told why after each failure, the log only when that changes."""

    async def warn(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        why = await refusal(config.bootstrap, config.security) or str(error)
        if config.said.is_news(why):
            log.warning("broker.unreachable", client=client, error=why)
        report(why)

    async def attempt() -> C:
        started = make()
        try:
            await started.start()
        except BaseException:
            await _stop_quietly(started, stop)
            raise
        if config.said.is_over():
            log.info("broker.reachable", client=client)
        return started

    return await AsyncRetrying(
        sleep=sleep,
        wait=backoff(FIRST_DELAY_S, LONGEST_DELAY_S),
        retry=retry_if_exception_type(UNREACHABLE),
        before_sleep=warn,
    )(attempt)


async def _stop_quietly(client: C, stop: Callable[[C], Awaitable[object]]) -> None:
    try:
        await stop(client)
    except (*UNREACHABLE, AttributeError) as error:  # a client that never started lacks parts that its stop() closes
        log.debug("broker.stop_failed", error=str(error))
