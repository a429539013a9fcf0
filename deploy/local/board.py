"""The state of every part in one place, with a way to wait for a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from deploy.local.state import PartStatus, State


class Board:
    """`on_change` is told of every change, in order."""

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
        """Wait until all these parts are ready, at other addresses than those given; returns the addresses."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ready(names) not in (None, other_than))
        found = self._ready(names)
        assert found is not None
        return found

    async def all_ready(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: all(p.state is State.READY for p in self.parts))

    def _ready(self, names: tuple[str, ...]) -> dict[str, str] | None:
        parts = [self._parts[n] for n in names]
        if any(p.state is not State.READY for p in parts):
            return None
        return {p.name: p.address or "" for p in parts}
