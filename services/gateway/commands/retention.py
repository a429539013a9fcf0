"""What retention needs of the gateway's storage. Small steps, each a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from services.gateway.domain.retention import HeldUpload


class Keeping(Protocol):
    """Bound to one transaction."""

    async def uploads(self, after_id: str | None, limit: int) -> list[HeldUpload]:
        """A page of all that have a row, by id."""
        ...

    async def mark(self, upload_ids: Sequence[str], now: datetime) -> None: ...

    async def forget(self, upload_ids: Sequence[str]) -> None: ...

    async def known_keys(self, keys: Sequence[str]) -> set[str]: ...

    async def retire_versions(self, now: datetime) -> int:
        """Clients see versions as gone that the generator has let go by now; how many."""
        ...


KeepingUnit = Callable[[], AbstractAsyncContextManager[Keeping]]
