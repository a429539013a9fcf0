"""What the supervisor keeps running: how a part is started, and how its readiness is determined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from deploy.local.supervisor.processes import Child


class Part(Protocol):
    """One process. It is launched once the parts that it `needs` are ready, with their addresses by name, and
    restarted when one of these addresses changes."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def ready_timeout_s(self) -> float: ...

    @property
    def stop_grace_s(self) -> float: ...

    async def launch(self, addresses: Mapping[str, str]) -> Child:
        """Prepare its files and databases, and start it. A Retryable error is tried again later."""
        ...

    async def ready(self, child: Child) -> str:
        """Return its address as soon as it answers; may wait forever."""
        ...
