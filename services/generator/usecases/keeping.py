"""What retention needs of storage. Small steps, each a transaction, so that nobody waits for the sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.generator.domain.retention import Holding
from shared.contracts.values import ObjectRef


class Keeping(Protocol):
    """Bound to one transaction."""

    async def lock_ripe(self, closed_before: datetime, limit: int) -> list[str]:
        """Unmarked versions that may be let go, locked: a run that wants one waits, or was first. Those that others
        hold are left for the next time."""
        ...

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        """Marked ones whose grace time is over, locked."""
        ...

    async def holdings(self, version_ids: Sequence[str]) -> list[Holding]:
        """As they are now: a statement of its own, so that it sees what was committed while we waited for locks."""
        ...

    def all_holdings(self, project_id: str | None) -> AsyncIterator[Holding]:
        """Every version that has a row, by project and asset."""
        ...

    async def mark(self, version_ids: Sequence[str], now: datetime) -> None: ...

    async def objects_of(self, version_ids: Sequence[str]) -> dict[str, list[ObjectRef]]: ...

    async def forget(self, version_ids: Sequence[str], now: datetime) -> None:
        """Removes the rows, once the bytes are gone; a deleted asset that has none left gets its tombstone."""
        ...

    async def referenced(self, keys: Sequence[tuple[str, str | None]]) -> set[str]:
        """Of keys, each with the version that it names: those of a version that has a row, or of an active run."""
        ...


KeepingUnit = Callable[[], AbstractAsyncContextManager[Keeping]]
"""Opens a transaction of retention's."""
