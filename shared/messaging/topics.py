"""Creates the contracts' topics on a broker that accepts admin requests.

    python -m shared.messaging.topics HOST:PORT [--replicas 3]

Creates what is missing and changes nothing that exists. Where an operator manages topics, it is not needed. TLS, login
and the prefix come from KAFKA_SECURITY_PROTOCOL and so on: the services' settings without the service's name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import DEAD_LETTER_CONFIG, PARTITIONS, TOPICS, Service, dead_letter_topic
from shared.core.errors import Permanent, UserError
from shared.core.settings import KafkaSettings, kafka_settings
from shared.messaging.broker import PLAINTEXT
from shared.messaging.security import KafkaSecurity, refusal

RETRY_S: Final = 0.1
MAX_REPLICAS: Final = 3
WAIT_S: Final = 120.0  # for a broker that is being started


async def create_missing(
    bootstrap: str, *, partitions: int, replicas: int, security: KafkaSecurity = PLAINTEXT, prefix: str = ""
) -> None:
    """Create every topic and dead-letter topic that is missing; retries until the broker answers.

    Raises Permanent if the broker refuses a topic.
    """
    while True:
        with suppress(KafkaError, OSError, TimeoutError):
            await _create_missing(bootstrap, _wanted(partitions, replicas, prefix), security)
            return
        await asyncio.sleep(RETRY_S)


async def _create_missing(bootstrap: str, wanted: list[NewTopic], security: KafkaSecurity) -> None:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, client_id="retake-topics", request_timeout_ms=5000, **security.options()
    )
    try:
        await admin.start()
        brokers = (await admin.describe_cluster())["brokers"]
        existing = set(await admin.list_topics())
        missing = [t for t in wanted if t.name not in existing]
        for topic in missing:
            topic.replication_factor = min(topic.replication_factor, len(brokers))
        if missing:
            _check(await admin.create_topics(missing))
    finally:
        await admin.close()


def _wanted(partitions: int, replicas: int, prefix: str) -> list[NewTopic]:
    configs = {t.name: t.config for t in TOPICS.values()} | {dead_letter_topic(s): DEAD_LETTER_CONFIG for s in Service}
    return [NewTopic(prefix + name, partitions, replicas, topic_configs=config) for name, config in configs.items()]


def _check(response: object) -> None:
    for name, code, *rest in response.topic_errors:  # type: ignore[attr-defined]
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            if getattr(error, "retriable", False):
                raise error
            raise Permanent("topic_refused", f"Kafka refused the topic {name}: {error.__name__} {rest}")


def main(arguments: list[str]) -> int:
    """Exit codes: 0 done, 1 the broker does not answer or refuses, 2 wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m shared.messaging.topics", description="Creates missing topics.")
    parser.add_argument("bootstrap", help="HOST:PORT[,HOST:PORT]")
    parser.add_argument("--replicas", type=int, default=MAX_REPLICAS, help="copies; at most one per broker")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds to wait for the broker")
    options = parser.parse_args(arguments)

    async def create(settings: KafkaSettings) -> str | None:
        security = KafkaSecurity.of(settings)
        try:
            async with asyncio.timeout(options.wait):
                await create_missing(
                    options.bootstrap,
                    partitions=PARTITIONS,
                    replicas=options.replicas,
                    security=security,
                    prefix=settings.kafka_prefix,
                )
        except TimeoutError:
            return await refusal(options.bootstrap, security) or "it answers, but not to the creation of topics"
        return None

    try:
        problem = asyncio.run(create(kafka_settings()))
    except UserError as error:
        print(f"{error.cause} {error.recovery}".rstrip(), file=sys.stderr)
        return 2
    except Permanent as error:
        print(error, file=sys.stderr)
        return 1
    if problem:
        print(f"Kafka at {options.bootstrap} does not answer: {problem}.", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
