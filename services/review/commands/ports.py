"""What the use cases need of storage and messaging; bound to one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from services.review.domain.reviews import Review
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionSubmitted
from shared.contracts.events.review import ReviewState
from shared.contracts.values import Actor, Ref
from shared.messaging.events import Cause, Message


class Reviews(Protocol):
    async def lock(self, run_id: str) -> Review | None:
        """The run's review, locked until the transaction ends."""
        ...

    async def open(self, review: Review, cause: Cause) -> bool:
        """False if the run has one already."""
        ...

    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review | None:
        """Open -> `state`, rev raised; None if it was not open any more."""
        ...

    async def record(
        self,
        decision_id: str | None,
        review: Review,
        *,
        decision: DecisionSubmitted | None,
        actor: Actor,
        verdict: str,
        at: datetime,
    ) -> None:
        """Adds to the history: what was decided, by whom, and whether it counted."""
        ...

    async def was_recorded(self, decision_id: str) -> bool: ...

    async def due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]:
        """Open reviews past their deadline and its grace, locked; ones that others hold are skipped."""
        ...

    async def open_of(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]: ...

    async def bury(self, asset_ids: Sequence[str], at: datetime) -> None:
        """Remembers that these assets are deleted, even if none of their events was ever seen."""
        ...

    async def is_buried(self, asset_id: str) -> bool: ...

    async def park(self, run_id: str, message: Message[Any]) -> None:
        """Keeps a decision that came before its preview."""
        ...

    async def unpark(self, run_id: str) -> list[Message[Any]]: ...

    async def count_open(self) -> int:
        """Reviews that wait for a decision."""
        ...

    async def publish(self, event: Event, cause: Cause) -> None: ...


def ref_of(ref: Ref) -> dict[str, Any]:
    """The fields that every event about a run shares."""
    return {name: getattr(ref, name) for name in Ref.model_fields}
