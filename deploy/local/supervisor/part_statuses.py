"""The status of every part, in one place where changes can be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from deploy.local.supervisor.state import PartStatus, State


class PartStatuses:
    """`on_change` is called with every changed status, in order."""

    def __init__(self, on_change: Callable[[PartStatus], None]) -> None:
        self._parts: dict[str, PartStatus] = {}
        self._on_change = on_change
        self._changed = asyncio.Condition()

    @property
    def parts(self) -> tuple[PartStatus, ...]:
        return tuple(self._parts.values())

    def __getitem__(self, name: str) -> PartStatus:
        return self._parts[name]

    def add(self, status: PartStatus) -> None:
        self._parts[status.name] = status

    async def set(self, name: str, state: State, **changes: Any) -> None:
        self._parts[name] = self._parts[name].to(state, **changes)
        self._on_change(self._parts[name])
        async with self._changed:
            self._changed.notify_all()

    async def addresses(self, names: tuple[str, ...], other_than: Mapping[str, str] | None = None) -> dict[str, str]:
        """Wait until all these parts are ready, at addresses other than those given; returns them by name."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ready(names) not in (None, other_than))
        addresses = self._ready(names)
        assert addresses is not None
        return addresses

    async def all_ready(self) -> None:
        """Return once every part is ready."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(p.state is State.READY for p in self.parts))

    def _ready(self, names: tuple[str, ...]) -> dict[str, str] | None:
        parts = [self._parts[n] for n in names]
        if any(p.state is not State.READY for p in parts):
            return None
        return {p.name: p.address or "" for p in parts}
