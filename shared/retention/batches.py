"""A round of retention, from use cases that work in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from shared.objects import StoredObject
from shared.retention import Done
from shared.retention.freed import count_freed

BATCHES_MOST: Final = 50  # of a round; what is left waits for the next one


class Sized(Protocol):
    @property
    def size(self) -> int: ...


Held = TypeVar("Held", bound=Sized, covariant=True)


class Purge(Protocol[Held]):
    """Works in batches; an empty one: nothing is left to do."""

    async def mark(self, now: datetime) -> Sequence[Held]: ...

    async def delete(self, now: datetime) -> Sequence[Held]: ...


class Collect(Protocol):
    async def __call__(self, now: datetime) -> Sequence[StoredObject]: ...


async def purge_in_batches(purge: Purge[Held], counted_as: Callable[[Held], str], now: datetime) -> Done:
    """`counted_as` names a thing for the counters of what was freed."""
    done = Done()
    for _ in range(BATCHES_MOST):
        if not (marked := await purge.mark(now)):
            break
        done += Done(marked=len(marked))
    for _ in range(BATCHES_MOST):
        if not (deleted := await purge.delete(now)):
            break
        for held in deleted:
            count_freed(counted_as(held), 1, held.size)
        done += Done(deleted=len(deleted), size=sum(held.size for held in deleted))
    return done


async def collect_orphans(collect: Collect, now: datetime) -> Done:
    gone = await collect(now)
    size = sum(stored.size for stored in gone)
    count_freed("orphan", len(gone), size)
    return Done(deleted=len(gone), size=size)
