"""A service's start: its bucket takes what is written, and refuses to write over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from shared.contracts.topics import Service
from shared.core.errors import DependencyMissing, Permanent, RetakeError, Retryable
from shared.core.ids import new_id
from shared.objects import MISCONFIGURED, Objects, ObjectStore, open_objects

CHECK: Final = "objects"
KEY: Final = "probe/conditional-write"
"""Nothing else is called so. Who creates it also removes it, so replicas that start together disturb none of each
other."""


@asynccontextmanager
async def open_proven_objects(url: str, owner: Service, *, work_dir: Path | None = None) -> AsyncIterator[Objects]:
    """`open_objects`, once the owner's bucket can be used.

    Raises DependencyMissing for what somebody can mend while we wait; Permanent and UserError for settings that cannot
    work.
    """
    async with AsyncExitStack() as stack:
        try:
            objects = await stack.enter_async_context(open_objects(url, owner, work_dir=work_dir))
            if objects.own.local_path(KEY) is None:  # in a directory, it is our own code that never writes over
                await _prove(objects.own, owner)
        except (Permanent, Retryable) as error:
            raise _missing(error, owner) from error
        yield objects


async def _prove(store: ObjectStore, owner: Service) -> None:
    if not await _written(store):
        return  # that of another replica was not written over
    try:
        if await _written(store):
            raise DependencyMissing(
                CHECK,
                "object_store_overwrites",
                "The object store writes over objects although it is told not to (If-None-Match: *).",
                f"Let {owner.upper()}_OBJECTS_URL name a store with conditional writes, or update its server.",
            )
    finally:
        with suppress(RetakeError):
            await store.delete(KEY)


async def _written(store: ObjectStore) -> bool:
    """Other bytes each time: the same ones would be welcome."""
    try:
        await store.put_bytes(KEY, new_id().encode(), "text/plain")
    except Permanent as error:
        if error.code != "object_exists":
            raise
        return False
    return True


def _missing(error: RetakeError, owner: Service) -> RetakeError:
    if isinstance(error, DependencyMissing) or error.code == MISCONFIGURED:
        return error
    remedy = error.recovery or (
        f"Check {owner.upper()}_OBJECTS_URL, the bucket's policy, the credentials (AWS_* or Google's) and network "
        "policies."
    )
    return DependencyMissing(CHECK, error.code, f"{error.cause.rstrip('.')}.", remedy)
