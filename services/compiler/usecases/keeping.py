"""What retention needs of storage. Small steps, each a transaction, so that nobody waits for the sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.compiler.domain.retention import Held


class Shelf(Protocol):
    """Things of one kind, bound to one transaction."""

    async def lock_ripe(self, now: datetime, limit: int) -> list[str]:
        """Unmarked ones that may be let go, locked: who wants one waits, or was first. Those that others hold are
        left for the next time."""
        ...

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        """Marked ones whose grace time is over, locked."""
        ...

    async def holdings(self, ids: Sequence[str]) -> list[Held]:
        """As they are now: a statement of its own, so that it sees what was committed while we waited for locks."""
        ...

    def all_holdings(self, project_id: str | None) -> AsyncIterator[Held]: ...

    async def mark(self, ids: Sequence[str], now: datetime) -> None: ...

    async def give_up(self, ids: Sequence[str]) -> list[str]:
        """Nobody finds these again. Returns the keys of their objects."""
        ...

    async def forget(self, ids: Sequence[str]) -> None:
        """Removes the rows, once the bytes are gone; not those of what was made anew in the meantime."""
        ...


@dataclass(frozen=True)
class Owner:
    """Whom a key names: a compilation (an id), or a piece by its key."""

    key: str
    compilation_id: str | None = None
    piece: str | None = None


class Keeping(Protocol):
    """Bound to one transaction."""

    @property
    def shelves(self) -> Sequence[Shelf]:
        """Films, then pieces."""
        ...

    async def referenced(self, owners: Sequence[Owner]) -> set[str]:
        """Of keys, those of a finished piece or film, and all of a film in progress."""
        ...

    async def drop_dead_claims(self, dead_for: timedelta) -> None:
        """Rows of pieces that nobody finished and nobody took over, by the database's clock, as their leases are."""
        ...


KeepingUnit = Callable[[], AbstractAsyncContextManager[Keeping]]
"""Opens a transaction of retention's."""

SHELVES = 2
