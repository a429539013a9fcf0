"""Creation of the contracts' topics on an existing Kafka."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.contracts.topics import PARTITIONS
from shared.core.errors import UserError
from shared.messaging.topics import MAX_REPLICAS, create_missing

REACH_TIMEOUT_S: Final = 15.0


async def use_existing(bootstrap: str) -> None:
    """Create the missing topics on an existing Kafka. Raises UserError if it does not answer within 15 s."""
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            await create_missing(bootstrap, partitions=PARTITIONS, replicas=MAX_REPLICAS)
    except TimeoutError:
        raise UserError(
            "kafka_unreachable", f"Kafka at {bootstrap} does not answer.", "Check the address in --kafka HOST:PORT."
        ) from None
