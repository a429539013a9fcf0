"""What somebody else runs must answer before anything of ours is started."""

from __future__ import annotations

import asyncio
from typing import Final

from deploy.local import databases
from deploy.local.options import Options
from shared.core.errors import RetakeError, UserError

OBJECTS_TIMEOUT_S: Final = 20.0


async def check(options: Options) -> None:
    """Raise a UserError that names what does not answer. Makes the missing topics on an existing Kafka.

    The clients take long to import, so only those that are needed are.
    """
    if options.database:
        await databases.check(options.database)
    if options.kafka:
        from deploy.local.kafka import topics

        await topics.use_existing(options.kafka)
    if options.objects:
        await _check_objects(options.objects)


async def _check_objects(url: str) -> None:
    from shared.contracts.topics import Service
    from shared.objects import open_objects

    try:
        async with asyncio.timeout(OBJECTS_TIMEOUT_S), open_objects(url, Service.GENERATOR) as objects:
            async for _ in objects.own.list():
                break
    except UserError:
        raise
    except (RetakeError, TimeoutError) as e:
        cause = e.cause if isinstance(e, RetakeError) else f"no answer within {OBJECTS_TIMEOUT_S:.0f} s"
        raise UserError(
            "objects_unreachable",
            f"The object store {url} cannot be used: {cause}.",
            "Make the bucket, and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for other servers"
            " than Amazon's, AWS_ENDPOINT_URL_S3.",
        ) from e
