"""How every service that owns objects frees them: what a round does and says, and how long it may take.

What is kept, and for how long, is `shared.contracts.retention`; which things that means is each service's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.contracts.retention import Verdict


@dataclass(frozen=True)
class Done:
    """What a round did; `size` in bytes freed."""

    marked: int = 0
    deleted: int = 0
    size: int = 0

    def __add__(self, other: Done) -> Done:
        return Done(self.marked + other.marked, self.deleted + other.deleted, self.size + other.size)


@dataclass(frozen=True)
class Explained:
    """What would happen to one thing now, and why. `what` says it in a person's words; `size` in bytes; None: it
    belongs to no project."""

    id: str
    what: str
    project_id: str | None
    size: int
    verdict: Verdict


class Keeper(Protocol):
    """A service's retention. All raise what the object store raises; a crash anywhere is harmless."""

    async def purge(self, now: datetime) -> Done:
        """Marks what nothing needs any more, and deletes what has been marked for long enough."""
        ...

    async def collect(self, now: datetime) -> Done:
        """Deletes objects that no row knows. It lists the whole bucket."""
        ...

    def explain(self, now: datetime, project_id: str | None = None) -> AsyncIterator[Explained]:
        """Of one project only what belongs to it. Nothing is changed."""
        ...
