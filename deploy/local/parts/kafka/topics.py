"""Creation of the contracts' topics on an existing Kafka."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.contracts.topics import PARTITIONS
from shared.core.errors import UserError
from shared.core.settings import kafka_settings
from shared.messaging.security import KafkaSecurity, refusal
from shared.messaging.topics import MAX_REPLICAS, create_missing

REACH_TIMEOUT_S: Final = 15.0


async def use_existing(bootstrap: str) -> None:
    """Create the missing topics on an existing Kafka, with the login in KAFKA_SECURITY_PROTOCOL and so on.

    Raises UserError if it does not answer within 15 s, or if these settings are wrong.
    """
    settings = kafka_settings()
    security = KafkaSecurity.of(settings)
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            await create_missing(
                bootstrap,
                partitions=PARTITIONS,
                replicas=MAX_REPLICAS,
                security=security,
                prefix=settings.kafka_prefix,
            )
    except TimeoutError:
        why = await refusal(bootstrap, security)
        raise UserError(
            "kafka_unreachable",
            f"Kafka at {bootstrap} does not answer{f': {why}' if why else ''}.",
            "Check the address in --kafka HOST:PORT.",
        ) from None
