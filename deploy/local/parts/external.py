"""Checks of external parts (an existing PostgreSQL, Kafka or S3) before any part of ours is started."""

from __future__ import annotations

import asyncio
from typing import Final

from deploy.local.parts import databases
from deploy.local.supervisor.options import Options
from shared.core.errors import RetakeError, UserError

OBJECTS_TIMEOUT_S: Final = 20.0


async def check(options: Options) -> None:
    """Raise a UserError that names the part that does not answer. Creates the missing topics on an existing Kafka.

    The client libraries are slow to import, so only those that are needed are imported.
    """
    if options.database:
        await databases.check(options.database)
    if options.kafka:
        from deploy.local.parts.kafka import topics

        await topics.use_existing(options.kafka)
    if options.objects:
        await _check_objects(options.objects)


async def _check_objects(url: str) -> None:
    from shared.contracts.topics import Service
    from shared.objects.proof import open_proven_objects

    try:
        async with asyncio.timeout(OBJECTS_TIMEOUT_S), open_proven_objects(url, Service.GENERATOR) as objects:
            async for _ in objects.own.list():
                break
    except UserError:
        raise
    except (RetakeError, TimeoutError) as e:
        cause = e.cause.rstrip(".") if isinstance(e, RetakeError) else f"no answer within {OBJECTS_TIMEOUT_S:.0f} s"
        raise UserError(
            "objects_unreachable",
            f"The object store {url} cannot be used: {cause}.",
            "Create the bucket, and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for servers other"
            " than Amazon's, AWS_ENDPOINT_URL_S3.",
        ) from e
