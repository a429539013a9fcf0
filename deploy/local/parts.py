"""What the supervisor keeps running, as data: how a part is started and how one knows that it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from deploy.local.children import Child


class Part(Protocol):
    """One process. It is launched once the parts it `needs` are ready, with their addresses by name; when one of
    these addresses changes it is started again."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def ready_timeout_s(self) -> float: ...

    @property
    def stop_grace_s(self) -> float: ...

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        """Prepare what it needs and start it."""
        ...

    async def ready(self, child: Child) -> str:
        """Return its address as soon as it answers; may wait for ever."""
        ...
