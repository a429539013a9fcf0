"""The broker factory: how every service opens its consumer, producer and admin client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.contracts.topics import MAX_RECORD_BYTES, Service

log = structlog.get_logger(__name__)

T = TypeVar("T", AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient)

EMBEDDED_FETCH_WAIT_MS: Final = 12
"""librdkafka's in-memory broker does not wake a waiting fetch, it lets it sleep its whole time: short is low latency.
A real broker answers a waiting fetch at once, so the default of 500 ms costs nothing there."""

BATCH_BYTES: Final = 512 * 1024
"""Of one partition: half of what a broker takes by default. With aiokafka's 16 KB a flush of 1,000 small events waited
for the broker some fifteen times."""

EMBEDDED_UNREAD_BYTES: Final = 1_500_000
"""That broker keeps only the last ~5 MB of a partition: the relay waits for the groups before it sends more."""


@dataclass(frozen=True)
class Broker:
    """Where Kafka is. `embedded` tunes for the in-memory broker of one laptop; never set it in production."""

    bootstrap: str
    service: Service
    embedded: bool = False

    def consumer(self, *topics: str) -> AIOKafkaConsumer:
        """A member of the service's one group. Offsets are committed by hand, after the effect."""
        return AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self.bootstrap,
            client_id=f"retake-{self.service}",
            group_id=self.service.value,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=EMBEDDED_FETCH_WAIT_MS if self.embedded else 500,
            metadata_max_age_ms=5_000 if self.embedded else 60_000,
            # The embedded broker lets a returning member wait for its old session's end, even after a clean leave.
            session_timeout_ms=3_000 if self.embedded else 10_000,
            heartbeat_interval_ms=500 if self.embedded else 3_000,
            max_poll_interval_ms=600_000,
        )

    def producer(self) -> AIOKafkaProducer:
        """Idempotent, acks=all: a retried send is neither doubled nor reordered."""
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            client_id=f"retake-{self.service}",
            enable_idempotence=True,
            acks="all",
            max_request_size=MAX_RECORD_BYTES + 48_576,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=15_000,
            metadata_max_age_ms=60_000,
        )

    def admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(
            bootstrap_servers=self.bootstrap, client_id=f"retake-{self.service}-admin", request_timeout_ms=10_000
        )


async def start_until_reachable(make: Callable[[], T], *, what: str) -> T:
    """Starts a client, trying again for ever: a broker that is away must not keep a service down."""
    delay = 0.2
    while True:
        client = make()
        try:
            await client.start()
            return client
        except (KafkaError, OSError, TimeoutError) as e:
            log.warning("broker.unreachable", client=what, error=str(e), retry_in_s=delay)
            await _quietly_stop(client)
        except BaseException:
            await _quietly_stop(client)
            raise
        await asyncio.sleep(delay)
        delay = min(delay * 2, 5.0)


async def _quietly_stop(client: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient) -> None:
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        await stop()
    except (KafkaError, OSError, TimeoutError, AttributeError) as e:
        log.debug("broker.stop_failed", error=str(e))


async def cluster_id(broker: Broker) -> str:
    """Identifies the cluster's data: another id than last time means that everything published is gone."""
    admin = await start_until_reachable(broker.admin, what="admin")
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()
